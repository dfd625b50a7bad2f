//! Holds. While the account may not send, or is about to lose permission, no email is attempted. After the hold, all
//! emails are sent.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use journeys::{
    DeployedStack,
    backlog::Backlog,
    emulator::QueuedMessage,
    eventually,
    faults::{
        Exchange, Faults,
        Service::{Lambda, Ses},
    },
    operator::{registrar, with_release},
    unique_id,
    wait::within,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A job and its recipient's address.
fn job() -> (String, String) {
    let to = format!("{}@example.com", unique_id("recipient"));
    let job = json!({
        "v": 1, "id": unique_id("job"), "to": to, "subject": "A plain job", "text": "Plain text.",
    });
    (job.to_string(), to)
}

/// Runs `meanwhile` while the worker and hold-watch use the proxy, and then releases all holds.
async fn with_faults(stack: &DeployedStack, faults: &Faults, meanwhile: impl AsyncFnOnce()) {
    let journey = Box::pin(with_proxy(stack, faults, meanwhile));
    with_release(stack, journey).await;
}

async fn with_proxy(stack: &DeployedStack, faults: &Faults, meanwhile: impl AsyncFnOnce()) {
    let worker = stack.output("EmailWorkerFunctionName");
    let hold_watch = stack.output("HoldWatchFunctionName");
    let environment = faults.environment();
    stack
        .with_environment(worker, &environment, async || {
            Box::pin(stack.with_environment(hold_watch, &environment, meanwhile)).await;
        })
        .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn paused_account_holds_sending_once_until_ses_permits_it_again() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    faults.rule(Ses, "SendEmail").error(400, "SendingPausedException", "Sending is paused.");
    faults.rule(Ses, "GetAccount").respond(200, json!({"SendingEnabled": false}));
    let (attempted, waiting) = (job(), job());

    with_faults(&stack, &faults, async || {
        stack.enqueue(attempted.0.clone()).await;
        eventually("a hold", async || {
            let holds = registrar(&stack, &["holds"]).await;
            holds.out.contains("event source  off").then_some(())
        })
        .await;
        registrar(&stack, &["holds"]).await.expect(0, &["sending is paused"]);
        stack.enqueue(waiting.0.clone()).await;
        stack.assert_job_is_not_received(&waiting.1).await;

        assert_eq!(stack.run_hold_watch().await["emails_held"], true);
        stack.assert_job_is_not_received(&waiting.1).await;
        let turned = faults.exchanges();
        let turned = turned.iter().filter(|p| p.request.operation == "UpdateEventSourceMapping");
        assert_eq!(turned.count(), 1, "the event source was turned off once");
        assert_eq!(faults.sends().len(), 1, "one attempt was enough to hold");

        faults.lift_all();
        assert_eq!(stack.run_hold_watch().await["emails_held"], false);
        stack.wait_for_email_to(&waiting.1).await;
        stack.only_email_to(&waiting.1).await;
        // The attempted job was returned, hidden for a quarter of an hour.
        stack.wait_until_job_is_postponed(&attempted.1, Duration::from_mins(20)).await;
        registrar(&stack, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    })
    .await;
}

/// A job with a template, and its recipient's address.
fn templated_job(template: &str) -> (String, String) {
    let to = format!("{}@example.com", unique_id("recipient"));
    let data = json!({"student_name": "Ada", "course_title": "Rust"});
    let job = json!({"v": 1, "id": unique_id("job"), "to": to, "template": template, "data": data});
    (job.to_string(), to)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_with_an_end_ends_by_itself() {
    let stack = DeployedStack::exclusive().await;
    let waiting = job();
    let journey = async {
        registrar(&stack, &["hold", "--reason", "moving", "--for", "2h"])
            .await
            .expect(0, &["moving; it ends at", "until `registrar release`"]);
        stack.enqueue(waiting.0.clone()).await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], true);
        stack.assert_job_is_not_received(&waiting.1).await;
        let holds = registrar(&stack, &["holds", "--json"]).await;
        let holds: Value = serde_json::from_str(&holds.expect(0, &[]).out).expect("it is JSON");
        assert_eq!((&holds["held"], &holds["event_source_on"]), (&true.into(), &false.into()));
        assert!(holds["holds"]["operator"]["until"].is_string(), "{holds}");

        stack.end_hold_now(&["operator"]).await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], false);
        stack.wait_for_email_to(&waiting.1).await;
        registrar(&stack, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    };
    Box::pin(with_release(&stack, journey)).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_of_a_template_lets_other_emails_through() {
    let stack = DeployedStack::exclusive().await;
    let template = "enrollment-refund";
    let (held, plain) = (templated_job(template), job());
    let (other, after) = (templated_job("enrollment-confirmation"), templated_job(template));
    let release = ["release", "--template", template];
    let journey = async {
        let args = ["hold", "--template", template, "--reason", "wrong text", "--for", "1d"];
        registrar(&stack, &args).await.expect(0, &["held template enrollment-refund", "ends at"]);
        stack.enqueue_together(&[held.0.clone(), plain.0.clone(), other.0.clone()]).await;
        stack.wait_for_email_to(&plain.1).await;
        stack.wait_for_email_to(&other.1).await;
        stack.wait_until_job_is_postponed(&held.1, Duration::from_mins(20)).await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], false, "sending is not held");
        let holds = registrar(&stack, &["holds"]).await;
        holds.expect(0, &["only templates are held", "wrong text", "event source  on"]);
        // A release of everything does not end it.
        registrar(&stack, &["release"]).await.expect(0, &["nothing was held"]);
        registrar(&stack, &["holds"]).await.expect(0, &["wrong text"]);

        stack.end_hold_now(&["templates", template]).await;
        stack.run_hold_watch().await;
        registrar(&stack, &["holds"]).await.expect(0, &["nothing is held"]);
        stack.enqueue(after.0.clone()).await;
        stack.wait_for_email_to(&after.1).await;
        registrar(&stack, &args).await;
        registrar(&stack, &release).await.expect(0, &["ended:", "wrong text"]);
    };
    let outcome = AssertUnwindSafe(journey).catch_unwind().await;
    registrar(&stack, &release).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_during_an_outage_of_lambda_is_recorded_and_an_operators_hold_outlasts_it() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    faults.rule(Ses, "SendEmail").error(400, "AccountSuspendedException", "Suspended.");
    let suspended = json!({"SendingEnabled": true, "EnforcementStatus": "SHUTDOWN"});
    faults.rule(Ses, "GetAccount").respond(200, suspended);
    let lambda = ["ListEventSourceMappings", "UpdateEventSourceMapping"];
    for operation in lambda {
        faults.rule(Lambda, operation).error(500, "ServiceException", "down");
    }
    let (attempted, waiting) = (job(), job());

    with_faults(&stack, &faults, async || {
        stack.enqueue(attempted.0.clone()).await;
        eventually("a hold", async || {
            let holds = registrar(&stack, &["holds"]).await;
            holds.out.contains("suspended").then_some(())
        })
        .await;
        // The event source is still on, and the worker returns its batch without an attempt.
        stack.enqueue(waiting.0.clone()).await;
        stack.wait_until_job_is_postponed(&waiting.1, Duration::from_mins(20)).await;
        assert_eq!(faults.sends().len(), 1, "only the first job was attempted");
        // SES's report is recorded, so that its end ends the hold.
        assert_eq!(stack.run_hold_watch().await["emails_held"], true);

        registrar(&stack, &["hold", "--reason", "looking into it"]).await.expect(0, &[]);
        faults.lift_all();
        for _ in 0..2 {
            assert_eq!(stack.run_hold_watch().await["emails_held"], true, "an operator's hold");
        }
        let holds = registrar(&stack, &["holds"]).await;
        holds.expect(0, &["looking into it", "event source  off"]).expect_without("suspended");
        let released = registrar(&stack, &["release"]).await;
        released.expect(0, &["ended:", "looking into it"]);
    })
    .await;
}

/// A rate that was high before a release holds nothing, and the local AWS keeps the time of an alarm in whole seconds.
async fn wait_until_the_second_of_the_last_release_is_over(stack: &DeployedStack) {
    let holds = registrar(stack, &["holds", "--json"]).await;
    let holds: Value = serde_json::from_str(&holds.expect(0, &[]).out).expect("it is JSON");
    let Some(released_at) = holds["holds"]["released_at"].as_str() else { return };
    let released_at = OffsetDateTime::parse(released_at, &Rfc3339).expect("it is a time");
    eventually("the next second", async || {
        (OffsetDateTime::now_utc() > released_at + Duration::from_secs(1)).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn high_rate_of_enough_events_holds_sending_until_it_ends_or_an_operator_releases() {
    let stack = DeployedStack::exclusive().await;
    let alarm = |name: &str| stack.description.function_environment[name].clone();
    let (bounces, complaints) = (alarm("BOUNCE_RATE_ALARM"), alarm("COMPLAINT_RATE_ALARM"));
    let (many_bounces, many_complaints) =
        (alarm("BOUNCE_COUNT_ALARM"), alarm("COMPLAINT_COUNT_ALARM"));

    let alarms = async {
        wait_until_the_second_of_the_last_release_is_over(&stack).await;
        stack.set_alarm_state(&bounces, "ALARM").await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], false, "one bounce is not enough");
        stack.set_alarm_state(&many_bounces, "ALARM").await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], true);
        registrar(&stack, &["holds"]).await.expect(0, &["bounce rate", "event source  off"]);
        stack.set_alarm_state(&many_bounces, "OK").await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], true, "the rate is as high");
        stack.set_alarm_state(&bounces, "OK").await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], false);

        stack.set_alarm_state(&many_complaints, "ALARM").await;
        stack.set_alarm_state(&complaints, "ALARM").await;
        assert_eq!(stack.run_hold_watch().await["emails_held"], true);
        registrar(&stack, &["release"]).await.expect(0, &["complaint rate"]);
        assert_eq!(stack.run_hold_watch().await["emails_held"], false, "released during the alarm");
        stack.set_alarm_state(&complaints, "OK").await;
        registrar(&stack, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    };
    let outcome = AssertUnwindSafe(alarms).catch_unwind().await;
    for alarm in [&bounces, &many_bounces, &complaints, &many_complaints] {
        stack.set_alarm_state(alarm, "OK").await;
    }
    with_release(&stack, async { outcome.unwrap_or_else(|panic| resume_unwind(panic)) }).await;
}

/// How long a worker may still start attempts after a hold: until it reads the record again, and the time limit of that
/// read. And how long an attempt takes to arrive.
const STOPS_WITHIN: Duration = Duration::from_secs(5 + 3 + 2);

/// Waits until no worker has a job of this backlog, and one at least was given back for a hold. Returns the number of
/// jobs on the queue.
async fn wait_until_given_back(stack: &DeployedStack, backlog: &Backlog) -> usize {
    // Longer than the queue's visibility timeout, which hides a job that a worker has.
    let given_back = |hidden: Duration| hidden > Duration::from_mins(10);
    // A batch that was received just before the event source was turned off may reach no worker. It stays hidden for the
    // visibility timeout of six minutes.
    within(Duration::from_mins(7), "the end of the batches", async || {
        let queued = stack.queued_messages(&backlog.tag).await;
        let hidden: Vec<_> = queued.iter().filter_map(QueuedMessage::hidden_for).collect();
        let done = !hidden.is_empty() && hidden.into_iter().all(given_back);
        done.then_some(queued.len())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn hold_during_a_batch_stops_it_within_seconds() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let backlog = Backlog::of(20);
    // One email in 2 seconds per worker: a batch of ten takes 20.
    let slowly = [("SEND_LIMIT", "60"), ("WORKER_BATCH_SIZE", "10")];
    let worker = stack.output("EmailWorkerFunctionName");
    let sends = || {
        let mut sends = faults.sends();
        sends.retain(|send| send.mentions(&backlog.tag));
        sends
    };

    with_faults(&stack, &faults, async || {
        stack
            .with_environment(worker, &slowly, async || {
                backlog.enqueue(&stack).await;
                eventually("the first email", async || sends().first().map(|_| ())).await;
                registrar(&stack, &["hold", "--reason", "wrong text"])
                    .await
                    .expect(0, &["wrong text", "within seconds"]);
                let held_at = SystemTime::now();
                let left = wait_until_given_back(&stack, &backlog).await;
                let sent = sends();
                assert_eq!(sent.len() + left, backlog.jobs.len());
                let last = sent.iter().map(|send| send.at).max().unwrap();
                assert!(last < held_at + STOPS_WITHIN, "an attempt {last:?} after {held_at:?}");
                assert!(sent.iter().all(Exchange::was_done), "each attempt was settled");
            })
            .await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn provider_that_rejects_every_email_is_held_after_a_few_dead_letters() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    faults.rule(Ses, "SendEmail").error(400, "MessageRejected", "The sender is broken.");
    let backlog = Backlog::of(40);
    let after = job();

    with_faults(&stack, &faults, async || {
        backlog.enqueue(&stack).await;
        eventually("a hold", async || {
            let holds = registrar(&stack, &["holds"]).await;
            holds.out.contains("rejects one email after the other").then_some(())
        })
        .await;
        let left = wait_until_given_back(&stack, &backlog).await;
        let letters = stack.take_dead_letters(&backlog.tag).await;
        assert_eq!(letters.len() + left, backlog.jobs.len());
        // Two workers, each with nine before its breaker opens.
        assert!(letters.len() <= 2 * 9, "{} dead letters", letters.len());
        assert!(letters.iter().all(|letter| letter.attribute("error_code") == "MessageRejected"));
        // SES reports no obstacle, and the hold does not end at once for that.
        assert_eq!(stack.run_hold_watch().await["emails_held"], true);

        faults.lift_all();
        registrar(&stack, &["release"]).await.expect(0, &["rejects one email after the other"]);
        stack.enqueue(after.0.clone()).await;
        stack.wait_for_email_to(&after.1).await;
    })
    .await;
}
