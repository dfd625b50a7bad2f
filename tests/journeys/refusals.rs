//! Invalid requests: the status of each, and the field that the body names.

use journeys::{DeployedStack, HttpResponse, Student};
use serde_json::{Value, json};

#[track_caller]
fn assert_fails(response: &HttpResponse, status: u16, field: &str) {
    assert_eq!(response.status, status, "{:?}", response.body);
    assert_eq!(response.body["status"], "fail", "{:?}", response.body);
    assert!(
        response.body["data"][field].is_string(),
        "no message for {field}: {:?}",
        response.body
    );
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn body_that_is_not_json_is_400() {
    let stack = DeployedStack::shared().await;
    for body in ["", "{", "name=Ada", "\u{0}"] {
        let response = stack.call(&stack.caller, "POST", "/enrollments", body).await;
        assert_fails(&response, 400, "body");
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn body_over_64_kilobytes_is_413() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Large").await;
    let sized = |length: usize| {
        let mut request = Student::named("Ada").enrollment_request(&course);
        let rest = request.to_string().len() + r#","padding":"""#.len();
        request["padding"] = "x".repeat(length - rest).into();
        assert_eq!(request.to_string().len(), length);
        request.to_string()
    };

    let largest = stack.call(&stack.caller, "POST", "/enrollments", sized(65_536)).await;
    let too_large = stack.call(&stack.caller, "POST", "/enrollments", sized(65_537)).await;

    assert_eq!(largest.status, 201, "{:?}", largest.body);
    assert_fails(&too_large, 413, "body");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_with_a_missing_or_invalid_field_is_422_and_names_it() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Fields").await;
    let wrong = [
        ("student_id", json!(7)),
        ("student_id", json!("")),
        ("course_id", json!(["a"])),
        ("course_id", json!("")),
        ("email", json!(false)),
        ("email", json!("nobody")),
        ("email", json!("a@example.com, b@example.com")),
        ("email", json!("a@example.com\r\nBcc: b@example.com")),
        ("name", json!({})),
        ("name", json!("")),
        ("name", json!("Ada\r\nBcc: b@example.com")),
    ];
    let missing = ["student_id", "course_id", "email", "name"].map(|field| (field, Value::Null));

    for (field, value) in wrong.into_iter().chain(missing) {
        let mut request = Student::named("Ada Lovelace").enrollment_request(&course);
        if value.is_null() {
            request.as_object_mut().unwrap().remove(field);
        } else {
            request[field] = value;
        }
        let response = stack.call(&stack.caller, "POST", "/enrollments", request.to_string()).await;
        assert_fails(&response, 422, field);
    }

    let nothing = stack.call(&stack.caller, "POST", "/enrollments", "{}").await;
    for field in ["student_id", "course_id", "email", "name"] {
        assert_fails(&nothing, 422, field);
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_in_an_unavailable_course_names_the_reason() {
    let stack = DeployedStack::shared().await;
    let student = Student::named("Ada Lovelace");
    let closed = json!({"title": "Closed", "price": 0, "currency": "USD", "state": "closed"});
    let priced = json!({"title": "Priced", "price": 4900, "currency": "USD", "state": "open"});
    let (closed, priced) = (stack.create_course(closed).await, stack.create_course(priced).await);

    assert_fails(&stack.enroll(&student, "no-such-course").await, 404, "course_id");
    assert_fails(&stack.enroll(&student, &closed).await, 409, "course_id");
    let unpaid = stack.enroll(&student, &priced).await;
    assert_fails(&unpaid, 422, "payment_method");

    for course in [closed, priced] {
        let path = format!("/enrollments/{course}?student_id={}", student.id);
        assert_fails(&stack.call(&stack.caller, "GET", &path, "").await, 404, "course_id");
    }
    assert!(stack.emails_to(&student.email).await.is_empty());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_again_with_other_details_is_409_and_changes_nothing() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Conflict").await;
    let student = Student::named("Ada Lovelace");
    let first = stack.enroll(&student, &course).await;
    assert_eq!(first.status, 201, "{:?}", first.body);

    let renamed = Student { name: "Somebody Else".into(), ..student.clone() };
    let moved = Student { email: "elsewhere@example.com".into(), ..student.clone() };

    assert_fails(&stack.enroll(&renamed, &course).await, 409, "name");
    assert_fails(&stack.enroll(&moved, &course).await, 409, "email");
    assert_eq!(stack.enroll(&student, &course).await.body, first.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn reading_a_missing_resource_is_404_and_without_a_student_is_422() {
    let stack = DeployedStack::shared().await;
    let get = async |signer, path: &str| stack.call(signer, "GET", path, "").await;

    let course = get(&stack.operator, "/courses/no-such-course").await;
    let enrollment = get(&stack.caller, "/enrollments/no-such-course?student_id=nobody").await;
    let nobody = get(&stack.caller, "/enrollments/no-such-course").await;

    assert_fails(&course, 404, "course_id");
    assert_fails(&enrollment, 404, "course_id");
    assert_fails(&nobody, 422, "student_id");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn course_with_an_invalid_field_is_422_and_names_it() {
    let stack = DeployedStack::shared().await;
    let wrong = [
        ("title", json!("")),
        ("title", json!(1)),
        ("price", json!(-1)),
        ("price", json!("10")),
        ("price", json!(10.5)),
        ("currency", json!("dollars")),
        ("state", json!("ajar")),
    ];
    for (field, value) in wrong {
        let mut course = json!({"title": "T", "price": 0, "currency": "USD", "state": "open"});
        course[field] = value;
        let path = "/courses/never-written";
        let response = stack.call(&stack.operator, "PUT", path, course.to_string()).await;
        assert_fails(&response, 422, field);
    }
    let read = stack.call(&stack.operator, "GET", "/courses/never-written", "").await;
    assert_fails(&read, 404, "course_id");
}
