//! What operators see during a hold, a backlog, a dead letter and a stuck payment, with only the permissions to read.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use journeys::{
    DeployedStack, Student,
    backlog::Backlog,
    eventually,
    operator::{AWS_FAILED, CommandOutput, NEEDS_PERSON, registrar, registrar_as},
    payments::{self, Stripe},
    refusing_provider, unique_id,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

async fn ask(stack: &DeployedStack, args: &[&str]) -> CommandOutput {
    registrar_as(stack, &stack.description.reader, args).await
}

/// The API's address of a local stack is not that of the output.
async fn status(stack: &DeployedStack, more: &[&str]) -> CommandOutput {
    let args = [&["status", "--api-url", &stack.description.api_url], more].concat();
    ask(stack, &args).await
}

/// A job and its id.
fn job() -> (String, String) {
    let (id, to) = (unique_id("job"), format!("{}@example.com", unique_id("recipient")));
    let job = json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."});
    (job.to_string(), id)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_and_backlog_are_named_by_why_and_status_until_the_email_is_sent() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("Asked About").await;
    let student = Student::named("Ada Lovelace");
    let why = ["why", &student.id, &course];
    ask(&stack, &why).await.expect(NEEDS_PERSON, &["has no enrollment in this course"]);

    registrar(&stack, &["hold", "--reason", "moving house"]).await.expect(0, &[]);
    let held = async {
        let response = stack.enroll(&student, &course).await;
        assert_eq!(response.status, 201, "{:?}", response.body);
        let (backlog, id) = job();
        stack.enqueue(backlog).await;

        let waits = ["sending is held by an operator", "moving house", "waits on the queue"];
        let output = ask(&stack, &why).await;
        output.expect(NEEDS_PERSON, &["access is granted"]).expect(NEEDS_PERSON, &waits);
        ask(&stack, &["why", &id]).await.expect(NEEDS_PERSON, &waits);
        let timeline = ask(&stack, &["timeline", &student.id, &course]).await;
        timeline.expect(0, &["the enrollment was requested", "sending is held by an operator"]);

        let screen = status(&stack, &[]).await;
        screen.expect(NEEDS_PERSON, &["200 in ", " ready, ", "after sending resumes"]);
        screen.expect(NEEDS_PERSON, &["an operator holds sending (moving house)"]);
        let output = status(&stack, &["--json"]).await;
        let status: Value = serde_json::from_str(&output.out).expect("one JSON object");
        assert!(status["queue"]["visible"].as_u64() >= Some(2), "{status}");
        assert_eq!(status["holds"]["operator"]["reason"], "moving house", "{status}");
        assert_eq!(status["event_source_on"], false, "{status}");
    };
    let outcome = AssertUnwindSafe(held).catch_unwind().await;
    // Even if it failed. Otherwise the journeys after it would fail for the same reason.
    registrar(&stack, &["release"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));

    stack.wait_for_email_to(&student.email).await;
    eventually("the ledger's `sent`", async || {
        let output = ask(&stack, &why).await;
        output.out.contains("was accepted by SES").then_some(())
    })
    .await;
    ask(&stack, &why).await.expect(0, &["access is granted", "was accepted by SES"]);
    let timeline = ask(&stack, &["timeline", &student.id, &course]).await;
    timeline.expect(0, &["a worker claimed email", "SES accepted it as"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn backlog_is_named_by_why_and_status_with_its_place_and_its_end() {
    let stack = DeployedStack::exclusive().await;
    let backlog = Backlog::of(40);
    let last = &backlog.jobs.last().expect("a backlog has jobs").id;
    let worker = stack.output("EmailWorkerFunctionName");
    // One email per second and worker, so that most of the jobs are on the queue while `why` is asked.
    let slowly = [("SEND_LIMIT", "120"), ("WORKER_BATCH_SIZE", "10")];
    stack
        .with_environment(worker, &slowly, async || {
            backlog.enqueue(&stack).await;
            stack.wait_for_email_to(&format!("{}@example.com", backlog.jobs[0].id)).await;
            let asked_at = OffsetDateTime::now_utc();
            let output = ask(&stack, &["why", last, "--json"]).await;
            let answer: Value = serde_json::from_str(&output.out).expect("one JSON object");
            let waiting = answer["answers"]
                .as_array()
                .and_then(|all| all.iter().find(|answer| answer["kind"] == "waiting").cloned());
            let waiting = waiting.unwrap_or_else(|| panic!("{answer}"));
            let before = waiting["jobs_before_at_most"].as_u64().expect("a number");
            // SQS's count includes what other journeys have left.
            assert!(before >= 10, "{waiting}");
            // A little below the deployed limit, whose proof needs it.
            let per_minute = waiting["emails_per_minute"].as_u64().expect("a number");
            assert!((250..=300).contains(&per_minute), "{waiting}");
            let by = waiting["expected_by"].as_str().expect("a time");
            let by = OffsetDateTime::parse(by, &Rfc3339).expect("a time");
            let minutes = (by - asked_at).as_seconds_f64() / 60.0;
            let at_this_pace = jobs(before) / jobs(per_minute);
            assert!((minutes - at_this_pace).abs() < 0.1, "{waiting}: in {minutes} minutes");

            let text = ask(&stack, &["why", last]).await;
            text.expect(0, &["jobs are before it, at ", " emails per minute; expected by "]);
            let screen = status(&stack, &[]).await;
            assert!(screen.out.contains(", in about "), "{screen:?}");
            assert!(screen.out.contains("300 in any 60 s"), "{screen:?}");
            // A worker that is replaced during its batch would keep its jobs for minutes.
            stack.wait_until_not_queued(&backlog.tag).await;
        })
        .await;
    assert_eq!(stack.emails_mentioning(&backlog.tag).await.len(), backlog.jobs.len());
}

fn jobs(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("few jobs"))
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn stuck_payment_is_named_by_why_and_status() {
    let stack = DeployedStack::shared().await;
    let course = json!({"title": "Stuck", "price": 4900, "currency": "USD", "state": "open"});
    let course = stack.create_course(course).await;
    let (stripe, student) = (Stripe::of(&stack), Student::named("Ada Lovelace"));
    let why = ["why", &student.id, &course];
    let response = stack.buy(&student, &course, payments::REQUIRES_ACTION).await;
    assert_eq!(response.status, 402, "{:?}", response.body);
    let pending = ask(&stack, &why).await;
    pending.expect(0, &["payment attempt 1 is pending since "]).expect_without("@");

    stack.set_payment(&student, &course, "livemode", json!(true)).await;
    stripe.authenticate(&student);
    let event = stripe.event(&student, "payment_intent.succeeded");
    assert_eq!(stack.deliver(&event).await.status, 200);
    let cause = ["stuck: the payment cannot be settled", "and nothing is granted"];
    ask(&stack, &why).await.expect(NEEDS_PERSON, &cause).expect_without("@");
    let timeline = ask(&stack, &["timeline", &student.id, &course]).await;
    timeline.expect(0, &["the enrollment was requested"]).expect_without("@");
    let screen = status(&stack, &[]).await;
    screen.expect(NEEDS_PERSON, &[" stuck, ", "`registrar enrollment list --stuck`"]);
    stack.delete_enrollment(&student, &course).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn dead_letter_is_named_by_why_and_status_with_its_code() {
    let stack = DeployedStack::exclusive().await;
    let (job, id) = job();
    let worker = stack.output("EmailWorkerFunctionName");
    let provider = refusing_provider::start();
    stack
        .with_environment(worker, &[("AWS_ENDPOINT_URL_SESV2", provider.as_str())], async || {
            stack.enqueue(job).await;
            eventually("a dead letter", async || {
                let output = ask(&stack, &["why", &id]).await;
                output.out.contains("is a dead letter").then_some(())
            })
            .await;
        })
        .await;

    let why = ask(&stack, &["why", &id]).await;
    why.expect(NEEDS_PERSON, &["MessageRejected", "dead-letters show"]).expect_without("@");
    let timeline = ask(&stack, &["timeline", &id]).await;
    timeline.expect(0, &["it became a dead letter, MessageRejected"]).expect_without("@");
    let screen = status(&stack, &[]).await;
    screen.expect(NEEDS_PERSON, &["`registrar dead-letters list`"]);
    // The policy to read does not let anybody receive dead letters.
    assert!(screen.err.contains("receiving dead letters failed: access denied"), "{screen:?}");

    registrar(&stack, &["dead-letters", "purge", "--id", &id, "--apply"])
        .await
        .expect(0, &["deleted: 1 letter"]);
    ask(&stack, &["why", &id]).await.expect(NEEDS_PERSON, &["MessageRejected"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn policy_to_read_changes_nothing() {
    let stack = DeployedStack::shared().await;
    let output = ask(&stack, &["hold", "--reason", "not allowed"]).await;
    output.expect(AWS_FAILED, &[]);
    assert!(
        output.err.contains("access denied") || output.err.contains("AccessDenied"),
        "{output:?}"
    );
}
