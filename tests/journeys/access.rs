//! The permissions of each route. API Gateway refuses a request without permission before it reaches a function.

use journeys::{DeployedStack, Signer, Student, description::Credentials};

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Caller,
    Operator,
    Both,
    PaymentsOperator,
}

/// Every signed route, and who may call it.
const ROUTES: [(&str, &str, Role); 9] = [
    ("POST", "/enrollments", Role::Caller),
    ("POST", "/add-user-to-course", Role::Caller),
    ("GET", "/enrollments/some-course?student_id=somebody", Role::Caller),
    ("GET", "/enrollments?student_id=somebody", Role::Caller),
    ("GET", "/operator/enrollments/some-course", Role::PaymentsOperator),
    ("POST", "/operator/enrollments/some-course", Role::PaymentsOperator),
    ("PUT", "/courses/some-course", Role::Operator),
    ("GET", "/courses/some-course", Role::Both),
    ("GET", "/courses", Role::Both),
];

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn health_check_without_a_signature_is_200() {
    let stack = DeployedStack::shared().await;
    let response = stack.call(None, "GET", "/", "").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.body["status"], "success");
    assert!(response.body["message"].is_string(), "{:?}", response.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn unsigned_request_to_a_signed_route_is_403() {
    let stack = DeployedStack::shared().await;
    for (method, path, _) in ROUTES {
        let response = stack.call(None, method, path, "").await;
        assert_eq!(response.status, 403, "{method} {path}: {:?}", response.body);
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn wrongly_signed_request_to_a_signed_route_is_403() {
    let stack = DeployedStack::shared().await;
    let signer = |access_key_id: &str, secret_access_key: &str| Signer {
        credentials: Credentials {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
        },
        ..stack.caller.clone()
    };
    let key = &stack.description.caller;
    let wrong_secret = signer(&key.access_key_id, "not-the-secret");
    let stranger = signer("AKIAIOSFODNN7EXAMPLE", &key.secret_access_key);

    for (method, path, _) in ROUTES {
        for signer in [&wrong_secret, &stranger] {
            let response = stack.call(signer, method, path, "").await;
            assert_eq!(response.status, 403, "{method} {path}: {:?}", response.body);
        }
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn policy_permits_only_its_own_routes() {
    let stack = DeployedStack::shared().await;
    let payments_operator =
        Signer { credentials: stack.description.payments_operator.clone(), ..stack.caller.clone() };
    for (method, path, role) in ROUTES {
        for (signer, of) in [
            (&stack.caller, Role::Caller),
            (&stack.operator, Role::Operator),
            (&payments_operator, Role::PaymentsOperator),
        ] {
            let response = stack.call(signer, method, path, "").await;
            let both = role == Role::Both && of != Role::PaymentsOperator;
            let refused = !both && role != of;
            assert_eq!(response.status == 403, refused, "{method} {path}: {:?}", response.body);
        }
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn refused_request_changes_nothing() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Kept").await;
    let path = format!("/courses/{course}");
    let student = Student::named("Mallory");

    let other = r#"{"title": "Changed", "price": 0, "currency": "USD", "state": "open"}"#;
    let put = stack.call(&stack.caller, "PUT", &path, other).await;
    let body = student.enrollment_request(&course).to_string();
    let post = stack.call(&stack.operator, "POST", "/enrollments", body).await;

    assert_eq!((put.status, post.status), (403, 403));
    let kept = stack.call(&stack.operator, "GET", &path, "").await;
    assert_eq!(kept.body["data"]["course"]["title"], "Kept");
    let path = format!("/enrollments/{course}?student_id={}", student.id);
    assert_eq!(stack.call(&stack.caller, "GET", &path, "").await.status, 404);
}
