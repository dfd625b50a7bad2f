//! Requests to enroll, and the enrollments that they make.

use super::*;

#[tokio::test]
async fn enroll_returns_201_then_200_with_the_same_body() {
    for path in ["/enrollments", "/add-user-to-course"] {
        let api = free();
        let (status, first) = api.call("POST", path, ada()).await;
        assert_eq!(status, 201);
        assert_eq!(first["status"], "success");
        assert_eq!(first["data"]["message"], "Enrolled Success");
        assert_eq!(first["data"]["enrollment"]["state"], "active");
        let (status, again) = api.call("POST", path, ada()).await;
        assert_eq!((status, again), (200, first));
        assert_eq!(api.world.jobs().len(), 1);
    }
}

#[tokio::test]
async fn error_that_the_caller_can_fix_names_the_field() {
    let with = |field: &str, value: Value| {
        let mut body = ada();
        body[field] = value;
        body.to_string()
    };
    let api = free();
    for (body, status, field, why) in [
        ("{".to_owned(), 400, "body", "is not JSON (line 1, column 1)"),
        ("[]".to_owned(), 400, "body", "is not a JSON object"),
        (" ".repeat(65_537), 413, "body", "is larger than 65536 bytes"),
        (with("email", json!("ada")), 422, "email", "is not an email address: it has no @"),
        (with("name", json!(7)), 422, "name", "is not a string"),
        (with("student_id", Value::Null), 422, "student_id", "is missing"),
        (with("course_id", json!("none")), 404, "course_id", "there is no course none"),
        (with("course_id", json!("closed")), 409, "course_id", "this course takes no new students"),
    ] {
        let (returned, response) = api.call("POST", "/enrollments", &body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(returned, status, "{shown}");
        assert_eq!(response, json!({"status": "fail", "data": {field: why}}), "{shown}");
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn text_that_cannot_be_shown_or_sent_is_422_and_its_character_is_named() {
    let api = free();
    for (field, value, character) in [
        ("name", "\u{200b}\u{200b}", "U+200B"),
        ("name", "Ada\u{202e}gnp.exe", "U+202E"),
        ("name", "Ada\u{ffff}", "U+FFFF"),
        ("name", "Ada https://evil.example", "link"),
        ("email", "\u{e9}@example.com", "U+00E9"),
        ("email", "ada@exam_ple.com", "U+005F"),
    ] {
        let mut body = ada();
        body[field] = json!(value);
        let (status, response) = api.call("POST", "/enrollments", body).await;
        assert_eq!(status, 422, "{value:?}");
        let why = response["data"][field].as_str().unwrap();
        assert!(why.contains(character), "{value:?}: {why}");
    }
    for (title, character) in [("\u{ffff}Rust 101", "U+FFFF"), ("Rust\u{2028}101", "U+2028")] {
        let course = json!({"title": title, "price": 0, "currency": "USD", "state": "open"});
        let (status, response) = api.call("PUT", "/courses/poison", course).await;
        assert_eq!(status, 422, "{title:?}");
        assert!(response["data"]["title"].as_str().unwrap().contains(character), "{response}");
    }
    assert!(api.world.enrollments().is_empty());
}

#[tokio::test]
async fn same_name_and_domain_in_another_form_are_the_same_enrollment() {
    let api = free();
    let as_written = |email: &str, name: &str| {
        let mut body = ada();
        body["email"] = json!(email);
        body["name"] = json!(name);
        body
    };
    let first = as_written("ada@b\u{fc}cher.example", "Am\u{e9}lie");
    assert_eq!(api.call("POST", "/enrollments", first).await.0, 201);
    let again = as_written("ada@BU\u{308}CHER.Example", "Ame\u{301}lie");
    let (status, body) = api.call("POST", "/enrollments", again).await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["enrollment"]["email"], "ada@xn--bcher-kva.example");
    assert_eq!(api.world.jobs()[0].to.as_str(), "ada@xn--bcher-kva.example");
}

#[tokio::test]
async fn body_that_begins_with_a_byte_order_mark_is_read() {
    let body = format!("\u{feff}{}", ada());
    assert_eq!(free().call("POST", "/enrollments", body).await.0, 201);
}

#[tokio::test]
async fn body_of_exactly_64_kb_is_accepted() {
    let body = ada().to_string();
    let padded = format!("{body}{}", " ".repeat(65_536 - body.len()));
    assert_eq!(free().call("POST", "/enrollments", padded).await.0, 201);
}

#[tokio::test]
async fn enroll_with_other_details_returns_409() {
    let api = free();
    api.call("POST", "/enrollments", ada()).await;
    let mut other = ada();
    other["email"] = json!("eve@example.com");
    let (status, body) = api.call("POST", "/enrollments", other).await;
    assert_eq!(status, 409);
    assert_eq!(
        body["data"],
        json!({"email": "is not the one that this student was enrolled with"})
    );
}

#[tokio::test]
async fn priced_course_without_payments_returns_503() {
    let mut body = ada();
    body["course_id"] = json!("priced");
    let (status, body) = free().call("POST", "/enrollments", body).await;
    assert_eq!(status, 503);
    assert_eq!(body["status"], "error");
    assert!(body["message"].as_str().unwrap().contains("payments are not configured"));
}

#[tokio::test]
async fn dependency_down_returns_503_without_its_details() {
    let api = free();
    api.world.take_down(Dependency::Tables);
    let (status, headers, body) = api.call_whole("POST", "/enrollments", ada()).await;
    assert_eq!(status, 503);
    assert_eq!(headers[RETRY_AFTER], "5");
    assert_eq!(body["status"], "error");
    assert!(!body.to_string().contains(OUTAGE));
}

#[tokio::test]
async fn enroll_succeeds_while_the_email_queue_is_down() {
    let api = free();
    api.world.take_down(Dependency::EmailQueue);
    assert_eq!(api.call("POST", "/enrollments", ada()).await.0, 201);
}

#[tokio::test]
async fn enrollment_shows_its_email_timeline() {
    let api = free();
    let (_, made) = api.call("POST", "/enrollments", ada()).await;
    let path = "/enrollments/open?student_id=s-1";
    let (status, body) = api.call("GET", path, "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["enrollment"], made["data"]["enrollment"]);
    assert_eq!(body["data"]["email"], json!({"state": "queued"}));

    let entry = json!({
        "state": "sent", "attempts": 1, "ses_message_id": "m-1", "sent_at": "2026-01-01T00:00:01Z",
        "first_attempt_at": "2026-01-01T00:00:00Z", "last_attempt_at": "2026-01-01T00:00:00Z",
    });
    let id = api.world.jobs()[0].id.clone();
    api.world.write_timeline(&id, serde_json::from_value(entry.clone()).unwrap());
    assert_eq!(api.call("GET", path, "").await.1["data"]["email"], entry);
}

#[tokio::test]
async fn enrollment_lookup_names_the_wrong_field() {
    let api = free();
    for (path, status, field) in [
        ("/enrollments/open", 422, "student_id"),
        ("/enrollments/open?student_id=a%20b", 422, "student_id"),
        ("/enrollments/a%20b?student_id=s-1", 422, "course_id"),
        ("/enrollments/%FF?student_id=s-1", 422, "course_id"),
        ("/enrollments/open?student_id=s-1", 404, "course_id"),
    ] {
        let (returned, body) = api.call("GET", path, "").await;
        assert_eq!(returned, status, "{path}");
        assert!(body["data"][field].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn enrollment_outside_the_times_of_a_course_is_409_that_names_the_time() {
    let api = free();
    for (field, opens, closes, why) in [
        (
            "opens_at",
            "9998-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "opens at 9998-01-01T00:00:00Z",
        ),
        (
            "closes_at",
            "1998-01-01T00:00:00Z",
            "1999-01-01T00:00:00Z",
            "closed at 1999-01-01T00:00:00Z",
        ),
    ] {
        let course = json!({
            "title": "T", "price": 0, "currency": "USD", "state": "open", "opens_at": opens,
            "closes_at": closes,
        });
        let (_, put) = api.call("PUT", "/courses/timed", course).await;
        assert_eq!(put["data"]["course"]["opens_at"], opens);
        let mut body = ada();
        body["course_id"] = json!("timed");
        let (status, body) = api.call("POST", "/enrollments", body).await;
        assert_eq!(status, 409);
        assert_eq!(body["data"], json!({field: format!("this course {why}")}));
    }
    assert!(api.world.enrollments().is_empty());
}
