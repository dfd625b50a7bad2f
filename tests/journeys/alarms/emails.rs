//! Emails and jobs, with every outcome that the dashboard shows.

use std::time::{Duration, SystemTime};

use journeys::{
    DeployedStack, Student,
    faults::{Faults, Service::Ses},
    feedback::feedback_event,
    unique_id,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// Older than the limits of `EmailAgeAlarm` and `EmailExpiryAlarm`.
const OLD: Duration = Duration::from_hours(6 * 24);

/// Says in each body that it belongs to this journey.
const TAG: &str = "alarms-journey";

pub(super) fn job(id: &str, student: &Student) -> Value {
    json!({"v": 1, "id": id, "to": student.email, "subject": TAG, "text": "Plain text."})
}

fn new_id() -> String {
    unique_id(TAG)
}

pub(super) async fn provoke(stack: &DeployedStack) {
    delivery_events(stack).await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let mut environment = faults.environment();
    environment.push(("AT_MOST_ONCE_TEMPLATES", "enrollment-refund"));
    let worker = stack.output("EmailWorkerFunctionName");
    stack
        .with_environment(worker, &environment, async || {
            failing_emails(stack, &faults).await;
            jobs_that_are_not_sent(stack, &faults).await;
        })
        .await;
    // One email per day and worker: no invocation is so long.
    let impossible = [("SEND_LIMIT", "2"), ("SEND_WINDOW_SECONDS", "86400")];
    stack
        .with_environment(worker, &impossible, async || {
            let student = Student::named("Ada Lovelace");
            stack.enqueue(job(&new_id(), &student).to_string()).await;
            stack.wait_until_logged("email-worker", "sending_impossible").await;
        })
        .await;
}

/// SES's events about an email of an enrollment.
async fn delivery_events(stack: &DeployedStack) {
    let (student, id) = (Student::named("Ada Lovelace"), Uuid::now_v7().to_string());
    let kinds = ["sent", "delivered", "bounced", "complained", "rejected"];
    let mut events = kinds.map(|kind| feedback_event(kind, &id, &student));
    // After the request, whose time is in the id. That of the sample is long past.
    let mut delivered: Value = serde_json::from_str(&events[1]).expect("an event is JSON");
    let now = OffsetDateTime::now_utc() + Duration::from_secs(1);
    delivered["detail"]["delivery"]["timestamp"] =
        json!(now.format(&Rfc3339).expect("this is before the year 10000"));
    events[1] = delivered.to_string();
    stack.put_feedback(&events).await;
    stack.wait_until_feedback_is_handled(&id).await;
}

/// An unknown error, a rejection, and an attempt without a response, of a template that is never sent twice.
async fn failing_emails(stack: &DeployedStack, faults: &Faults) {
    let [unknown, rejected, unanswered] = ["Unknown", "Rejected", "Unanswered"].map(Student::named);
    let send = |student: &Student| faults.rule(Ses, "SendEmail").mentioning(&student.email);
    send(&unknown).up_to(1).error(400, "ANewException", "Nobody has heard of it.");
    send(&rejected).error(400, "MessageRejected", "It is not an email.");
    send(&unanswered).after().cut();
    stack.enqueue(job(&new_id(), &unknown).to_string()).await;
    stack.enqueue(job(&new_id(), &rejected).to_string()).await;
    let receipt = json!({
        "v": 1, "id": new_id(), "to": unanswered.email, "template": "enrollment-refund",
        "data": {"student_name": "Ada", "course_title": TAG},
    });
    stack.enqueue(receipt.to_string()).await;
    for student in [&rejected, &unanswered] {
        stack.wait_until_not_queued(&student.email).await;
    }
    stack.wait_until_job_is_postponed(&unknown.email, Duration::from_mins(5)).await;
}

/// An old job, a job after its deadline, a job of a suppressed recipient, a message that is not a job, and another email
/// under the id of one that was sent.
async fn jobs_that_are_not_sent(stack: &DeployedStack, faults: &Faults) {
    let [old, expired, suppressed, reused] =
        ["Old", "Expired", "Suppressed", "Reused"].map(Student::named);
    let (old_id, reused_id) = (new_id(), new_id());
    stack.put_job_in_ledger(&old_id, SystemTime::now() - OLD).await;
    let bounced = feedback_event("bounced", &new_id(), &suppressed);
    stack.put_feedback(&[bounced]).await;
    stack.wait_until_feedback_is_handled(&suppressed.email).await;
    let listed = json!({"SuppressedDestination": {
        "EmailAddress": suppressed.email, "Reason": "BOUNCE", "LastUpdateTime": 1_780_000_000,
    }});
    faults.rule(Ses, "GetSuppressedDestination").respond(200, listed);
    let mut late = job(&new_id(), &expired);
    late["deadline"] = json!("2026-01-01T00:00:00Z");
    let jobs = [
        job(&old_id, &old).to_string(),
        late.to_string(),
        job(&new_id(), &suppressed).to_string(),
        format!("not a job: {TAG}"),
        job(&reused_id, &reused).to_string(),
    ];
    stack.enqueue_together(&jobs).await;
    stack.wait_for_email_to(&reused.email).await;
    let mut other = job(&reused_id, &reused);
    other["text"] = json!("Another text.");
    stack.enqueue(other.to_string()).await;
    for mention in [&old.email, &expired.email, &suppressed.email, &reused.email] {
        stack.wait_until_not_queued(mention).await;
    }
}

/// Deletes the dead letters.
pub(super) async fn clean_up(stack: &DeployedStack) {
    let letters = stack.take_dead_letters(TAG).await;
    assert!(letters.len() >= 5, "{letters:?}");
}
