//! The sample events of the API.

use super::*;

/// The status for each sample event of the API, over a world with its courses and with payments.
const EVENTS: [(&str, u16); 19] = [
    ("health", 200),
    ("put-course", 201),
    ("get-course", 200),
    ("list-courses", 200),
    ("enroll", 201),
    ("enroll-custom-domain", 200),
    ("add-user-to-course", 200),
    ("get-enrollment", 200),
    ("list-enrollments", 200),
    ("enroll-paid", 201),
    ("student-list-courses", 200),
    ("student-get-course", 200),
    ("student-enroll", 201),
    ("student-get-enrollment", 200),
    ("student-list-enrollments", 200),
    ("stripe-webhook", 403),
    ("stripe-refunded", 403),
    // After the others: it ends the access of their student.
    ("list-roster", 200),
    ("operate-enrollment", 200),
];

#[tokio::test]
async fn every_sample_event_gets_its_status() {
    let api = serve(World::new([course("serverless-payments", 4900, "open")], Bank::Accepts));
    for (name, expected) in EVENTS {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = std::fs::read_to_string(path).unwrap();
        let event = serde_json::from_str(&event).unwrap();
        let (status, body) = gateway::tests::respond(&api.router, event).await;
        assert_eq!(status, expected, "{name}: {body}");
    }
}

#[test]
fn every_sample_event_of_the_api_is_tested() {
    let folder = format!("{}/../../events", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // The others belong to other functions, whose own tests read them.
        if event["rawPath"].is_string() {
            assert!(EVENTS.iter().any(|(known, _)| *known == name), "{name} is not tested");
        }
    }
}
