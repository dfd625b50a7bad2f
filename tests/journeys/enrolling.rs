//! A student enrolls and receives one email.

use journeys::{DeployedStack, Student, unique_id};

/// These must be escaped in HTML.
const NAME: &str = r#"Zoë "Z" O'Hara <b>& Co</b>"#;
const TITLE: &str = "Rust & <Lambda>";

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn new_enrollment_is_201_and_sends_one_email() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course(TITLE).await;
    let student = Student::named(NAME);

    let response = stack.enroll(&student, &course).await;

    assert_eq!(response.status, 201, "{:?}", response.body);
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(response.body["status"], "success");
    assert_eq!(response.body["data"]["message"], "Enrolled Success");
    let enrollment = &response.body["data"]["enrollment"];
    assert_eq!(enrollment["student_id"], student.id);
    assert_eq!(enrollment["course_id"], course);
    assert_eq!(enrollment["email"], student.email);
    assert_eq!(enrollment["name"], NAME);
    assert_eq!(enrollment["state"], "active");
    assert!(enrollment["id"].is_string() && enrollment["created_at"].is_string());

    let email = stack.wait_for_email_to(&student.email).await;
    assert_eq!(email.source, "registrar@example.com");
    assert_eq!(email.to, std::slice::from_ref(&student.email));
    assert_eq!(email.subject, format!("You are enrolled in {TITLE}"));
    assert!(email.body_text.contains(NAME) && email.body_text.contains(TITLE), "{email:?}");
    for text in [NAME, TITLE] {
        assert!(!email.body_html.contains(text), "unescaped: {}", email.body_html);
        assert!(unescaped(&email.body_html).contains(text), "{}", email.body_html);
    }

    stack.only_email_to(&student.email).await;
    let timeline = stack.wait_for_email_state(&student, &course, "sent").await;
    assert!(timeline["ses_message_id"].is_string(), "{timeline}");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn repeated_enrollment_is_200_with_the_same_body_and_sends_no_email() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Again").await;
    let student = Student::named("Ada Lovelace");

    let first = stack.enroll(&student, &course).await;
    let again = stack.enroll(&student, &course).await;
    stack.wait_for_email_to(&student.email).await;
    let later = stack.enroll(&student, &course).await;

    assert_eq!((first.status, again.status, later.status), (201, 200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(first.body, later.body);
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn add_user_to_course_enrolls_like_enrollments() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Two Routes").await;
    let student = Student::named("Grace Hopper");

    let body = student.enrollment_request(&course).to_string();
    let response = stack.call(&stack.caller, "POST", "/add-user-to-course", body).await;
    let other_route = stack.enroll(&student, &course).await;

    assert_eq!(response.status, 201, "{:?}", response.body);
    assert_eq!(response.body["data"]["message"], "Enrolled Success");
    assert_eq!(other_route.status, 200);
    assert_eq!(other_route.body, response.body);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn course_can_be_created_replaced_and_read() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("First Title").await;
    let path = format!("/courses/{course}");
    let replacement = r#"{"title": "Second", "price": 4900, "currency": "EUR", "state": "closed"}"#;

    let replaced = stack.call(&stack.operator, "PUT", &path, replacement).await;
    let read = stack.call(&stack.operator, "GET", &path, "").await;

    assert_eq!((replaced.status, read.status), (200, 200), "{:?}", replaced.body);
    assert_eq!(replaced.body, read.body);
    let read = &read.body["data"]["course"];
    assert_eq!((&read["title"], &read["price"]), (&"Second".into(), &4900.into()));
    assert_eq!((&read["currency"], &read["state"]), (&"EUR".into(), &"closed".into()));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn title_with_a_line_break_is_422() {
    let stack = DeployedStack::shared().await;
    let title = "Rust\r\nBcc: everybody@example.com";
    let course =
        serde_json::json!({"title": title, "price": 0, "currency": "USD", "state": "open"});

    let path = format!("/courses/{}", unique_id("course"));
    let response = stack.call(&stack.operator, "PUT", &path, course.to_string()).await;

    assert_eq!(response.status, 422, "{:?}", response.body);
    assert!(response.body["data"]["title"].is_string(), "{:?}", response.body);
}

/// Undoes HTML escaping, in both forms that templates use.
fn unescaped(html: &str) -> String {
    let pairs =
        [("lt", "#60", "<"), ("gt", "#62", ">"), ("quot", "#34", "\""), ("apos", "#39", "'")];
    let text = pairs.iter().fold(html.to_owned(), |text, (name, number, plain)| {
        text.replace(&format!("&{name};"), plain).replace(&format!("&{number};"), plain)
    });
    // `&amp;` comes last, so that its result is not unescaped again.
    text.replace("&#38;", "&").replace("&amp;", "&")
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_is_in_the_students_language() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Rust auf Lambda").await;
    let student = Student::named("Emmy Noether");
    let mut request = student.enrollment_request(&course);
    request["locale"] = "not a language".into();
    let refused = stack.call(&stack.caller, "POST", "/enrollments", request.to_string()).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body["data"]["locale"].as_str().unwrap().starts_with("is not a language tag"));

    request["locale"] = "de-CH".into();
    let enrolled = stack.call(&stack.caller, "POST", "/enrollments", request.to_string()).await;

    assert_eq!(enrolled.status, 201, "{:?}", enrolled.body);
    let email = stack.wait_for_email_to(&student.email).await;
    assert_eq!(email.subject, "Sie sind in Rust auf Lambda eingeschrieben");
    assert!(email.body_html.contains(r#"<html lang="de" dir="ltr">"#), "{}", email.body_html);
}
