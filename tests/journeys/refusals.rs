//! Each bad input has its code, and a body that names the field.

use journeys::{Answer, Student, World};
use serde_json::{Value, json};

#[track_caller]
fn assert_fails(answer: &Answer, status: u16, field: &str) {
    assert_eq!(answer.status, status, "{:?}", answer.body);
    assert_eq!(answer.body["status"], "fail", "{:?}", answer.body);
    assert!(answer.body["data"][field].is_string(), "nothing about {field}: {:?}", answer.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_body_that_is_not_json_is_400() {
    let world = World::open().await;
    for body in ["", "{", "name=Ada", "\u{0}"] {
        let answer = world.call(&world.caller, "POST", "/enrollments", body).await;
        assert_fails(&answer, 400, "body");
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_body_over_64_kilobytes_is_413() {
    let world = World::open().await;
    let course = world.open_course("Large").await;
    let sized = |length: usize| {
        let mut request = Student::named("Ada").enrolls_in(&course);
        let rest = request.to_string().len() + r#","padding":"""#.len();
        request["padding"] = "x".repeat(length - rest).into();
        assert_eq!(request.to_string().len(), length);
        request.to_string()
    };

    let largest = world.call(&world.caller, "POST", "/enrollments", sized(65_536)).await;
    let too_large = world.call(&world.caller, "POST", "/enrollments", sized(65_537)).await;

    assert_eq!(largest.status, 201, "{:?}", largest.body);
    assert_fails(&too_large, 413, "body");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn each_missing_or_wrong_field_of_an_enrollment_is_422_and_named() {
    let world = World::open().await;
    let course = world.open_course("Fields").await;
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
        let mut request = Student::named("Ada Lovelace").enrolls_in(&course);
        if value.is_null() {
            request.as_object_mut().unwrap().remove(field);
        } else {
            request[field] = value;
        }
        let answer = world.call(&world.caller, "POST", "/enrollments", request.to_string()).await;
        assert_fails(&answer, 422, field);
    }

    let nothing = world.call(&world.caller, "POST", "/enrollments", "{}").await;
    for field in ["student_id", "course_id", "email", "name"] {
        assert_fails(&nothing, 422, field);
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_course_that_cannot_be_enrolled_in_says_why() {
    let world = World::open().await;
    let student = Student::named("Ada Lovelace");
    let closed = json!({"title": "Closed", "price": 0, "currency": "USD", "state": "closed"});
    let priced = json!({"title": "Priced", "price": 4900, "currency": "USD", "state": "open"});
    let (closed, priced) = (world.course(closed).await, world.course(priced).await);

    assert_fails(&world.enroll(&student, "no-such-course").await, 404, "course_id");
    assert_fails(&world.enroll(&student, &closed).await, 409, "course_id");
    let unpaid = world.enroll(&student, &priced).await;
    assert_fails(&unpaid, 422, "payment_method");

    for course in [closed, priced] {
        let path = format!("/enrollments/{course}?student_id={}", student.id);
        assert_fails(&world.call(&world.caller, "GET", &path, "").await, 404, "course_id");
    }
    assert!(world.emails_to(&student.email).await.is_empty());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn another_body_for_an_enrollment_that_exists_is_409_and_changes_nothing() {
    let world = World::open().await;
    let course = world.open_course("Conflict").await;
    let student = Student::named("Ada Lovelace");
    let first = world.enroll(&student, &course).await;
    assert_eq!(first.status, 201, "{:?}", first.body);

    let renamed = Student { name: "Somebody Else".into(), ..student.clone() };
    let moved = Student { email: "elsewhere@example.com".into(), ..student.clone() };

    assert_fails(&world.enroll(&renamed, &course).await, 409, "name");
    assert_fails(&world.enroll(&moved, &course).await, 409, "email");
    assert_eq!(world.enroll(&student, &course).await.body, first.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn reading_what_does_not_exist_is_404_and_asking_badly_is_422() {
    let world = World::open().await;
    let get = async |signer, path: &str| world.call(signer, "GET", path, "").await;

    let course = get(&world.operator, "/courses/no-such-course").await;
    let enrollment = get(&world.caller, "/enrollments/no-such-course?student_id=nobody").await;
    let nobody = get(&world.caller, "/enrollments/no-such-course").await;

    assert_fails(&course, 404, "course_id");
    assert_fails(&enrollment, 404, "course_id");
    assert_fails(&nobody, 422, "student_id");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn each_wrong_field_of_a_course_is_422_and_named() {
    let world = World::open().await;
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
        let answer = world.call(&world.operator, "PUT", path, course.to_string()).await;
        assert_fails(&answer, 422, field);
    }
    let read = world.call(&world.operator, "GET", "/courses/never-written", "").await;
    assert_fails(&read, 404, "course_id");
}
