//! Raw events, as API Gateway and `cargo lambda watch` send them.

use std::sync::Arc;

use axum::http::HeaderMap;
use enrollment::{
    Course,
    outside::AccessAfterRefund,
    testing::{Bank, World},
};
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::{
    super::{openapi::conformance, router},
    *,
};

fn courses() -> [Course; 1] {
    let course = json!({
        "course_id": "open", "title": "T", "price": 0, "currency": "USD", "state": "open",
    });
    [serde_json::from_value(course).unwrap()]
}

pub(super) fn api() -> Router {
    router(Arc::new(World::new(courses(), Bank::Accepts).ports()), AccessAfterRefund::Keep)
}

pub(in crate::http) async fn respond(router: &Router, event: Value) -> (u16, Value) {
    let route = event["routeKey"].as_str().unwrap_or_default().to_owned();
    let event = LambdaEvent::new(event, Context::default());
    let response = serde_json::to_value(handle(router, event).await.unwrap()).unwrap();
    let status = response["statusCode"].as_u64().unwrap().try_into().unwrap();
    let body = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    if let Some((method, path)) = route.split_once(' ') {
        conformance::check(method, path, status, &headers_of(&response), &body);
    }
    (status, body)
}

fn headers_of(response: &Value) -> HeaderMap {
    let mut found = HeaderMap::new();
    for part in ["headers", "multiValueHeaders"] {
        for (name, value) in response[part].as_object().into_iter().flatten() {
            let value = value.get(0).unwrap_or(value).as_str().unwrap();
            let name: HeaderName = name.parse().unwrap();
            found.insert(name, value.parse().unwrap());
        }
    }
    found
}

/// An event of a route, whose path is the route's own.
fn event(route_key: &str, parameters: Value) -> Value {
    let (method, path) = route_key.split_once(' ').unwrap();
    json!({
        "version": "2.0", "routeKey": route_key, "rawPath": path, "rawQueryString": "",
        "headers": {"host": "a1.execute-api.us-east-1.amazonaws.com"},
        "pathParameters": parameters,
        "requestContext": {"routeKey": route_key, "stage": "$default", "http": {"method": method}},
        "isBase64Encoded": false,
    })
}

fn enroll() -> Value {
    let mut event = event("POST /enrollments", Value::Null);
    let ada = json!({
        "student_id": "s-1", "course_id": "open", "email": "ada@example.com", "name": "Ada",
    });
    event["body"] = json!(ada.to_string());
    event
}

fn get_course(id: &str) -> Value {
    event("GET /courses/{course_id}", json!({"course_id": id}))
}

fn get_enrollment(query: &str) -> Value {
    let mut event = event("GET /enrollments/{course_id}", json!({"course_id": "open"}));
    event["rawQueryString"] = json!(query);
    event
}

#[tokio::test]
async fn route_key_decides_whatever_the_path_is() {
    for raw_path in [
        "/enrollments",
        "/registrar/enrollments",
        "/registrar/v1/enrollments",
        "/prod/enrollments",
        "/courses/open",
        "/",
        "",
        "enrollments",
        "/\u{e9} \"<>#?",
    ] {
        let mut event = enroll();
        event["rawPath"] = json!(raw_path);
        assert_eq!(respond(&api(), event).await.0, 201, "{raw_path}");
    }
}

#[tokio::test]
async fn path_parameter_cannot_reach_another_route() {
    for id in ["../enrollments", "a/b", "/", "..", "a b", "a%2Fb", "?x", "#x", "\u{0}", "\u{e9}"] {
        let (status, body) = respond(&api(), get_course(id)).await;
        assert_eq!(status, 422, "{id}: {body}");
        assert!(body["data"]["course_id"].is_string(), "{id}: {body}");
    }
    assert_eq!(respond(&api(), get_course("open")).await.0, 200);
    assert_eq!(respond(&api(), get_course("none")).await.0, 404);
}

#[tokio::test]
async fn absent_or_empty_path_parameter_is_named() {
    for parameters in [json!(null), json!({}), json!({"course_id": ""}), json!({"id": "open"})] {
        let event = event("GET /courses/{course_id}", parameters);
        let expected = json!({"status": "fail", "data": {"course_id": "is missing"}});
        assert_eq!(respond(&api(), event).await, (422, expected));
    }
}

#[tokio::test]
async fn unknown_route_key_returns_404_or_405() {
    for (key, expected) in [
        ("POST /nowhere", 404),
        ("ANY /{proxy+}", 404),
        ("POST /{proxy}", 404),
        ("DELETE /courses/{course_id}", 405),
        ("POST /courses/{course_id}", 405),
    ] {
        let mut event = event(key, json!({"course_id": "open", "proxy": "enrollments"}));
        event["requestContext"]["http"]["method"] = json!("POST");
        let (status, body) = respond(&api(), event).await;
        assert_eq!((status, &body["status"]), (expected, &json!("fail")), "{key}");
    }
}

#[tokio::test]
async fn route_for_any_method_takes_the_method_of_the_request() {
    let mut event = enroll();
    event["routeKey"] = json!("ANY /enrollments");
    assert_eq!(respond(&api(), event).await.0, 201);
}

#[tokio::test]
async fn event_without_a_route_is_routed_by_its_path() {
    for key in [json!("$default"), json!(null), json!("")] {
        for (path, expected) in [
            ("/courses/open", 200),
            ("/courses/a%20b", 422),
            ("/courses/a b", 422),
            ("/courses/%2e%2e", 422),
            ("/courses/%zz", 422),
            ("/courses/open/..", 404),
            ("/nowhere", 404),
            ("", 200),
        ] {
            let mut event = get_course("open");
            event["routeKey"] = key.clone();
            event["rawPath"] = json!(path);
            event["pathParameters"] = json!({});
            let (status, body) = respond(&api(), event).await;
            assert_eq!(status, expected, "{key} {path}: {body}");
        }
    }
}

#[tokio::test]
async fn query_that_is_not_one_of_a_uri_returns_400() {
    for query in ["student_id=a b", "student_id=<s>", "student_id=\u{1}", "student_id=s#1", " "] {
        let (status, body) = respond(&api(), get_enrollment(query)).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert_eq!(body["data"], json!({"query": "is not the query string of a URI"}));
    }
    let long = format!("student_id={}", "s".repeat(70_000));
    assert_eq!(respond(&api(), get_enrollment(&long)).await.0, 400);
}

#[tokio::test]
async fn query_of_a_uri_is_read() {
    for (query, expected) in [
        ("student_id=s-1", 404),
        ("student_id=auth0|1", 404),
        ("student_id=auth0%7C1&other=[1]", 404),
        ("", 422),
        ("student_id=%zz%", 404),
        ("student_id=%ff", 422),
        ("student_id=\u{e9}", 422),
        ("student_id=a&student_id=b", 422),
    ] {
        let (status, body) = respond(&api(), get_enrollment(query)).await;
        assert_eq!(status, expected, "{query}: {body}");
    }
}

#[tokio::test]
async fn header_method_path_or_body_that_http_does_not_allow_returns_a_jsend_fail() {
    let mut header = enroll();
    header["headers"] = json!({"x": "a\nb"});
    let mut name = enroll();
    name["headers"] = json!({"a b": "c"});
    let mut method = enroll();
    method["routeKey"] = json!("$default");
    method["requestContext"]["http"]["method"] = json!("PO ST");
    let mut base64 = enroll();
    base64["isBase64Encoded"] = json!(true);
    let mut path = enroll();
    path["routeKey"] = json!("$default");
    path["rawPath"] = json!("/".repeat(70_000));
    for (event, status, field) in [
        (header, 400, "headers"),
        (name, 400, "headers"),
        (method, 400, "method"),
        (base64, 400, "body"),
        (path, 414, "path"),
    ] {
        let (returned, body) = respond(&api(), event).await;
        assert_eq!(returned, status, "{body}");
        assert!(body["data"][field].is_string(), "{body}");
    }
}

#[tokio::test]
async fn host_or_protocol_that_is_not_valid_does_not_matter() {
    for (name, value) in [
        ("host", "a b"),
        ("host", ""),
        ("host", "x:99999"),
        ("host", "h/courses/open?"),
        ("x-forwarded-proto", "?"),
        ("user-agent", "caf\u{e9}"),
    ] {
        let mut event = enroll();
        event["headers"] = json!({name: value});
        assert_eq!(respond(&api(), event).await.0, 201, "{name}: {value}");
    }
}

#[tokio::test]
async fn base64_body_is_decoded() {
    let mut event = enroll();
    event["body"] = json!(aws_smithy_types::base64::encode(event["body"].as_str().unwrap()));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(respond(&api(), event).await.0, 201);
}

#[tokio::test]
async fn event_of_another_source_is_an_error_that_names_the_right_one() {
    let rest = json!({
        "resource": "/enrollments", "path": "/enrollments", "httpMethod": "POST",
        "requestContext": {"resourcePath": "/enrollments", "httpMethod": "POST", "stage": "prod"},
        "headers": null, "queryStringParameters": null, "body": "{}", "isBase64Encoded": false,
    });
    let mut format_1 = rest.clone();
    format_1["version"] = json!("1.0");
    let load_balancer = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
        "httpMethod": "POST", "path": "/enrollments", "headers": {}, "body": "{}",
    });
    let schedule = json!({"version": "0", "detail-type": "Scheduled Event", "detail": {}});
    let queue = json!({"Records": [{"messageId": "1", "body": "{}"}]});
    for event in [rest, format_1, load_balancer, schedule, queue, json!({})] {
        let shown = event.to_string();
        let event = LambdaEvent::new(event, Context::default());
        let error = handle(&api(), event).await.unwrap_err();
        assert_eq!(error.error_type, "UnsupportedEvent", "{shown}");
        assert!(error.error_message.contains("payload format 2.0"), "{shown}");
    }
}

#[tokio::test]
async fn response_has_the_headers_and_cookies_that_cargo_lambda_requires() {
    let event = LambdaEvent::new(event("GET /", Value::Null), Context::default());
    let response = handle(&api(), event).await.unwrap();
    assert_eq!(response["headers"]["content-type"], "application/json");
    assert_eq!(response["cookies"], json!([]));
    assert_eq!(response["isBase64Encoded"], false);
}

#[tokio::test]
async fn handlers_find_the_trace_id_and_the_context_of_the_invocation() {
    async fn seen(request: axum::extract::Request) -> String {
        let context = request.extensions().get::<Context>().unwrap();
        let trace_id = request.headers()["x-amzn-trace-id"].to_str().unwrap();
        format!("{} {trace_id}", context.request_id)
    }
    let router = Router::new().route("/", axum::routing::get(seen));
    let event = event("GET /", Value::Null);
    let mut context = Context::default();
    context.request_id = "r-1".to_owned();
    context.xray_trace_id = Some("Root=1-2-3".to_owned());
    let response = handle(&router, LambdaEvent::new(event, context)).await.unwrap();
    assert_eq!(response["body"], "r-1 Root=1-2-3");
}

#[tokio::test]
async fn enrollment_keeps_the_trace_of_its_request_and_no_other_text() {
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    for (told, kept) in [(Some(header), Some(header)), (Some("Root=1-2-3"), None), (None, None)] {
        let world = World::new(courses(), Bank::Accepts);
        let router = router(Arc::new(world.ports()), AccessAfterRefund::Keep);
        let mut context = Context::default();
        context.xray_trace_id = told.map(str::to_owned);
        let response = handle(&router, LambdaEvent::new(enroll(), context)).await.unwrap();
        assert_eq!(response["statusCode"], 201);
        let enrollments = world.enrollments();
        assert_eq!(enrollments[0].trace.as_deref(), kept);
        assert!(!response["body"].as_str().unwrap().contains("Root="), "it is not for callers");
    }
}

/// An operator's action on the enrollment that [`enroll`] makes.
fn operator_acts(action: Value, authorizer: Value) -> Value {
    let key = "POST /operator/enrollments/{course_id}";
    let mut event = event(key, json!({"course_id": "open"}));
    event["requestContext"]["authorizer"] = authorizer;
    let mut body = json!({"student_id": "s-1", "reason": "asked by phone"});
    body.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    event["body"] = json!(body.to_string());
    event
}

#[tokio::test]
async fn operators_action_is_signed_with_the_principal_that_the_gateway_authorised() {
    const ARN: &str = "arn:aws:sts::123456789012:assumed-role/support/grace";
    let world = World::new(courses(), Bank::Accepts);
    let router = router(Arc::new(world.ports()), AccessAfterRefund::Keep);
    assert_eq!(respond(&router, enroll()).await.0, 201);
    let end = || json!({"action": "unenroll"});
    for nobody in [Value::Null, json!({}), json!({"iam": null}), json!({"iam": {"userArn": ""}})] {
        let mut event = operator_acts(end(), nobody);
        event["headers"]["x-user-arn"] = json!(ARN);
        let (status, body) = respond(&router, event).await;
        assert_eq!(status, 403, "{body}");
        assert!(body["data"]["authorization"].is_string(), "{body}");
    }
    let grace = json!({"iam": {"userArn": ARN, "accountId": "123456789012"}});
    for changed in [true, false] {
        let (status, body) = respond(&router, operator_acts(end(), grace.clone())).await;
        assert_eq!((status, &body["data"]["changed"]), (200, &json!(changed)), "{body}");
        assert_eq!(body["data"]["enrollment"]["state"], "unenrolled");
    }
    let [entry] = &world.enrollments()[0].history[..] else { panic!("one entry") };
    assert_eq!(
        (entry.by.as_str(), entry.reason.as_ref().unwrap().as_str()),
        (ARN, "asked by phone")
    );

    let refund = json!({"action": "refund"});
    let (status, body) = respond(&router, operator_acts(refund, grace.clone())).await;
    assert_eq!(status, 409, "{body}");
    assert!(body["data"]["action"].is_string(), "{body}");
    let unknown = json!({"action": "unenroll", "amount": 1, "refund": "half"});
    let (status, body) = respond(&router, operator_acts(unknown, grace.clone())).await;
    assert_eq!((status, body["data"]["refund"].as_str()), (422, Some("is not one of: none, full")));
    let mut other = operator_acts(json!({"action": "grant"}), grace);
    other["pathParameters"]["course_id"] = json!("none");
    assert_eq!(respond(&router, other).await.0, 404);
}
