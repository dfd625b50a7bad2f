//! The contract of the email queue, which any service of the platform may use.

use std::time::Duration;

use journeys::{DeployedStack, faults::Faults, unique_id};
use serde_json::{Value, json};

fn plain_job(id: &str, to: &str) -> Value {
    json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."})
}

fn address() -> String {
    format!("{}@example.com", unique_id("recipient"))
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_with_its_own_text_is_sent_unchanged() {
    let stack = DeployedStack::shared().await;
    let to = address();
    let mut job = plain_job(&unique_id("job"), &to);
    job["html"] = "<p>Plain <b>markup</b>.</p>".into();

    stack.enqueue(job.to_string()).await;

    let email = stack.wait_for_email_to(&to).await;
    assert_eq!(email.source, "registrar@example.com");
    assert_eq!(email.subject, "A plain job");
    assert_eq!(email.body_text.trim_end(), "Plain text.");
    assert_eq!(email.body_html.trim_end(), "<p>Plain <b>markup</b>.</p>");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_has_the_name_of_the_sender_the_address_for_replies_and_the_headers() {
    let stack = DeployedStack::exclusive().await;
    // The emulator keeps neither: the proxy sees the request, and refuses what SES refuses.
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let configure = |configuration: &mut Value| {
        let sender = [
            ("SENDER_NAME", "Akademie M\u{fc}ller"),
            ("REPLY_TO", "help@example.com"),
            ("SES_TENANT", "courses"),
        ];
        for (name, value) in faults.environment().into_iter().chain(sender) {
            configuration["Environment"]["Variables"][name] = value.into();
        }
    };
    let (without, with) = (address(), address());
    let headers = json!({
        "List-Unsubscribe": "<https://example.com/u?t=1>, <mailto:leave@example.com>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    });
    let mut job = plain_job(&unique_id("job"), &with);
    job["reply_to"] = "desk@example.com".into();
    job["headers"] = headers.clone();
    let worker = stack.output("EmailWorkerFunctionName");
    let send_both = async || {
        stack.enqueue(plain_job(&unique_id("job"), &without).to_string()).await;
        stack.enqueue(job.to_string()).await;
        for to in [&without, &with] {
            stack.wait_for_email_to(to).await;
            stack.only_email_to(to).await;
        }
    };
    stack.with_configuration(worker, configure, send_both).await;

    let request = |to: &str| -> Value {
        let sends = faults.sends();
        let send = sends.iter().find(|send| send.mentions(to)).unwrap();
        assert!(send.was_done());
        serde_json::from_slice(&send.body).unwrap()
    };
    for (to, reply_to) in [(&without, "help@example.com"), (&with, "desk@example.com")] {
        let request = request(to);
        let sender = "=?UTF-8?Q?Akademie_M=C3=BCller?= <registrar@example.com>";
        assert_eq!(request["FromEmailAddress"], sender);
        assert_eq!(request["TenantName"], "courses");
        assert_eq!(request["ReplyToAddresses"], json!([reply_to]));
    }
    assert_eq!(request(&without)["Content"]["Simple"]["Headers"], Value::Null);
    let sent = request(&with)["Content"]["Simple"]["Headers"].clone();
    let sent = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|header| (header["Name"].as_str().unwrap().to_owned(), header["Value"].clone()));
    assert_eq!(Value::Object(sent.collect()), headers);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_is_sent_whatever_its_trace_header_is() {
    let stack = DeployedStack::shared().await;
    let valid = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let long = "Root=".repeat(1_000);
    for trace in [valid, "Root=1-5759e988", "=;=;=", "not a header", long.as_str()] {
        let to = address();
        let job = plain_job(&unique_id("job"), &to).to_string();
        stack.enqueue_traced(job, trace).await;
        stack.wait_for_email_to(&to).await;
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_that_is_queued_twice_is_sent_once() {
    let stack = DeployedStack::shared().await;
    let (id, to) = (unique_id("job"), address());
    let job = plain_job(&id, &to).to_string();

    // Twice in one request, so that two workers may receive it at the same time, and again after it was sent.
    stack.enqueue_together(&[job.clone(), job.clone()]).await;
    stack.wait_for_email_to(&to).await;
    stack.enqueue(job).await;

    stack.only_email_to(&to).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_whose_id_ses_cannot_carry_is_sent_and_its_events_lead_back_to_it() {
    let stack = DeployedStack::shared().await;
    let (id, to) = (format!("receipt.{}", unique_id("job")), address());
    let job = plain_job(&id, &to).to_string();

    // `"v": 1.0` and a byte order mark are read.
    stack.enqueue(format!("\u{feff}{}", job.replace("\"v\":1}", "\"v\":1.0}"))).await;
    stack.wait_for_email_to(&to).await;
    // The same job, in another writing.
    stack.enqueue(job).await;
    stack.only_email_to(&to).await;
    stack.wait_until_not_queued(&id).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn second_email_under_one_id_is_a_dead_letter_at_once_and_later() {
    let stack = DeployedStack::shared().await;
    let (id, to, other) = (unique_id("job"), address(), address());
    let first = plain_job(&id, &to).to_string();
    let second = plain_job(&id, &other).to_string();

    stack.enqueue_together(&[first, second.clone()]).await;
    let letter = stack.take_dead_letter(&id).await;
    assert_eq!(letter.attribute("error_code"), "id_reused", "{letter:?}");
    assert_eq!(letter.attribute("job_id"), id);
    // If two workers receive them at once, either may be the first.
    let (sent, unsent) = if letter.body == second { (&to, &other) } else { (&other, &to) };
    stack.wait_for_email_to(sent).await;

    stack.enqueue(letter.body.clone()).await;
    let again = stack.take_dead_letter(&id).await;
    assert_eq!(again.attribute("error_code"), "id_reused");
    assert_eq!(again.body, letter.body);
    stack.wait_until_not_queued(&id).await;
    stack.only_email_to(sent).await;
    assert!(stack.emails_to(unsent).await.is_empty());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_that_could_not_be_kept_as_a_dead_letter_is_refused_by_the_queue() {
    let stack = DeployedStack::shared().await;
    let mut job = plain_job(&unique_id("job"), &address());
    job["text"] = "x".repeat(email::job::MAX_JOB_BYTES).into();
    assert_eq!(stack.enqueue_refused(job.to_string()).await, "InvalidParameterValue");
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn poison_message_is_a_dead_letter_and_does_not_stop_its_batch() {
    let stack = DeployedStack::shared().await;
    let recipients = [address(), address(), address()];
    let mut batch: Vec<String> =
        recipients.iter().map(|to| plain_job(&unique_id("job"), to).to_string()).collect();
    let poison = format!("not a job: {}", unique_id("poison"));
    batch.insert(1, poison.clone());

    stack.enqueue_together(&batch).await;

    let letter = stack.take_dead_letter(&poison).await;
    assert_eq!(letter.body, poison);
    assert_eq!(letter.attribute("error_code"), "malformed_job");
    assert!(!letter.attribute("reason").is_empty());
    for to in &recipients {
        stack.wait_for_email_to(to).await;
        stack.only_email_to(to).await;
    }
    stack.wait_until_not_queued(&poison).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_that_can_never_be_sent_is_an_unchanged_dead_letter_with_a_reason() {
    let stack = DeployedStack::shared().await;
    let job = |change: &dyn Fn(&mut Value)| {
        let mut job = plain_job(&unique_id("job"), &address());
        change(&mut job);
        job
    };
    let jobs = [
        ("malformed_job", job(&|job| job["to"] = "nobody".into())),
        ("malformed_job", job(&|job| job["text"] = "\u{1}".into())),
        ("malformed_job", job(&|job| job["to"] = "a@example.com, b@example.com".into())),
        ("malformed_job", job(&|job| job["subject"] = "Two\r\nBcc: b@example.com".into())),
        ("malformed_job", job(&|job| _ = job.as_object_mut().unwrap().remove("text"))),
        ("expired", job(&|job| job["deadline"] = "2026-11-25T04:22:30Z".into())),
    ];

    for (code, job) in jobs {
        let id = job["id"].as_str().unwrap();
        let sqs_message_id = stack.enqueue(job.to_string()).await;
        let letter = stack.take_dead_letter(id).await;
        assert_eq!(letter.body, job.to_string());
        assert_eq!(letter.attribute("error_code"), code, "{letter:?}");
        assert_eq!(letter.attribute("sqs_message_id"), sqs_message_id);
        if code != "malformed_job" {
            assert_eq!(letter.attribute("job_id"), id);
        }
        stack.wait_until_not_queued(id).await;
        let to = job["to"].as_str().unwrap();
        assert!(stack.emails_to(to).await.is_empty(), "{job} was sent");
    }
}

/// During a deployment, an old worker receives new jobs. It returns them, and a new worker sends them.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn job_that_a_later_release_may_send_is_returned() {
    let stack = DeployedStack::shared().await;
    let templated = |template: &str, data: Value| json!({"v": 1, "id": unique_id("job"), "to": address(), "template": template, "data": data});
    let mut later = plain_job(&unique_id("job"), &address());
    later["v"] = 2.into();
    let jobs = [
        later,
        templated("no-such-template", json!({})),
        templated("enrollment-confirmation", json!({})),
    ];
    for job in jobs {
        let id = job["id"].as_str().unwrap();
        stack.enqueue(job.to_string()).await;
        stack.wait_until_job_is_postponed(id, Duration::from_mins(1)).await;
        assert!(stack.take_dead_letters(id).await.is_empty(), "{job} is a dead letter at once");
        let to = job["to"].as_str().unwrap();
        assert!(stack.emails_mentioning(to).await.is_empty(), "{job} was sent");
    }
}
