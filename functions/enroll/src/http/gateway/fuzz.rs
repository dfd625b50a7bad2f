//! Any request of a client. The committed inputs are in `__fuzz__/request/corpus`; `make fuzz` looks for more.
//!
//! An input has a route of the contract in its first line, the path parameter in its second, the query in its third, and
//! the body in the rest.

use aws_smithy_types::base64;
use bolero::check;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{
    super::openapi::conformance::DOCUMENT,
    tests::{api, respond},
};

/// In an input, a value that no error may repeat.
const SECRET: &str = "SECRET";

#[test]
fn request_has_a_response_of_the_contract_and_may_be_repeated() {
    check!(name = "request").with_iterations(200).for_each(|input: &[u8]| {
        let mut lines = input.splitn(4, |byte| *byte == b'\n');
        let [route, parameter, query] =
            [(); 3].map(|()| lines.next().and_then(|line| std::str::from_utf8(line).ok()));
        let (Some(route), Some(parameter), Some(query)) = (route, parameter, query) else { return };
        let Some((method, path)) = route.split_once(' ') else { return };
        if DOCUMENT["paths"][path][method.to_lowercase()].is_null() {
            return;
        }
        let body = lines.next().unwrap_or_default();
        let event = event(method, path, parameter, query, body);
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check_responses(route, &event));
    });
}

/// As API Gateway sends it. A body that is not text is encoded, and so may any other be.
fn event(method: &str, path: &str, parameter: &str, query: &str, body: &[u8]) -> Value {
    let authorizer = if path.starts_with("/student/") {
        json!({"jwt": {"claims": {"sub": "s-1", "email": "ada@example.com", "name": "Ada"}}})
    } else {
        json!({"iam": {"userArn": "arn:aws:iam::123456789012:user/ada"}})
    };
    json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": query,
        "headers": {"host": "a1.execute-api.us-east-1.amazonaws.com"},
        "pathParameters": {"course_id": parameter},
        "requestContext": {"http": {"method": method}, "authorizer": authorizer},
        "body": base64::encode(body), "isBase64Encoded": true,
    })
}

/// `respond` compares each response with the contract.
async fn check_responses(route: &str, event: &Value) {
    let api = api();
    let (status, body) = respond(&api, event.clone()).await;
    let expected = match status {
        200..300 => "success",
        400..500 => "fail",
        _ => panic!("{route} has {status}: {body}"),
    };
    assert_eq!(body["status"], expected, "{body}");
    assert!(status != 422 || !body.to_string().contains(SECRET), "{body}");
    if status == 201 && route != "PUT /courses/{course_id}" {
        let (again, same) = respond(&api, event.clone()).await;
        assert_eq!((again, &same["data"]["enrollment"]), (200, &body["data"]["enrollment"]));
    }
}
