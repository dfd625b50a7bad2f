//! Faults between the worker and AWS, with a whole backlog on the queue. After each of them every job must have been
//! sent once or be a dead letter with its reason, and the limit must have been kept.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use journeys::{
    DeployedStack,
    backlog::Backlog,
    emulator::QueuedMessage,
    eventually,
    faults::{
        Exchange, Faults, NewRule, Rule,
        Service::{DynamoDb, Ses},
    },
    processes::{self, Kill},
    verdict::{Limit, assert_sent_or_dead},
};
use tokio::time::sleep;

/// The worker's timeout, in seconds. It is the shortest that leaves room for ten emails, the timeout of an attempt, and
/// 9.5 s to close. A claim ends 30 s after the deadline of its invocation.
const TIMEOUT: u64 = 23;

/// A visibility timeout that does not end during a journey.
const LONG_VISIBILITY_TIMEOUT: Duration = Duration::from_mins(6);

/// A visibility timeout just longer than an invocation, so that the messages of a killed worker are visible soon.
const SHORT_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(TIMEOUT + 1);

/// A limit that a backlog almost reaches (37 of 40 in a window, without faults). With the deployed limit, a journey
/// would have to send hundreds of emails before a mistake could show.
fn limit() -> Limit {
    Limit { sends: "40".to_owned(), window_seconds: "4".to_owned() }
}

/// Runs `inject` while the worker uses the proxy. `inject` enqueues the backlog and injects faults. Afterwards, fails
/// unless every job has its expected result and the limit was kept. Returns the jobs that were sent twice with an
/// excuse.
async fn run_with_faults(
    backlog: Backlog,
    visibility_timeout: Duration,
    inject: impl AsyncFnOnce(&DeployedStack, &Faults, &Backlog) -> Vec<Kill>,
) -> Vec<String> {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let limit = limit();
    let use_proxy = |configuration: &mut serde_json::Value| {
        let timeout = TIMEOUT.to_string();
        configuration["Timeout"] = TIMEOUT.into();
        let paced = [
            ("SEND_LIMIT", limit.sends.as_str()),
            ("SEND_WINDOW_SECONDS", &limit.window_seconds),
            ("WORKER_BATCH_SIZE", "10"),
            ("WORKER_TIMEOUT_SECONDS", &timeout),
        ];
        for (name, value) in faults.environment().into_iter().chain(paced) {
            configuration["Environment"]["Variables"][name] = value.into();
        }
    };
    let meanwhile = async || {
        let kills = inject(&stack, &faults, &backlog).await;
        let sent_twice = assert_sent_or_dead(&stack, &faults, &backlog, &kills).await;
        limit.assert_kept(&faults.sends());
        sent_twice
    };
    let worker = stack.output("EmailWorkerFunctionName");
    stack
        .with_visibility_timeout(stack.output("EmailQueueUrl"), visibility_timeout, async || {
            stack.with_configuration(worker, use_proxy, meanwhile).await
        })
        .await
}

/// Waits until workers have returned at least this many of the jobs.
async fn wait_until_postponed(stack: &DeployedStack, backlog: &Backlog, at_least: usize) {
    eventually(&format!("{at_least} jobs returned"), async || {
        let queued = stack.queued_messages(&backlog.tag).await;
        let hidden = queued.iter().filter_map(QueuedMessage::hidden_for);
        // A message that a worker has not returned yet is hidden for almost `LONG_VISIBILITY_TIMEOUT`.
        let postponed = hidden.filter(|hidden| *hidden <= Duration::from_mins(4)).count();
        (postponed >= at_least).then_some(())
    })
    .await;
}

/// Waits for the first request that a rule applies to.
async fn wait_for_caught(what: &str, rule: &Rule) -> Exchange {
    eventually(what, async || rule.caught().into_iter().next()).await
}

/// SES is down in every way: it refuses connections, is unavailable, gives no response, cuts connections, and responds
/// with garbage and with status 500. It is up again when every job has been attempted once. Jobs that were certainly not
/// sent are retried after half a minute, and others after two minutes.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn backlog_during_an_outage_of_ses_is_sent_after_it() {
    let backlog = Backlog::of(40).with_poison();
    let sent_twice =
        run_with_faults(backlog, LONG_VISIBILITY_TIMEOUT, async |stack, faults, backlog| {
            let send = || faults.rule(Ses, "SendEmail");
            faults.close(Ses).await;
            send().up_to(2).silence();
            send().up_to(6).cut();
            send().up_to(6).garbage();
            send().up_to(6).error(503, "ServiceUnavailable", "SES is unavailable.");
            send().error(500, "InternalFailure", "SES is down.");
            backlog.enqueue(stack).await;
            wait_until_postponed(stack, backlog, 8).await;
            faults.open(Ses).await;
            wait_until_postponed(stack, backlog, backlog.sendable()).await;
            assert!(stack.emails_mentioning(&backlog.tag).await.is_empty(), "SES was not down");
            faults.lift_all();
            Vec::new()
        })
        .await;
    assert!(sent_twice.is_empty(), "nothing was accepted during the outage: {sent_twice:?}");
}

/// SES first throttles everything, and later a share of the retries. A worker stops sending a batch that is throttled,
/// so that in the first burst most jobs are never attempted.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn throttled_batch_is_stopped_and_retried_after_a_backoff() {
    let backlog = Backlog::of(40).with_poison();
    let sent_twice =
        run_with_faults(backlog, LONG_VISIBILITY_TIMEOUT, async |stack, faults, backlog| {
            let throttle = |rule: NewRule<'_>| {
                rule.error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
            };
            let first = throttle(faults.rule(Ses, "SendEmail"));
            backlog.enqueue(stack).await;
            wait_until_postponed(stack, backlog, backlog.sendable()).await;
            first.lift();
            let throttled = first.caught();
            assert!(throttled.len() <= backlog.sendable() / 2, "{} attempts", throttled.len());

            let second = throttle(faults.rule(Ses, "SendEmail").up_to(10).share(0.2, 3));
            eventually("the second burst to be over", async || {
                (faults.sends().len() >= throttled.len() + backlog.sendable()).then_some(())
            })
            .await;
            assert!(!second.caught().is_empty(), "there was no second burst");
            for throttled in throttled.iter().chain(&second.caught()) {
                assert_backed_off(faults, throttled).await;
            }
            Vec::new()
        })
        .await;
    assert!(sent_twice.is_empty(), "throttling is not an excuse: {sent_twice:?}");
}

/// Fails unless the job is retried, and not before the shortest first back-off is over.
async fn assert_backed_off(faults: &Faults, throttled: &Exchange) {
    let again = eventually("a retry", async || {
        let sends = faults.sends().into_iter();
        let mut later = sends.filter(|send| send.at > throttled.at);
        later.find(|send| send.job_id == throttled.job_id)
    })
    .await;
    let after = again.at.duration_since(throttled.at).expect("it is later");
    assert!(after >= Duration::from_secs(22), "retried after {after:?}");
}

/// DynamoDB refuses a share of the worker's calls, before or after it has carried them out, and responds slowly to
/// others.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn throttled_ledger_delays_emails_and_loses_none() {
    let backlog = Backlog::of(40).with_poison();
    let sent_twice =
        run_with_faults(backlog, LONG_VISIBILITY_TIMEOUT, async |stack, faults, backlog| {
            // About as many calls as it takes to claim every job. After them, jobs that were returned meet no fault.
            let call = || faults.rule(DynamoDb, "UpdateItem").up_to(60);
            let rules = [
                call().share(0.3, 1).delay(Duration::from_millis(300)),
                // Longer than the worker waits: carried out, and the response is lost.
                call().share(0.1, 2).after().delay(Duration::from_millis(2_500)),
                call().share(0.3, 3).error(
                    400,
                    "ProvisionedThroughputExceededException",
                    "The level of configured provisioned throughput for the table was exceeded.",
                ),
                call().share(0.2, 4).after().error(400, "ThrottlingException", "Rate exceeded."),
            ];
            backlog.enqueue(stack).await;
            for rule in &rules {
                wait_for_caught("a call that met the fault", rule).await;
            }
            Vec::new()
        })
        .await;
    assert!(sent_twice.is_empty(), "a slow ledger is not an excuse: {sent_twice:?}");
}

/// The deletion of messages is lost after their emails were sent. Lambda's poller deletes a message by the receipt
/// handle of its receive. Here the visibility timeout is shorter than a batch takes, so that SQS delivers the message
/// again with another receipt handle, and a deletion by the first one has no effect. As after a deletion that never
/// reached SQS, the queue still has a message for a job that was sent.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn message_whose_deletion_was_lost_is_not_sent_again() {
    let backlog = Backlog::of(40);
    let sent_twice =
        run_with_faults(backlog, Duration::from_secs(1), async |stack, faults, backlog| {
            // Some are delivered again after the ledger has them as sent and before their workers have the response.
            let sent = faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sent"}"#);
            sent.share(0.2, 5).after().delay(Duration::from_millis(1_500));
            backlog.enqueue(stack).await;
            eventually("ten jobs delivered again after they were sent", async || {
                (redelivered_after_sent(&faults.exchanges()) >= 10).then_some(())
            })
            .await;
            Vec::new()
        })
        .await;
    assert!(sent_twice.is_empty(), "the ledger had these as sent: {sent_twice:?}");
}

/// The number of jobs that a worker tried to claim after the ledger had them as sent.
fn redelivered_after_sent(exchanges: &[Exchange]) -> usize {
    let mut sent = HashSet::new();
    let mut again = HashSet::new();
    for write in exchanges.iter().filter(|exchange| exchange.operation == "UpdateItem") {
        if write.marks_sent() && write.was_done() {
            sent.insert(&write.job_id);
        } else if sent.contains(&write.job_id) {
            again.insert(&write.job_id);
        }
    }
    again.len()
}

/// The worker is killed ten times while it works: before and after a claim, an email, and the ledger's record of it,
/// and at random. An email is sent twice only if its worker died after the provider accepted it and before the ledger
/// had it as sent.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn worker_that_is_killed_ten_times_loses_no_job() {
    let backlog = Backlog::of(60).with_poison();
    let sent_twice =
        run_with_faults(backlog, SHORT_VISIBILITY_TIMEOUT, async |stack, faults, backlog| {
            let claim = || faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sending"}"#);
            let send = || faults.rule(Ses, "SendEmail");
            let record = || faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sent"}"#);
            let points =
                [send().after(), claim(), record().after(), send(), claim().after(), record()];
            backlog.enqueue(stack).await;
            let mut kills = Vec::new();
            for point in points {
                let rule = point.up_to(1).silence();
                let waiting = wait_for_caught("a worker at that point", &rule).await;
                kills.extend(processes::kill(waiting.process.expect("it waits for a response")));
            }
            let mut random = Rng::with_seed(7);
            while kills.len() < 10 {
                sleep(Duration::from_millis(random.u64(50..500))).await;
                kills.extend(processes::kill(working_process(faults).await));
            }
            kills
        })
        .await;
    assert!(!sent_twice.is_empty(), "a worker was killed between an email and its record");
}

/// The process that sends the next request.
async fn working_process(faults: &Faults) -> u32 {
    let since = SystemTime::now();
    eventually("a worker that sends a request", async || {
        let latest_first = faults.exchanges().into_iter().rev();
        let mut recent = latest_first.take_while(|exchange| exchange.at >= since);
        recent.find_map(|exchange| exchange.process)
    })
    .await
}
