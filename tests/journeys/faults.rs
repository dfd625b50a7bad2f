//! Faults on the way between the worker and AWS, for a whole backlog at a time. Whatever happens, in
//! the end every job was sent once or is a dead letter with its reason, and the limit was kept.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use journeys::{
    World,
    backlog::Backlog,
    eventually,
    faults::{
        Faults, NewRule, Passed, Rule,
        Service::{DynamoDb, Ses},
    },
    outside::QueuedMessage,
    processes::{self, Kill},
    verdict::{Limit, books_are_right},
};
use tokio::time::sleep;

/// A claim ends so long after its invocation began, and 30 s: the shortest that leaves room for ten
/// emails, an attempt's timeout and two seconds to close.
const TIMEOUT: u64 = 15;

/// Longer than any journey needs a message to be hidden, so that none comes back by itself.
const HIDDEN_BY_DEFAULT: Duration = Duration::from_mins(6);

/// Just longer than an invocation may take: what a killed worker had comes back soon.
const HIDDEN_BRIEFLY: Duration = Duration::from_secs(TIMEOUT + 1);

/// A window that a backlog nearly fills (37 of 40, in a calm run): by the one that is deployed, a
/// journey would have to send hundreds of emails before there was anything to find.
fn limit() -> Limit {
    Limit { sends: "40".to_owned(), window_seconds: "4".to_owned() }
}

/// A journey: the worker is pointed at the proxy, the storm enqueues the backlog and does its worst,
/// and then the books and the limit are judged. Returns the jobs that were sent twice because it
/// could not be avoided.
async fn survives(
    backlog: Backlog,
    hidden: Duration,
    storm: impl AsyncFnOnce(&World, &Faults, &Backlog) -> Vec<Kill>,
) -> Vec<String> {
    let world = World::open_alone().await;
    let faults = Faults::before(&world.stack.endpoint);
    let limit = limit();
    let through_the_proxy = |configuration: &mut serde_json::Value| {
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
        let kills = storm(&world, &faults, &backlog).await;
        let twice = books_are_right(&world, &faults, &backlog, &kills).await;
        limit.was_kept(&faults.sends());
        twice
    };
    let worker = world.stack.output("EmailWorkerFunctionName");
    world
        .with_visibility_timeout(world.stack.output("EmailQueueUrl"), hidden, async || {
            world.with_configuration(worker, through_the_proxy, meanwhile).await
        })
        .await
}

/// Waits until a worker has put off so many of the jobs, or has done with them.
async fn put_off(world: &World, backlog: &Backlog, at_least: usize) {
    eventually(&format!("{at_least} jobs put off"), async || {
        let queued = world.queued(&backlog.tag).await;
        let off = queued.iter().filter_map(QueuedMessage::hidden_for);
        let off = off.filter(|hidden| *hidden <= Duration::from_mins(1)).count();
        (off >= at_least).then_some(())
    })
    .await;
}

/// Waits for the first request that a rule is applied to.
async fn caught(what: &str, rule: &Rule) -> Passed {
    eventually(what, async || rule.caught().into_iter().next()).await
}

/// SES is down for all of the backlog, in every way: it refuses connections, keeps silent, cuts them,
/// answers nonsense and 500s; and is back when every job has met it once. What was certainly not
/// sent comes back after half a minute, and what may have been, after its claim.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_backlog_outlives_the_provider_and_is_sent_when_it_is_back() {
    let backlog = Backlog::of(40).with_hopeless();
    let twice = survives(backlog, HIDDEN_BY_DEFAULT, async |world, faults, backlog| {
        let send = || faults.rule(Ses, "SendEmail");
        faults.close(Ses).await;
        send().up_to(2).silence();
        send().up_to(6).cut();
        send().up_to(6).garbage();
        send().error(500, "InternalFailure", "SES is down.");
        backlog.enqueue(world).await;
        put_off(world, backlog, 8).await;
        faults.open(Ses).await;
        put_off(world, backlog, backlog.sendable()).await;
        assert!(world.emails_mentioning(&backlog.tag).await.is_empty(), "SES was not down");
        faults.lift_all();
        Vec::new()
    })
    .await;
    assert!(twice.is_empty(), "nothing had been accepted, and yet {twice:?}");
}

/// SES takes nothing for its rate, and then throttles in a second burst a share of what comes back.
/// A batch that is throttled stops: of the first burst, most jobs never see anything.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_throttled_batch_stops_and_backs_off() {
    let backlog = Backlog::of(40).with_hopeless();
    let twice = survives(backlog, HIDDEN_BY_DEFAULT, async |world, faults, backlog| {
        let throttle = |rule: NewRule<'_>| {
            rule.error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
        };
        let first = throttle(faults.rule(Ses, "SendEmail"));
        backlog.enqueue(world).await;
        put_off(world, backlog, backlog.sendable()).await;
        first.lift();
        let throttled = first.caught();
        assert!(throttled.len() <= backlog.sendable() / 2, "{} attempts", throttled.len());

        let second = throttle(faults.rule(Ses, "SendEmail").up_to(10).share(0.2, 3));
        eventually("an end of the storm", async || {
            (faults.sends().len() >= throttled.len() + backlog.sendable()).then_some(())
        })
        .await;
        assert!(!second.caught().is_empty(), "there was no second burst");
        for throttled in throttled.iter().chain(&second.caught()) {
            backed_off(faults, throttled).await;
        }
        Vec::new()
    })
    .await;
    assert!(twice.is_empty(), "nothing was accepted twice, and yet {twice:?}");
}

/// Its job is tried again, and not before the first back-off, with all of its jitter, is over.
async fn backed_off(faults: &Faults, throttled: &Passed) {
    let again = eventually("another attempt", async || {
        let sends = faults.sends().into_iter();
        let mut later = sends.filter(|send| send.at > throttled.at);
        later.find(|send| send.job_id == throttled.job_id)
    })
    .await;
    let after = again.at.duration_since(throttled.at).expect("it is later");
    assert!(after >= Duration::from_secs(22), "tried again after {after:?}");
}

/// DynamoDB refuses a share of the worker's calls, before it has done anything and after it has done
/// everything, and is slow to answer others.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_throttled_ledger_costs_time_and_no_email() {
    let backlog = Backlog::of(40).with_hopeless();
    let twice = survives(backlog, HIDDEN_BY_DEFAULT, async |world, faults, backlog| {
        // About as many as there are when every job is claimed, and few enough that a job which was
        // given back for it is let through the next time.
        let call = || faults.rule(DynamoDb, "UpdateItem").up_to(60);
        let rules = [
            call().share(0.3, 1).delay(Duration::from_millis(300)),
            // Longer than the worker waits: done, and not heard of.
            call().share(0.1, 2).after().delay(Duration::from_millis(2_500)),
            call().share(0.3, 3).error(
                400,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
            ),
            call().share(0.2, 4).after().error(400, "ThrottlingException", "Rate exceeded."),
        ];
        backlog.enqueue(world).await;
        for rule in &rules {
            caught("a call that met the fault", rule).await;
        }
        Vec::new()
    })
    .await;
    assert!(twice.is_empty(), "a ledger that is slow to answer is no excuse: {twice:?}");
}

/// Messages whose deletion is lost after their emails were sent. Lambda's poller deletes a message by
/// the receipt that it was delivered with. The queue here hides messages for less time than a batch
/// takes, so that it delivers them again meanwhile, with another receipt, and the deletion by the
/// first one deletes nothing: as where the call never reached SQS, there is a message of a job that
/// was sent, and somebody will be given it.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_message_whose_deletion_is_lost_is_not_sent_again() {
    let backlog = Backlog::of(40);
    let twice = survives(backlog, Duration::from_secs(1), async |world, faults, backlog| {
        // Some are delivered again just when the ledger knows, and their workers do not know that yet.
        let sent = faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sent"}"#);
        sent.share(0.2, 5).after().delay(Duration::from_millis(1_500));
        backlog.enqueue(world).await;
        eventually("ten jobs delivered again after they were sent", async || {
            (delivered_again(&faults.passed()) >= 10).then_some(())
        })
        .await;
        Vec::new()
    })
    .await;
    assert!(twice.is_empty(), "the ledger knew of {twice:?}");
}

/// The jobs that somebody asked the ledger for after it had been told that they were sent.
fn delivered_again(passed: &[Passed]) -> usize {
    let mut sent = HashSet::new();
    let mut again = HashSet::new();
    for write in passed.iter().filter(|passed| passed.operation == "UpdateItem") {
        if write.marks_sent() && write.was_done() {
            sent.insert(&write.job_id);
        } else if sent.contains(&write.job_id) {
            again.insert(&write.job_id);
        }
    }
    again.len()
}

/// The worker is killed ten times while there is work: where it matters most, each side of a claim,
/// of an email, and of telling the ledger; and at random. An email is sent twice only where its
/// worker died between the provider's yes and the ledger's write.
#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_worker_killed_ten_times_loses_nothing() {
    let backlog = Backlog::of(60).with_hopeless();
    let twice = survives(backlog, HIDDEN_BRIEFLY, async |world, faults, backlog| {
        let claim = || faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sending"}"#);
        let send = || faults.rule(Ses, "SendEmail");
        let told = || faults.rule(DynamoDb, "UpdateItem").mentioning(r#"{"S":"sent"}"#);
        let points = [send().after(), claim(), told().after(), send(), claim().after(), told()];
        backlog.enqueue(world).await;
        let mut kills = Vec::new();
        for point in points {
            let rule = point.up_to(1).silence();
            let held = caught("a worker at that point", &rule).await;
            kills.extend(processes::kill(held.process.expect("it waits for an answer")));
        }
        let mut random = Rng::with_seed(7);
        while kills.len() < 10 {
            sleep(Duration::from_millis(random.u64(50..500))).await;
            kills.extend(processes::kill(at_work(faults).await));
        }
        kills
    })
    .await;
    assert!(!twice.is_empty(), "a worker was killed between an email and the ledger");
}

/// The process of the next email or claim.
async fn at_work(faults: &Faults) -> u32 {
    let since = SystemTime::now();
    eventually("a worker at work", async || {
        let passed = faults.passed().into_iter().rev();
        let mut at_work = passed.take_while(|passed| passed.at >= since);
        at_work.find_map(|passed| passed.process)
    })
    .await
}
