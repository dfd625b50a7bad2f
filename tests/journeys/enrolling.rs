//! A student enrolls, and one email says so.

use journeys::{Student, World};

/// Nothing in these may be taken for markup.
const NAME: &str = r#"Zoë "Z" O'Hara <b>& Co</b>"#;
const TITLE: &str = "Rust & <Lambda>";

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_new_enrollment_answers_201_and_sends_one_email() {
    let world = World::open().await;
    let course = world.open_course(TITLE).await;
    let student = Student::named(NAME);

    let answer = world.enroll(&student, &course).await;

    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.body["status"], "success");
    assert_eq!(answer.body["data"]["message"], "Enrolled Success");
    let enrollment = &answer.body["data"]["enrollment"];
    assert_eq!(enrollment["student_id"], student.id);
    assert_eq!(enrollment["course_id"], course);
    assert_eq!(enrollment["email"], student.email);
    assert_eq!(enrollment["name"], NAME);
    assert_eq!(enrollment["state"], "active");
    assert!(enrollment["id"].is_string() && enrollment["created_at"].is_string());

    let email = world.email_to(&student.email).await;
    assert_eq!(email.source, "registrar@example.com");
    assert_eq!(email.to, std::slice::from_ref(&student.email));
    assert_eq!(email.subject, format!("You are enrolled in {TITLE}"));
    assert!(email.body_text.contains(NAME) && email.body_text.contains(TITLE), "{email:?}");
    for written in [NAME, TITLE] {
        assert!(!email.body_html.contains(written), "unescaped: {}", email.body_html);
        assert!(unescaped(&email.body_html).contains(written), "{}", email.body_html);
    }

    world.only_email_to(&student.email).await;
    let timeline = world.email_state(&student, &course, "sent").await;
    assert!(timeline["ses_message_id"].is_string(), "{timeline}");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrolling_again_answers_200_with_the_same_body_and_sends_nothing() {
    let world = World::open().await;
    let course = world.open_course("Again").await;
    let student = Student::named("Ada Lovelace");

    let first = world.enroll(&student, &course).await;
    let again = world.enroll(&student, &course).await;
    world.email_to(&student.email).await;
    let later = world.enroll(&student, &course).await;

    assert_eq!((first.status, again.status, later.status), (201, 200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(first.body, later.body);
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn the_originals_route_does_the_same() {
    let world = World::open().await;
    let course = world.open_course("The Original").await;
    let student = Student::named("Grace Hopper");

    let body = student.enrolls_in(&course).to_string();
    let answer = world.call(&world.caller, "POST", "/add-user-to-course", body).await;
    let through_the_other = world.enroll(&student, &course).await;

    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!(answer.body["data"]["message"], "Enrolled Success");
    assert_eq!(through_the_other.status, 200);
    assert_eq!(through_the_other.body, answer.body);
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_course_can_be_put_replaced_and_read() {
    let world = World::open().await;
    let course = world.open_course("First Title").await;
    let path = format!("/courses/{course}");
    let replacement = r#"{"title": "Second", "price": 4900, "currency": "EUR", "state": "closed"}"#;

    let replaced = world.call(&world.operator, "PUT", &path, replacement).await;
    let read = world.call(&world.operator, "GET", &path, "").await;

    assert_eq!((replaced.status, read.status), (200, 200), "{:?}", replaced.body);
    assert_eq!(replaced.body, read.body);
    let read = &read.body["data"]["course"];
    assert_eq!((&read["title"], &read["price"]), (&"Second".into(), &4900.into()));
    assert_eq!((&read["currency"], &read["state"]), (&"EUR".into(), &"closed".into()));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_title_across_lines_cannot_add_a_header() {
    let world = World::open().await;
    let title = "Rust\r\nBcc: everybody@example.com";
    let course =
        serde_json::json!({"title": title, "price": 0, "currency": "USD", "state": "open"});

    let path = format!("/courses/{}", journeys::world::unique("course"));
    let answer = world.call(&world.operator, "PUT", &path, course.to_string()).await;

    assert_eq!(answer.status, 422, "{:?}", answer.body);
    assert!(answer.body["data"]["title"].is_string(), "{:?}", answer.body);
}

/// Undoes HTML escaping, in either of the forms that templates use.
fn unescaped(html: &str) -> String {
    let pairs =
        [("lt", "#60", "<"), ("gt", "#62", ">"), ("quot", "#34", "\""), ("apos", "#39", "'")];
    let text = pairs.iter().fold(html.to_owned(), |text, (name, number, plain)| {
        text.replace(&format!("&{name};"), plain).replace(&format!("&{number};"), plain)
    });
    // Last, so that what it uncovers is not taken for an escape.
    text.replace("&#38;", "&").replace("&amp;", "&")
}
