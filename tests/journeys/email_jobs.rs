//! The queue's contract, as any service of the platform may use it.

use journeys::{World, world::unique};
use serde_json::{Value, json};

fn plain_job(id: &str, to: &str) -> Value {
    json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."})
}

fn address() -> String {
    format!("{}@example.com", unique("recipient"))
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_job_with_its_own_text_is_sent_as_it_is() {
    let world = World::open().await;
    let to = address();
    let mut job = plain_job(&unique("job"), &to);
    job["html"] = "<p>Plain <b>markup</b>.</p>".into();

    world.enqueue(job.to_string()).await;

    let email = world.email_to(&to).await;
    assert_eq!(email.source, "registrar@example.com");
    assert_eq!(email.subject, "A plain job");
    assert_eq!(email.body_text.trim_end(), "Plain text.");
    assert_eq!(email.body_html.trim_end(), "<p>Plain <b>markup</b>.</p>");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn the_same_job_twice_is_one_email() {
    let world = World::open().await;
    let (id, to) = (unique("job"), address());
    let job = plain_job(&id, &to).to_string();

    // Together, so that two workers may meet over it, and once more when it was sent.
    world.enqueue_together(&[job.clone(), job.clone()]).await;
    world.email_to(&to).await;
    world.enqueue(job).await;

    world.only_email_to(&to).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn poison_among_good_messages_costs_them_nothing() {
    let world = World::open().await;
    let recipients = [address(), address(), address()];
    let mut batch: Vec<String> =
        recipients.iter().map(|to| plain_job(&unique("job"), to).to_string()).collect();
    let poison = format!("not a job: {}", unique("poison"));
    batch.insert(1, poison.clone());

    world.enqueue_together(&batch).await;

    let letter = world.dead_letter(&poison).await;
    assert_eq!(letter.body, poison);
    assert_eq!(letter.attribute("error_code"), "malformed_job");
    assert!(!letter.attribute("reason").is_empty());
    for to in &recipients {
        world.email_to(to).await;
        world.only_email_to(to).await;
    }
    world.queue_forgets(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_hopeless_job_is_kept_as_it_was_with_the_reason() {
    let world = World::open().await;
    let job = |change: &dyn Fn(&mut Value)| {
        let mut job = plain_job(&unique("job"), &address());
        change(&mut job);
        job
    };
    let templated = |template: &str, data: Value| json!({"v": 1, "id": unique("job"), "to": address(), "template": template, "data": data});
    let hopeless = [
        ("malformed_job", job(&|job| job["v"] = 2.into())),
        ("malformed_job", job(&|job| job["to"] = "nobody".into())),
        ("malformed_job", job(&|job| job["to"] = "a@example.com, b@example.com".into())),
        ("malformed_job", job(&|job| job["subject"] = "Two\r\nBcc: b@example.com".into())),
        ("malformed_job", job(&|job| _ = job.as_object_mut().unwrap().remove("text"))),
        ("unknown_template", templated("no-such-template", json!({}))),
        ("invalid_data", templated("enrollment-confirmation", json!({}))),
    ];

    for (code, job) in hopeless {
        let id = job["id"].as_str().unwrap();
        let sqs_message_id = world.enqueue(job.to_string()).await;
        let letter = world.dead_letter(id).await;
        assert_eq!(letter.body, job.to_string());
        assert_eq!(letter.attribute("error_code"), code, "{letter:?}");
        assert_eq!(letter.attribute("sqs_message_id"), sqs_message_id);
        if code != "malformed_job" {
            assert_eq!(letter.attribute("job_id"), id);
        }
        world.queue_forgets(id).await;
        let to = job["to"].as_str().unwrap();
        assert!(world.emails_to(to).await.is_empty(), "{job} was sent");
    }
}
