//! Students with tokens of their own: what a token opens, and whom it is taken for.

use journeys::{
    DeployedStack, Student,
    payments::{PAYS, REQUIRES_ACTION, Stripe},
};
use serde_json::{Value, json};

use crate::access::{ROUTES, STUDENT_ROUTES};

const ENROLLMENTS: &str = "/student/enrollments";

async fn create_priced_course(stack: &DeployedStack) -> String {
    let course = json!({"title": "Tokens", "price": 4900, "currency": "USD", "state": "open"});
    stack.create_course(course).await
}

fn purchase(course: &str, method: &str) -> Value {
    json!({"course_id": course, "payment_method": method, "price": 4900, "currency": "USD"})
}

/// Whether the table has nothing about the student, as a trusted backend sees it.
async fn has_no_enrollment(stack: &DeployedStack, student: &Student) -> bool {
    let path = format!("/enrollments?student_id={}", student.id);
    let listed = stack.call(&stack.caller, "GET", &path, "").await;
    assert_eq!(listed.status, 200, "{:?}", listed.body);
    listed.body["data"]["enrollments"] == json!([])
}

/// Tokens that are wrong in one way each.
async fn wrong_tokens(stack: &DeployedStack, student: &Student) -> Vec<(&'static str, String)> {
    let good = stack.claims(student);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims are an object").remove(name);
        claims
    };
    let now = good["iat"].as_i64().expect("it is a time");
    let mut tokens = Vec::new();
    for (what, claims) in [
        ("expired", changed("exp", json!(now - 1))),
        ("without an end", without("exp")),
        ("with an end that is not a number", changed("exp", json!("9999999999"))),
        ("not valid yet", changed("nbf", json!(now + 300))),
        ("issued in the future", changed("iat", json!(now + 300))),
        ("for another audience", changed("aud", json!("another-page"))),
        ("without an audience", without("aud")),
        ("of another issuer", changed("iss", json!("https://login.example.com"))),
        ("without an issuer", without("iss")),
    ] {
        tokens.push((what, stack.token(&claims).await));
    }
    // An audience is compared before a client, which only counts alone.
    let mut both = changed("aud", json!("another-page"));
    both["client_id"] = good["aud"].clone();
    tokens.push(("of this client for another audience", stack.token(&both).await));
    for (what, key, header) in [
        ("signed with another key", "unpublished", json!({})),
        ("of a key that nobody published", "published", json!({"kid": "another"})),
        ("that names no key", "published", json!({"kid": null})),
        ("without a signature", "published", json!({"alg": "none"})),
        ("signed with the public key as a secret", "published", json!({"alg": "HS256"})),
    ] {
        tokens.push((what, stack.token_signed_with(key, header, &good).await));
    }
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let signed = parts(&stack.token(&good).await);
    let other = parts(&stack.token(&stack.claims(&Student::named("Eve"))).await);
    let (header, claims, signature) = (&signed[0], &signed[1], &signed[2]);
    let first = if signature.starts_with('A') { "B" } else { "A" };
    tokens
        .push(("with another signature", format!("{header}.{claims}.{first}{}", &signature[1..])));
    tokens.push(("with another's signature", format!("{header}.{claims}.{}", other[2])));
    tokens.push(("cut short", format!("{header}.{claims}.")));
    tokens.push(("that is not one", "student".to_owned()));
    tokens
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn wrong_token_is_401_on_every_route_of_students_and_nothing_is_written() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Ada Lovelace");
    let body = purchase(&course, PAYS);

    for (what, token) in wrong_tokens(&stack, &student).await {
        for (method, path) in STUDENT_ROUTES {
            let response = stack.call_with_token(&token, method, path, &body).await;
            assert_eq!(response.status, 401, "{what}: {method} {path}: {:?}", response.body);
        }
    }
    for (method, path) in STUDENT_ROUTES {
        let unsigned = stack.call(None, method, path, body.to_string()).await;
        assert_eq!(unsigned.status, 401, "{method} {path}: {:?}", unsigned.body);
        let signed = stack.call(&stack.caller, method, path, body.to_string()).await;
        assert_eq!(signed.status, 401, "{method} {path}: {:?}", signed.body);
    }

    assert!(has_no_enrollment(&stack, &student).await);
    assert_eq!(stripe.counts(&student).intents, 0);
    // The same request with a good token: it was the token that was refused.
    let enrolled = stack.call_as(&student, "POST", ENROLLMENTS, &body).await;
    assert_eq!(enrolled.status, 201, "{:?}", enrolled.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn token_opens_no_signed_route() {
    let stack = DeployedStack::shared().await;
    let student = Student::named("Grace Hopper");
    let token = stack.token(&stack.claims(&student)).await;
    for (method, path, _) in ROUTES {
        let response = stack.call_with_token(&token, method, path, "{}").await;
        assert_eq!(response.status, 403, "{method} {path}: {:?}", response.body);
    }
    let course = stack.create_free_course("Closed to tokens").await;
    let body = student.enrollment_request(&course);
    let response = stack.call_with_token(&token, "POST", "/enrollments", &body).await;
    assert_eq!(response.status, 403, "{:?}", response.body);
    assert!(has_no_enrollment(&stack, &student).await);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn student_with_a_token_enrolls_pays_and_sees_only_their_own() {
    let stack = DeployedStack::shared().await;
    let stripe = Stripe::of(&stack);
    let (free, priced) =
        (stack.create_free_course("Free").await, create_priced_course(&stack).await);
    let (student, other) = (Student::named("Katherine Johnson"), Student::named("Eve"));

    let enrolled = stack.call_as(&student, "POST", ENROLLMENTS, json!({"course_id": free})).await;
    assert_eq!(enrolled.status, 201, "{:?}", enrolled.body);
    let enrollment = &enrolled.body["data"]["enrollment"];
    for (field, expected) in
        [("student_id", &student.id), ("email", &student.email), ("name", &student.name)]
    {
        assert_eq!(enrollment[field], **expected);
    }
    stack.wait_for_email_to(&student.email).await;
    let bought = stack.call_as(&student, "POST", ENROLLMENTS, purchase(&priced, PAYS)).await;
    assert_eq!(bought.status, 201, "{:?}", bought.body);
    assert_eq!(stripe.counts(&student).kept, 1);

    let path = format!("{ENROLLMENTS}/{priced}");
    let shown = stack.call_as(&student, "GET", &path, "").await;
    assert_eq!(shown.body["data"]["payment"]["price"], 4900, "{:?}", shown.body);
    // The backend sees the same enrollment.
    assert_eq!(stack.enrollment(&student, &priced).await["enrollment"]["state"], "active");
    let listed = stack.call_as(&student, "GET", ENROLLMENTS, "").await;
    let listed = listed.body["data"]["enrollments"].as_array().cloned().unwrap_or_default();
    let mut courses: Vec<_> = listed.iter().filter_map(|each| each["course_id"].as_str()).collect();
    courses.sort_unstable();
    let mut expected = [free.as_str(), &priced];
    expected.sort_unstable();
    assert_eq!(courses, expected);

    assert_eq!(stack.call_as(&other, "GET", &path, "").await.status, 404);
    let asked = format!("{path}?student_id={}", student.id);
    assert_eq!(stack.call_as(&other, "GET", &asked, "").await.status, 404);
    let asked = format!("{ENROLLMENTS}?student_id={}", student.id);
    assert_eq!(stack.call_as(&other, "GET", &asked, "").await.status, 422);
    let listed = stack.call_as(&other, "GET", ENROLLMENTS, "").await;
    assert_eq!(listed.body["data"]["enrollments"], json!([]));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn body_or_claims_that_are_not_the_students_own_enroll_nobody() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Own").await;
    let (student, victim) = (Student::named("Eve"), Student::named("Ada Lovelace"));
    for (field, value) in
        [("student_id", &victim.id), ("email", &victim.email), ("name", &victim.name)]
    {
        let body = json!({"course_id": course, field: value});
        let response = stack.call_as(&student, "POST", ENROLLMENTS, body).await;
        assert_eq!(response.status, 422, "{field}: {:?}", response.body);
        assert!(response.body["data"][field].is_string(), "{field}: {:?}", response.body);
    }
    // The issuer lets anybody register with an address, and says that this one is not verified.
    let mut claims = stack.claims(&student);
    claims["email"] = json!(victim.email);
    claims["email_verified"] = json!(false);
    let token = stack.token(&claims).await;
    let body = json!({"course_id": course});
    let response = stack.call_with_token(&token, "POST", ENROLLMENTS, body).await;
    assert_eq!(response.status, 422, "{:?}", response.body);
    assert!(response.body["data"]["token.email_verified"].is_string(), "{:?}", response.body);

    assert!(has_no_enrollment(&stack, &student).await);
    assert!(has_no_enrollment(&stack, &victim).await);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn student_whose_bank_asks_is_402_with_a_client_secret() {
    let stack = DeployedStack::shared().await;
    let (stripe, course) = (Stripe::of(&stack), create_priced_course(&stack).await);
    let student = Student::named("Hedy Lamarr");
    let body = purchase(&course, REQUIRES_ACTION);
    let response = stack.call_as(&student, "POST", ENROLLMENTS, body).await;
    assert_eq!(response.status, 402, "{:?}", response.body);
    assert_eq!(response.body["data"]["payment"], "requires_action");
    assert!(response.body["data"]["client_secret"].is_string());
    assert_eq!(stripe.counts(&student).kept, 0);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn preflight_needs_no_token_and_allows_only_the_page() {
    let stack = DeployedStack::shared().await;
    let page = stack.description.page.trim_end_matches('/');
    let ask = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        stack.call_with_headers("OPTIONS", ENROLLMENTS, &headers, "").await
    };
    let allowed = ask(page).await;
    assert_eq!(allowed.status, 204, "{:?}", allowed.headers);
    let header = |name: &str| allowed.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("access-control-allow-origin"), Some(page));
    assert_eq!(header("access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(header("access-control-allow-headers"), Some("authorization,content-type"));
    assert_eq!(header("access-control-allow-credentials"), None);
    for origin in ["https://evil.example.com", "null", &format!("{page}.evil.example.com")] {
        let refused = ask(origin).await;
        let headers = refused.headers;
        assert!(!headers.contains_key("access-control-allow-origin"), "{origin}: {headers:?}");
    }

    let student = Student::named("Annie Easley");
    let token = format!("Bearer {}", stack.token(&stack.claims(&student)).await);
    for (origin, expected) in [(page, Some(page)), ("https://evil.example.com", None)] {
        let headers = [("origin", origin), ("authorization", token.as_str())];
        let response = stack.call_with_headers("GET", ENROLLMENTS, &headers, "").await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        let allowed = response.headers.get("access-control-allow-origin");
        assert_eq!(allowed.and_then(|value| value.to_str().ok()), expected);
    }
}
