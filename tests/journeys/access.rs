//! Who may call what. AWS answers before the functions do.

use journeys::{Signer, Student, World, stack::Credentials};

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Caller,
    Operator,
}

/// Every route that takes a signature, and whose it takes.
const ROUTES: [(&str, &str, Role); 5] = [
    ("POST", "/enrollments", Role::Caller),
    ("POST", "/add-user-to-course", Role::Caller),
    ("GET", "/enrollments/some-course?student_id=somebody", Role::Caller),
    ("PUT", "/courses/some-course", Role::Operator),
    ("GET", "/courses/some-course", Role::Operator),
];

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn anybody_may_ask_whether_it_is_up() {
    let world = World::open().await;
    let answer = world.call(None, "GET", "/", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["status"], "success");
    assert!(answer.body["message"].is_string(), "{:?}", answer.body);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn an_unsigned_request_is_403_on_every_other_route() {
    let world = World::open().await;
    for (method, path, _) in ROUTES {
        let answer = world.call(None, method, path, "").await;
        assert_eq!(answer.status, 403, "{method} {path}: {:?}", answer.body);
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_wrongly_signed_request_is_403_on_every_other_route() {
    let world = World::open().await;
    let signs_as = |access_key_id: &str, secret_access_key: &str| Signer {
        credentials: Credentials {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
        },
        ..world.caller.clone()
    };
    let key = &world.stack.caller;
    let wrong_secret = signs_as(&key.access_key_id, "not-the-secret");
    let stranger = signs_as("AKIAIOSFODNN7EXAMPLE", &key.secret_access_key);

    for (method, path, _) in ROUTES {
        for signer in [&wrong_secret, &stranger] {
            let answer = world.call(signer, method, path, "").await;
            assert_eq!(answer.status, 403, "{method} {path}: {:?}", answer.body);
        }
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn each_policy_opens_its_own_routes_and_no_other() {
    let world = World::open().await;
    for (method, path, role) in ROUTES {
        let (insider, outsider) = match role {
            Role::Caller => (&world.caller, &world.operator),
            Role::Operator => (&world.operator, &world.caller),
        };
        let admitted = world.call(insider, method, path, "").await;
        let refused = world.call(outsider, method, path, "").await;
        assert_ne!(admitted.status, 403, "{method} {path}: {:?}", admitted.body);
        assert_eq!(refused.status, 403, "{method} {path}: {:?}", refused.body);
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_refused_request_changes_nothing() {
    let world = World::open().await;
    let course = world.open_course("Kept").await;
    let path = format!("/courses/{course}");
    let student = Student::named("Mallory");

    let other = r#"{"title": "Changed", "price": 0, "currency": "USD", "state": "open"}"#;
    let put = world.call(&world.caller, "PUT", &path, other).await;
    let body = student.enrolls_in(&course).to_string();
    let post = world.call(&world.operator, "POST", "/enrollments", body).await;

    assert_eq!((put.status, post.status), (403, 403));
    let kept = world.call(&world.operator, "GET", &path, "").await;
    assert_eq!(kept.body["data"]["course"]["title"], "Kept");
    let path = format!("/enrollments/{course}?student_id={}", student.id);
    assert_eq!(world.call(&world.caller, "GET", &path, "").await.status, 404);
}
