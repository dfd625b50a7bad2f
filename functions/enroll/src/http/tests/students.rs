//! The routes of students: who the student is comes only from the token.

use super::*;
use crate::http::gateway::tests::respond;

fn claims(id: &str) -> Value {
    let email = format!("{id}@example.com");
    json!({"sub": id, "email": email, "name": "Ada", "email_verified": "true"})
}

fn tokens(claims: &Value) -> Value {
    json!({"jwt": {"claims": claims, "scopes": null}})
}

fn signed() -> Value {
    json!({"iam": {"userArn": "arn:aws:iam::123456789012:user/backend"}})
}

/// An event of a route about the open course.
fn event(route_key: &str, authorizer: &Value, query: &str, body: &Value) -> Value {
    let (method, path) = route_key.split_once(' ').unwrap();
    json!({
        "version": "2.0", "routeKey": route_key, "rawPath": path, "rawQueryString": query,
        "headers": {}, "pathParameters": {"course_id": "open"},
        "requestContext": {
            "routeKey": route_key, "http": {"method": method}, "authorizer": authorizer,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}

const ENROLL: &str = "POST /student/enrollments";
const LIST: &str = "GET /student/enrollments";
const SHOW: &str = "GET /student/enrollments/{course_id}";
const ROUTES: [&str; 5] =
    [ENROLL, LIST, SHOW, "GET /student/courses", "GET /student/courses/{course_id}"];

async fn call(api: &Api, route: &str, authorizer: &Value, body: Value) -> (u16, Value) {
    respond(&api.router, event(route, authorizer, "", &body)).await
}

#[tokio::test]
async fn student_enrolls_as_the_token_says_and_sees_only_their_own() {
    let api = free();
    let ada = tokens(&claims("ada"));
    let (status, body) = call(&api, ENROLL, &ada, json!({"course_id": "open"})).await;
    assert_eq!(status, 201, "{body}");
    let enrollment = &body["data"]["enrollment"];
    assert_eq!(enrollment["student_id"], "ada");
    assert_eq!(enrollment["email"], "ada@example.com");
    assert_eq!(enrollment["name"], "Ada");
    assert_eq!(call(&api, SHOW, &ada, Value::Null).await.0, 200);
    let (_, listed) = call(&api, LIST, &ada, Value::Null).await;
    assert_eq!(listed["data"]["enrollments"].as_array().unwrap().len(), 1);

    let eve = tokens(&claims("eve"));
    let asked = event(SHOW, &eve, "student_id=ada", &Value::Null);
    assert_eq!(respond(&api.router, asked).await.0, 404);
    let asked = event(LIST, &eve, "student_id=ada", &Value::Null);
    let (status, body) = respond(&api.router, asked).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"]["student_id"], "is not accepted here: it comes from the token");
    let (_, listed) = call(&api, LIST, &eve, Value::Null).await;
    assert_eq!(listed["data"]["enrollments"], json!([]));
}

#[tokio::test]
async fn body_that_names_the_student_is_422_and_nothing_is_written() {
    let api = free();
    let eve = tokens(&claims("eve"));
    for field in ["student_id", "email", "name"] {
        for value in [json!("ada@example.com"), json!("eve"), Value::Null] {
            let body = json!({"course_id": "open", field: value});
            let (status, response) = call(&api, ENROLL, &eve, body).await;
            assert_eq!(status, 422);
            let why = "is not accepted here: it comes from the token";
            assert_eq!(response["data"], json!({field: why}));
        }
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn wrong_claims_and_wrong_fields_are_named_together() {
    let api = free();
    let token = tokens(&json!({"sub": "eve", "email": "e@x.example", "email_verified": "false"}));
    let (status, body) = call(&api, ENROLL, &token, json!({"name": "Ada"})).await;
    assert_eq!(status, 422);
    let names: Vec<_> = body["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["course_id", "name", "token.email_verified", "token.name"]);
    assert!(api.world.enrollments().is_empty());
    // To read, the id is enough.
    assert_eq!(call(&api, LIST, &token, Value::Null).await.0, 200);
    let nobody = tokens(&json!({}));
    for route in [ENROLL, LIST, SHOW] {
        let (status, body) = call(&api, route, &nobody, json!({"course_id": "open"})).await;
        assert_eq!(status, 422, "{route}");
        assert_eq!(body["data"]["token.sub"], "is missing", "{route}");
    }
}

#[tokio::test]
async fn route_of_students_without_verified_claims_is_403() {
    let api = free();
    let mut both = signed();
    both["jwt"] = tokens(&claims("ada"))["jwt"].clone();
    for authorizer in [Value::Null, json!({}), signed(), both, json!({"lambda": claims("ada")})] {
        for route in ROUTES {
            let (status, body) = call(&api, route, &authorizer, json!({"course_id": "open"})).await;
            assert_eq!(status, 403, "{route} {authorizer}: {body}");
        }
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn signed_route_with_claims_of_a_token_is_403() {
    let api = free();
    let course = json!({"title": "T", "price": 0, "currency": "USD", "state": "open"});
    let mut both = signed();
    both["jwt"] = tokens(&claims("s-1"))["jwt"].clone();
    for authorizer in [tokens(&claims("s-1")), both] {
        for (route, body) in [
            ("POST /enrollments", ada()),
            ("POST /add-user-to-course", ada()),
            ("PUT /courses/{course_id}", course.clone()),
            ("POST /operator/enrollments/{course_id}", json!({})),
            ("GET /operator/enrollments/{course_id}", Value::Null),
            ("GET /enrollments", Value::Null),
            ("GET /enrollments/{course_id}", Value::Null),
            ("GET /courses", Value::Null),
            ("GET /courses/{course_id}", Value::Null),
        ] {
            let event = event(route, &authorizer, "student_id=s-1", &body);
            let (status, response) = respond(&api.router, event).await;
            assert_eq!(status, 403, "{route}: {response}");
        }
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn student_pays_or_is_asked_by_the_bank() {
    let ada = tokens(&claims("ada"));
    let body = json!({"course_id": "priced", "payment_method": "pm_card", "price": 4900, "currency": "USD"});
    let paid = call(&paying(Bank::Accepts), ENROLL, &ada, body.clone()).await;
    assert_eq!(paid.0, 201, "{}", paid.1);
    let asked = call(&paying(Bank::AsksTheStudent), ENROLL, &ada, body).await;
    assert_eq!((asked.0, &asked.1["data"]["payment"]), (402, &json!("requires_action")));
}
