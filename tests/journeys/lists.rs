//! Lists, page by page.

use journeys::{DeployedStack, Student, eventually};
use serde_json::Value;

/// Follows `next` from the first page to the last, and returns the ids of the courses.
async fn course_ids(stack: &DeployedStack, path: &str, name: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let response = stack.call(&stack.caller, "GET", &format!("{path}{after}"), "").await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        let page = &response.body["data"];
        let entries = page[name].as_array().expect("a page has entries");
        ids.extend(
            entries.iter().filter_map(|entry| entry["course_id"].as_str()).map(str::to_owned),
        );
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            last => {
                assert_eq!(*last, Value::Null);
                break ids;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn students_enrollments_are_listed_page_by_page() {
    let stack = DeployedStack::shared().await;
    let (student, other) = (Student::named("Ada Lovelace"), Student::named("Grace Hopper"));
    let mut enrolled = Vec::new();
    for title in ["One", "Two", "Three"] {
        let course = stack.create_free_course(title).await;
        assert_eq!(stack.enroll(&student, &course).await.status, 201);
        enrolled.push(course);
    }
    assert_eq!(stack.enroll(&other, &enrolled[0]).await.status, 201);
    enrolled.sort();

    for limit in [1, 2, 100] {
        let path = format!("/enrollments?student_id={}&limit={limit}", student.id);
        assert_eq!(course_ids(&stack, &path, "enrollments").await, enrolled, "{limit}");
    }
    let path = format!("/enrollments?student_id={}&limit=1", student.id);
    let first = stack.call(&stack.caller, "GET", &path, "").await;
    let next = first.body["data"]["next"].as_str().expect("there are more");
    let path = format!("/enrollments?student_id={}&after={next}", other.id);
    let foreign = stack.call(&stack.caller, "GET", &path, "").await;
    assert_eq!(foreign.status, 422, "{:?}", foreign.body);
    assert!(foreign.body["data"]["after"].is_string(), "{:?}", foreign.body);
}

/// Other journeys create courses meanwhile. The list is eventually consistent.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn courses_are_listed_in_each_state_page_by_page() {
    let stack = DeployedStack::shared().await;
    let mut created = Vec::new();
    for title in ["One", "Two", "Three"] {
        created.push(stack.create_free_course(title).await);
    }
    created.sort();
    let closed = r#"{"title": "Two", "price": 4900, "currency": "EUR", "state": "closed"}"#;
    let path = format!("/courses/{}", created[1]);
    assert_eq!(stack.call(&stack.operator, "PUT", &path, closed).await.status, 200);

    for (path, expected) in [
        ("/courses?limit=2", vec![&created[0], &created[1], &created[2]]),
        ("/courses?limit=2&state=open", vec![&created[0], &created[2]]),
        ("/courses?limit=100&state=closed", vec![&created[1]]),
    ] {
        eventually(&format!("the courses of {path}"), async || {
            let listed = course_ids(&stack, path, "courses").await;
            assert!(listed.is_sorted(), "{listed:?}");
            let ours: Vec<_> = listed.iter().filter(|id| created.contains(id)).collect();
            (ours == expected).then_some(())
        })
        .await;
    }
    let listed = stack.call(&stack.operator, "GET", "/courses?state=closed", "").await;
    assert_eq!(listed.status, 200, "{:?}", listed.body);
    let all = listed.body["data"]["courses"].as_array().expect("a page has entries");
    assert!(all.iter().all(|course| course["state"] == "closed" && course["price"].is_u64()));
}
