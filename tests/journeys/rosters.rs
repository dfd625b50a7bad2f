//! The roster of a course, page by page, while students enroll.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use journeys::{DeployedStack, HttpResponse, Signer, Student, eventually};

const STUDENTS: usize = 250;
const LIMIT: usize = 100;

fn operator(stack: &DeployedStack) -> Signer {
    Signer { credentials: stack.description.payments_operator.clone(), ..stack.caller.clone() }
}

async fn page(stack: &DeployedStack, course: &str, query: &str) -> HttpResponse {
    let path = format!("/operator/enrollments/{course}?{query}");
    stack.call(&operator(stack), "GET", &path, "").await
}

/// The student ids of all pages. Between two pages, another student enrolls.
async fn roster(stack: &DeployedStack, course: &str, newcomer: Option<&str>) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let response = page(stack, course, &format!("limit={LIMIT}{after}")).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        let entries = response.body["data"]["enrollments"].as_array().expect("a page has entries");
        assert!(entries.len() <= LIMIT);
        ids.extend(entries.iter().map(|entry| {
            assert_eq!((&entry["course_id"], &entry["state"]), (&course.into(), &"active".into()));
            entry["student_id"].as_str().expect("an entry has a student").to_owned()
        }));
        let Some(next) = response.body["data"]["next"].as_str() else { break ids };
        after = format!("&after={next}");
        if let Some(name) = newcomer {
            assert_eq!(stack.enroll(&Student::named(name), course).await.status, 201);
        }
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn roster_has_each_student_once_also_while_others_enroll() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Crowded").await;
    let students: Vec<_> = (0..STUDENTS).map(|_| Student::named("Ada Lovelace")).collect();
    let statuses = stream::iter(&students).map(|student| stack.enroll(student, &course));
    let statuses: Vec<_> =
        statuses.buffer_unordered(8).map(|response| response.status).collect().await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let enrolled: BTreeSet<_> = students.iter().map(|student| student.id.clone()).collect();
    // The index is eventually consistent.
    eventually("a roster of all students", async || {
        let ids = roster(&stack, &course, None).await;
        (ids.len() == STUDENTS && ids.into_iter().collect::<BTreeSet<_>>() == enrolled)
            .then_some(())
    })
    .await;

    let ids = roster(&stack, &course, Some("Grace Hopper")).await;
    let unique: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(unique.len(), ids.len(), "nobody twice");
    assert!(unique.is_superset(&enrolled), "nobody missing");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn roster_is_for_operators_and_its_cursor_is_of_one_course() {
    let stack = DeployedStack::shared().await;
    let (one, other) =
        (stack.create_free_course("One").await, stack.create_free_course("Two").await);
    for name in ["Ada Lovelace", "Grace Hopper"] {
        let student = Student::named(name);
        assert_eq!(stack.enroll(&student, &one).await.status, 201);
        assert_eq!(stack.enroll(&student, &other).await.status, 201);
    }
    let next = eventually("a second page", async || {
        page(&stack, &one, "limit=1").await.body["data"]["next"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(page(&stack, &one, &format!("after={next}")).await.status, 200);
    let foreign = page(&stack, &other, &format!("after={next}")).await;
    assert_eq!(foreign.status, 422, "{:?}", foreign.body);
    assert!(foreign.body["data"]["after"].is_string(), "{:?}", foreign.body);
    let path = format!("/operator/enrollments/{one}");
    for stranger in [&stack.caller, &stack.operator] {
        let response = stack.call(stranger, "GET", &path, "").await;
        assert_eq!(response.status, 403, "{:?}", response.body);
    }
}
