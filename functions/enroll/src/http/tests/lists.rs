//! The routes of lists.

use super::*;

const CURSOR: &str =
    "is not a `next` of this list; every page of a list has the same parameters, except `limit`";
const LIMIT: &str = "is not a whole number from 1 to 100";

impl Api {
    async fn list(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "").await;
        assert_eq!((status, &body["status"]), (200, &json!("success")), "{path}: {body}");
        body["data"].clone()
    }

    /// Follows `next` from the first page to the last, and returns the course ids of each page.
    async fn pages(&self, path: &str, name: &str) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.list(&format!("{path}{after}")).await;
            let ids = page[name].as_array().unwrap().iter().map(|entry| &entry["course_id"]);
            pages.push(ids.map(|id| id.as_str().unwrap().to_owned()).collect());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break pages,
            }
        }
    }

    async fn enroll(&self, student: &str, course: &str) -> Value {
        let mut body = ada();
        (body["student_id"], body["course_id"]) = (json!(student), json!(course));
        let (status, response) = self.call("POST", "/enrollments", body).await;
        assert_eq!(status, 201, "{response}");
        response["data"]["enrollment"].clone()
    }

    async fn put(&self, course: &str, state: &str) {
        let body = json!({"title": "T", "price": 0, "currency": "USD", "state": state});
        let (status, response) = self.call("PUT", &format!("/courses/{course}"), body).await;
        assert!([200, 201].contains(&status), "{response}");
    }

    async fn is_refused(&self, path: &str, errors: Value) {
        let (status, body) = self.call("GET", path, "").await;
        assert_eq!((status, body), (422, json!({"status": "fail", "data": errors})), "{path}");
    }
}

fn with_courses(ids: &[&str]) -> Api {
    serve(World::new(ids.iter().map(|id| course(id, 0, "open")), Bank::Accepts))
}

async fn with_enrollments(students: &[&str], courses: &[&str]) -> Api {
    let api = with_courses(courses);
    for student in students {
        for course in courses {
            api.enroll(student, course).await;
        }
    }
    api
}

#[tokio::test]
async fn enrollments_of_a_student_are_as_they_were_created_and_of_nobody_else() {
    let api = with_courses(&["a", "b"]);
    let b = api.enroll("s-1", "b").await;
    api.enroll("s-2", "a").await;
    let a = api.enroll("s-1", "a").await;
    let listed = api.list("/enrollments?student_id=s-1").await;
    assert_eq!(listed, json!({"enrollments": [a, b], "next": null}));
    let nobody = api.list("/enrollments?student_id=s-3&colour=red&colour=blue").await;
    assert_eq!(nobody, json!({"enrollments": [], "next": null}));
}

#[tokio::test]
async fn pages_have_each_enrollment_once_in_the_order_of_their_courses() {
    let api = with_enrollments(&["s-1", "s-2"], &["d", "b", "e", "a", "c"]).await;
    for (limit, expected) in [
        (1, vec![vec!["a"], vec!["b"], vec!["c"], vec!["d"], vec!["e"], vec![]]),
        (2, vec![vec!["a", "b"], vec!["c", "d"], vec!["e"]]),
        (100, vec![vec!["a", "b", "c", "d", "e"]]),
    ] {
        let path = format!("/enrollments?student_id=s-1&limit={limit}");
        assert_eq!(api.pages(&path, "enrollments").await, expected, "{limit}");
    }
}

#[tokio::test]
async fn enrollment_that_begins_between_two_pages_neither_repeats_nor_hides_another() {
    let api = with_enrollments(&["s-1"], &["b", "d"]).await;
    let first = api.list("/enrollments?student_id=s-1&limit=1").await;
    assert_eq!(first["enrollments"][0]["course_id"], "b");
    for id in ["a", "c"] {
        api.put(id, "open").await;
        api.enroll("s-1", id).await;
    }
    let next = first["next"].as_str().unwrap();
    let path = format!("/enrollments?student_id=s-1&after={next}");
    assert_eq!(api.pages(&path, "enrollments").await, [["c", "d"]]);
}

#[tokio::test]
async fn wrong_parameter_of_a_list_of_enrollments_is_422_and_named() {
    let api = with_enrollments(&["s-2"], &["a", "b"]).await;
    let foreign = api.list("/enrollments?student_id=s-2&limit=1").await;
    let foreign = format!("student_id=s-1&after={}", foreign["next"].as_str().unwrap());
    for (query, errors) in [
        ("", json!({"student_id": "is missing"})),
        ("student_id=a%20b", json!({"student_id": "is not 1 to 255 visible ASCII characters"})),
        ("student_id=s-1&student_id=s-2", json!({"student_id": "is given more than once"})),
        ("student_id=s-1&limit=0", json!({"limit": LIMIT})),
        ("student_id=s-1&limit=101", json!({"limit": LIMIT})),
        ("student_id=s-1&limit=", json!({"limit": LIMIT})),
        ("student_id=s-1&after=b", json!({"after": CURSOR})),
        (&foreign, json!({"after": CURSOR})),
        ("limit=x&after=x", json!({"student_id": "is missing", "limit": LIMIT})),
        ("student_id=s-1&limit=x&after=x", json!({"limit": LIMIT, "after": CURSOR})),
    ] {
        api.is_refused(&format!("/enrollments?{query}"), errors).await;
    }
}

#[tokio::test]
async fn list_is_503_while_its_table_is_unavailable() {
    for path in ["/enrollments?student_id=s-1", "/courses", "/courses?state=open"] {
        let api = with_courses(&[]);
        api.world.take_down(Dependency::Tables);
        let (status, headers, body) = api.call_whole("GET", path, "").await;
        assert_eq!((status, headers[RETRY_AFTER].to_str().unwrap()), (503, "5"));
        assert!(!body.to_string().contains(OUTAGE), "{body}");
    }
}

#[tokio::test]
async fn courses_are_listed_with_their_prices_as_each_is_read() {
    let api = serve(world(Bank::Accepts));
    let listed = api.list("/courses").await;
    let mut read = Vec::new();
    for id in ["closed", "open", "priced"] {
        read.push(api.list(&format!("/courses/{id}")).await["course"].clone());
    }
    assert_eq!(listed, json!({"courses": read, "next": null}));
    assert_eq!(listed["courses"][2]["price"], 4900);
}

#[tokio::test]
async fn pages_have_each_course_once_whatever_its_state() {
    let api = with_courses(&["d", "b", "f", "a"]);
    for id in ["c", "e", "g"] {
        api.put(id, "closed").await;
    }
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    for (state, expected) in [
        ("", all.as_slice()),
        ("&state=open", &["a", "b", "d", "f"]),
        ("&state=closed", &["c", "e", "g"]),
    ] {
        for limit in 1..=8 {
            let pages = api.pages(&format!("/courses?limit={limit}{state}"), "courses").await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{state} {limit}: {pages:?}");
            assert_eq!(pages.concat(), expected, "{state} {limit}");
        }
    }
}

#[tokio::test]
async fn course_that_is_closed_between_two_pages_is_still_returned_once() {
    let api = with_courses(&["a", "b", "c"]);
    let first = api.list("/courses?limit=1").await;
    assert_eq!(first["courses"][0]["course_id"], "a");
    api.put("a", "closed").await;
    api.put("b", "closed").await;
    let path = format!("/courses?after={}", first["next"].as_str().unwrap());
    assert_eq!(api.pages(&path, "courses").await, [["b", "c"]]);
}

#[tokio::test]
async fn wrong_parameter_of_a_list_of_courses_is_422_and_named() {
    let api = with_courses(&["a", "b"]);
    let any = api.list("/courses?limit=1").await;
    let of_any = format!("state=open&after={}", any["next"].as_str().unwrap());
    let open = api.list("/courses?limit=1&state=open").await;
    let of_open = format!("after={}", open["next"].as_str().unwrap());
    let state = "is neither `open` nor `closed`";
    for (query, errors) in [
        ("state=full", json!({"state": state})),
        ("state=", json!({"state": state})),
        ("state=open&state=open", json!({"state": "is given more than once"})),
        ("limit=0&state=full", json!({"limit": LIMIT, "state": state})),
        ("after=a", json!({"after": CURSOR})),
        (&of_any, json!({"after": CURSOR})),
        (&of_open, json!({"after": CURSOR})),
    ] {
        api.is_refused(&format!("/courses?{query}"), errors).await;
    }
}

impl Api {
    /// Follows `next` from the first page to the last, and returns the student ids of each page.
    async fn roster_pages(&self, course: &str, limit: usize) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/operator/enrollments/{course}?limit={limit}{after}");
            let page = self.list(&path).await;
            let ids = page["enrollments"].as_array().unwrap().iter();
            let ids = ids.map(|entry| entry["student_id"].as_str().unwrap().to_owned());
            pages.push(ids.collect());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break pages,
            }
        }
    }
}

#[tokio::test]
async fn roster_has_each_student_of_a_course_once_in_the_order_in_which_they_began() {
    let students: Vec<_> = (0..50).map(|n| format!("s-{n:02}")).collect();
    let names: Vec<_> = students.iter().map(String::as_str).collect();
    let api = with_enrollments(&names, &["a", "b"]).await;
    for limit in [1, 7, 100] {
        let pages = api.roster_pages("a", limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(pages.concat(), students, "{limit}");
    }
    let entry = &api.list("/operator/enrollments/a?limit=1").await["enrollments"][0];
    let shown = api.list("/enrollments/a?student_id=s-00").await;
    assert_eq!(*entry, shown["enrollment"]);
    assert_eq!(api.roster_pages("no-such-course", 5).await, [Vec::<String>::new()]);
}

#[tokio::test]
async fn roster_refuses_a_wrong_limit_and_the_cursor_of_another_course() {
    let api = with_enrollments(&["s-1", "s-2"], &["a", "b"]).await;
    let next = api.list("/operator/enrollments/a?limit=1").await["next"].clone();
    let next = next.as_str().unwrap();
    let after = |course: &str| format!("/operator/enrollments/{course}?after={next}");
    assert_eq!(api.list(&after("a")).await["enrollments"].as_array().unwrap().len(), 1);
    api.is_refused(&after("b"), json!({"after": CURSOR})).await;
    api.is_refused("/operator/enrollments/a?limit=101", json!({"limit": LIMIT})).await;
    let of_a_student = api.list("/enrollments?student_id=s-1&limit=1").await["next"].clone();
    let path = format!("/operator/enrollments/a?after={}", of_a_student.as_str().unwrap());
    api.is_refused(&path, json!({"after": CURSOR})).await;
}
