//! Batches in the in-memory world, on tokio's paused clock.

use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};

use email::{
    hold::{HoldCause, Holds, OperatorHold},
    ledger::State,
    mailer::Outcome,
    suppression::SuppressionCause,
    testing::{Row, mailer::accepted},
};
use proptest::prelude::*;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::*;
use crate::testing::world::{MIDNIGHT, World, invocation, job, message, share, world};

fn transient() -> Outcome {
    Outcome::Transient { code: "500".to_owned() }
}

fn receipt(id: &str) -> Received {
    let data = r#"{"student_name":"Ada","course_title":"Rust"}"#;
    let body = format!(
        r#"{{"v":1,"id":"{id}","to":"ada@example.com","template":"enrollment-refund","data":{data}}}"#
    );
    message(&format!("m-{id}"), &body)
}

/// A world in which the template of [`receipt`] is sent at most once.
fn cautious_world() -> World {
    World { guarantees: "enrollment-refund".parse().unwrap(), ..world() }
}

/// An hour after midnight, so that claims which end at midnight are over.
async fn handle(world: &World, batch: Vec<Received>) -> Vec<String> {
    handle_at(world, MIDNIGHT + Duration::from_hours(1), batch).await
}

/// Each invocation has an id of its own, as in Lambda: the same one would find its own claims.
async fn handle_at(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> Vec<String> {
    thread_local! { static INVOCATIONS: Cell<u32> = const { Cell::new(0) } }
    let id = format!("request-{}", INVOCATIONS.replace(INVOCATIONS.get() + 1));
    world.handle(&invocation(&id, share(), now, Duration::from_mins(1)), batch).await
}

/// A delay of which jitter may take a quarter.
fn is_about(delay: Duration, seconds: u64) -> bool {
    let full = Duration::from_secs(seconds);
    full.mul_f64(0.75) <= delay && delay <= full
}

#[tokio::test(start_paused = true)]
async fn a_good_batch_is_sent_at_the_shares_pace() {
    let sends = Arc::new(Mutex::new(Vec::new()));
    let seen = sends.clone();
    let world = world().deciding(move |_| {
        seen.lock().unwrap().push(Instant::now());
        accepted()
    });
    let began = Instant::now();
    let failures = handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
    assert!(failures.is_empty());
    let sends = sends.lock().unwrap();
    assert_eq!(sends.len(), 20);
    for (n, at) in (1_u32..).zip(sends.iter()) {
        let due = share().interval() * n;
        let late = at.duration_since(began).checked_sub(due);
        assert!(late.is_some_and(|late| late < Duration::from_millis(50)), "send {n}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_job_becomes_a_dead_letter_and_the_others_are_sent() {
    let world = world();
    let batch = vec![job("a"), message("m-poison", "{"), job("b")];
    assert!(handle(&world, batch).await.is_empty());
    assert_eq!(world.sent(), ["a", "b"]);
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!((letter.sqs_message_id.as_str(), letter.job_id.as_ref()), ("m-poison", None));
    let reason = Reason::new("malformed_job", "the body is not JSON (line 1, column 1)");
    assert_eq!((&letter.reason, letter.attempts.count), (&reason, 1));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_sent_once_and_both_messages_share_its_verdict() {
    let world = world().answering("b", transient());
    let again = |id: &str| Received { sqs_message_id: format!("again-{id}"), ..job(id) };
    let batch = vec![job("a"), again("a"), job("b"), again("b")];
    let mut failures = handle(&world, batch).await;
    failures.sort();
    assert_eq!(world.sent(), ["a", "b"]);
    assert_eq!(failures, ["again-b", "m-b"]);
    assert!(handle(&world, vec![again("a")]).await.is_empty(), "acknowledged");
    assert_eq!(world.sent(), ["a", "b"], "a redelivery uses no permit");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_rendered_uses_no_permit() {
    let unknown = r#"{"v":1,"id":"x","to":"ada@example.com","template":"novel","data":{}}"#;
    let world = world();
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters()[0].reason.code, "unknown_template");
    assert_eq!(world.row("x").state, State::Failed);
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters().len(), 1, "kept once");
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_another_worker_has_claimed_comes_back_soon_or_when_that_claim_ends() {
    let now = MIDNIGHT + Duration::from_hours(1);
    for (left, least, most) in [(90, 20, 20), (15, 15, 15)] {
        let world = world();
        let row = Row::claimed("another's", MIDNIGHT, now + Duration::from_secs(left));
        world.ledger.rows().insert("a", row);
        assert_eq!(handle_at(&world, now, vec![job("a")]).await, ["m-a"]);
        let delay = world.delays()["m-a"];
        assert!((least..=most).contains(&delay.as_secs()), "{delay:?}");
        assert!(world.sent().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_or_hold_stops_the_batch_and_the_rest_counts_no_attempt() {
    for (outcome, least) in
        [(Outcome::Throttled, retry::FIRST_DELAY), (Outcome::Held(HoldCause::DailyQuota), HELD_FOR)]
    {
        let world = world().answering("1", outcome);
        let failures = handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
        assert_eq!(world.sent(), ["0", "1"]);
        assert_eq!(failures.len(), 19);
        for (id, delay) in world.delays() {
            let least = if id == "m-1" { least.mul_f64(0.75) } else { least };
            assert!(least <= delay && delay <= least * 2, "{id}: {delay:?}");
        }
        assert_eq!(world.row("1").attempts, 1);
        for (id, row) in world.ledger.rows().iter() {
            assert!(id <= "1" || row.attempts == 0, "{id} counts as tried");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_given_back_together_do_not_come_back_together() {
    let world = world().answering("0", Outcome::Throttled);
    handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
    let mut delays: Vec<Duration> = world.delays().into_values().collect();
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 15, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_throttled_repeatedly_backs_off_further() {
    let world = world().answering("a", Outcome::Throttled);
    for delay in [30, 60, 120, 240] {
        handle(&world, vec![job("a")]).await;
        assert!(is_about(world.delays()["m-a"], delay), "{:?}", world.delays());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_every_email_holds_once_and_nothing_is_tried_until_the_release() {
    let world = world().answering("0", Outcome::Held(HoldCause::SendingPaused));
    for _ in 0..3 {
        let failures = handle(&world, vec![job("0"), job("1")]).await;
        assert_eq!(failures.len(), 2);
    }
    assert_eq!(world.sent(), ["0"], "the second batch and the third were not tried");
    assert_eq!(world.event_source.turns(), [false]);
    let machine = world.holds.now().machine.unwrap();
    assert_eq!(machine.cause, HoldCause::SendingPaused);
    assert!(world.delays().values().all(|&delay| delay >= HELD_FOR));

    world.holds.set(Holds::default());
    assert!(handle(&world, vec![job("1")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operators_hold_stops_the_next_batch() {
    let world = world();
    let reason = "wrong template".to_owned();
    let operator = Some(OperatorHold { reason, since: MIDNIGHT });
    world.holds.set(Holds { operator, ..Holds::default() });
    assert_eq!(handle(&world, vec![job("0")]).await, ["m-0"]);
    assert!(world.sent().is_empty());
    assert!(world.ledger.rows().is_empty(), "not even claimed");
}

#[tokio::test(start_paused = true)]
async fn if_the_holds_cannot_be_read_jobs_are_tried_and_a_refusal_stops_the_batch() {
    let world = world().answering("1", Outcome::Held(HoldCause::DailyQuota));
    world.holds.calls.fail();
    assert_eq!(handle(&world, vec![job("0"), job("1")]).await, ["m-1"]);
    assert_eq!(world.sent(), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_released_and_backs_off_by_its_attempts() {
    let unknown = Outcome::Unknown { code: "Novel".to_owned() };
    for outcome in [transient(), unknown] {
        let world = world().answering("a", outcome);
        for (attempts, delay) in [(1, 30), (2, 60), (3, 120)] {
            assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
            assert_eq!(world.row("a").attempts, attempts);
            assert!(is_about(world.delays()["m-a"], delay), "{:?}", world.delays());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_with_many_receives_comes_back_rarely() {
    let world = world().answering("a", Outcome::Throttled);
    let batch = ["a", "b"].map(|id| Received { receives: 500, ..job(id) });
    assert_eq!(handle(&world, batch.to_vec()).await.len(), 2);
    assert!(world.delays().values().all(|delay| *delay >= Duration::from_mins(30)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_not_tried_comes_back_soon_whatever_its_receive_count() {
    let often = Received { receives: 40, ..job("a") };
    let unclaimed = world();
    unclaimed.ledger.calls.fail_operations(&["claim"]);
    let unknown = world();
    unknown.suppressions.calls.fail();
    for world in [unclaimed, unknown] {
        assert_eq!(handle(&world, vec![often.clone()]).await, ["m-a"]);
        assert!(is_about(world.delays()["m-a"], 30), "{:?}", world.delays());
    }
}

#[tokio::test(start_paused = true)]
async fn a_suppressed_recipient_uses_no_permit() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty());
    assert_eq!(world.letters()[0].reason.code, "suppressed");
    assert_eq!(world.row("a").state, State::Failed);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_suppressions_cannot_be_read() {
    let world = world();
    world.suppressions.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert!(world.sent().is_empty());
    assert_eq!(world.row("a").attempts, 0, "it does not count as tried");
    world.suppressions.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_most_once_an_attempt_without_an_answer_is_parked() {
    let world = cautious_world().answering("a", Outcome::Ambiguous);
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.letters()[0].reason.code, "outcome_unknown");
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_a_job_whose_worker_died_in_its_attempt_is_parked() {
    let world = cautious_world();
    let began = MIDNIGHT + Duration::from_hours(1);
    let first = invocation("first", share(), began, Duration::from_mins(1));
    {
        let mut dying = Box::pin(world.handle(&first, vec![receipt("a")]));
        while world.sent().is_empty() {
            assert!(futures_util::poll!(dying.as_mut()).is_pending());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
    assert!(world.row("a").announced.is_some());
    // While its claim is in force, its death is unknown.
    assert_eq!(handle_at(&world, began, vec![receipt("a")]).await, ["m-a"]);
    let later = began + Duration::from_mins(2);
    assert!(handle_at(&world, later, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.sent(), ["a"], "not sent again");
    assert_eq!(world.letters()[0].attempts.count, 2);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_a_job_whose_worker_died_waiting_for_a_permit_is_sent() {
    let world = cautious_world();
    let began = MIDNIGHT + Duration::from_hours(1);
    let first = invocation("first", share(), began, Duration::from_mins(1));
    {
        let mut dying = Box::pin(world.handle(&first, vec![receipt("a")]));
        while world.ledger.rows().is_empty() {
            assert!(futures_util::poll!(dying.as_mut()).is_pending());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
    assert!(world.sent().is_empty());
    let later = began + Duration::from_mins(2);
    assert!(handle_at(&world, later, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_a_certain_failure_is_retried() {
    let world = cautious_world().answering("a", transient());
    for _ in 0..2 {
        assert_eq!(handle(&world, vec![receipt("a")]).await, ["m-a"]);
    }
    assert_eq!(world.sent(), ["a", "a"]);
    assert!(world.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_most_once_nothing_is_sent_without_an_announcement() {
    let world = cautious_world();
    world.ledger.calls.fail_operations(&["announce"]);
    assert_eq!(handle(&world, vec![receipt("a"), job("b")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["b"], "a job that is sent at least once needs no announcement");
    assert_eq!(world.row("a").attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_a_job_that_cannot_be_parked_yet_is_not_sent() {
    let world = cautious_world().answering("a", Outcome::Ambiguous);
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![receipt("a")]).await, ["m-a"]);
    let later = MIDNIGHT + Duration::from_hours(2);
    assert_eq!(handle_at(&world, later, vec![receipt("a")]).await, ["m-a"]);
    world.dead_letters.calls.succeed();
    let later = MIDNIGHT + Duration::from_hours(3);
    assert!(handle_at(&world, later, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_attempt_keeps_its_claim_until_it_ends() {
    let world = world().answering("a", Outcome::Ambiguous);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    let delay = world.delays()["m-a"];
    assert!(delay > Duration::from_mins(1) && delay <= Duration::from_secs(90), "{delay:?}");
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["a"], "not tried while the claim is in force");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_job_is_kept_with_its_reason() {
    let reason = Reason::new("MessageRejected", "Address blacklisted.");
    let world = world().answering("a", Outcome::Rejected(reason.clone()));
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"], "not lost while nothing can keep it");
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!((letter.job_id.as_deref(), &letter.reason), (Some("a"), &reason));
    assert_eq!(letter.attempts.count, 2);
    assert!(letter.attempts.first_at <= letter.attempts.last_at);
    assert_eq!(world.row("a").state, State::Failed);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_a_claim() {
    let world = world();
    world.ledger.calls.fail_operations(&["claim"]);
    let failures = handle(&world, vec![job("a"), job("b")]).await;
    assert_eq!(failures.len(), 2);
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sent_email_is_acknowledged_even_if_it_cannot_be_marked() {
    let world = world();
    world.ledger.calls.fail_operations(&["mark_sent"]);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn jobs_that_cannot_start_in_time_are_given_back_at_once_and_count_no_attempt() {
    let world = world();
    let lasts = share().interval() * 3 + Duration::from_millis(100);
    let batch = (0..20).map(|n| job(&n.to_string())).collect();
    let now = MIDNIGHT + Duration::from_hours(1);
    let failures = world.handle(&invocation("request", share(), now, lasts), batch).await;
    assert_eq!(world.sent(), ["0", "1", "2"]);
    assert_eq!(failures.len(), 17);
    assert!(world.delays().values().all(Duration::is_zero));
    let rows = world.ledger.rows();
    assert!(rows.len() <= 3 + CLAIMS_AHEAD + 2, "{} were claimed", rows.len());
    assert_eq!(rows.iter().map(|(_, row)| row.attempts).sum::<i64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_back_its_own_message_only() {
    let world = world();
    assert_eq!(handle(&world, vec![job("a"), job("panic"), job("b")]).await, ["m-panic"]);
    assert_eq!(world.sent(), ["a", "panic", "b"]);
}

/// The messages of a sample event, read as the handler reads them.
fn sample(file: &std::path::Path) -> Vec<Received> {
    let event = std::fs::read_to_string(file).unwrap();
    let event: aws_lambda_events::sqs::SqsEvent = serde_json::from_str(&event).unwrap();
    event.records.into_iter().map(|record| crate::handler::received(record).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_sample_batch_is_handled() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut handled = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (sent, dead) = match name.as_str() {
            "emails" => (3, 0),
            "emails-with-poison" => (2, 1),
            "emails-with-duplicate" => (1, 0),
            _ => {
                assert!(!name.starts_with("emails"), "{name} is read by no test");
                continue;
            }
        };
        let world = world();
        assert!(handle(&world, sample(&path)).await.is_empty(), "{name}");
        assert_eq!(world.sent().len(), sent, "{name}");
        assert_eq!(world.letters().len(), dead, "{name}");
        handled += 1;
    }
    assert_eq!(handled, 3);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(accepted()),
        1 => Just(Outcome::Throttled),
        1 => Just(Outcome::Held(HoldCause::SendingPaused)),
        2 => Just(transient()),
        1 => Just(Outcome::Unknown { code: "Novel".to_owned() }),
        2 => Just(Outcome::Ambiguous),
        2 => Just(Outcome::Rejected(Reason::new("MessageRejected", "no"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every message is acknowledged or given back; an acknowledged job was accepted or is a dead letter;
    /// and a job has at most one attempt per invocation.
    #[test]
    fn nothing_is_lost(
        jobs in proptest::collection::vec((0_usize..12, outcome()), 1..40),
        dead_letters_down: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = world();
            if dead_letters_down {
                world.dead_letters.calls.fail();
            }
            let (mut batch, mut answers) = (Vec::new(), HashMap::new());
            for (n, (id, outcome)) in jobs.iter().enumerate() {
                let id = format!("job-{id}");
                let first = !answers.contains_key(&id);
                answers.entry(id.clone()).or_insert_with(|| outcome.clone());
                if first {
                    world = world.answering(&id, outcome.clone());
                }
                batch.push(Received { sqs_message_id: format!("{n}/{id}"), ..job(&id) });
            }
            let ids: Vec<String> = batch.iter().map(|m| m.sqs_message_id.clone()).collect();
            let failures = handle(&world, batch).await;
            prop_assert_eq!(failures.len(), world.delays().len());

            let mut sent = world.sent();
            let attempts = sent.len();
            sent.sort();
            sent.dedup();
            prop_assert_eq!(sent.len(), attempts, "a job had two attempts");

            for sqs_message_id in ids.iter().filter(|id| !failures.contains(id)) {
                let job_id = sqs_message_id.split_once('/').unwrap().1;
                prop_assert!(sent.iter().any(|id| id == job_id), "{} was lost", job_id);
                let done = match &answers[job_id] {
                    Outcome::Accepted { .. } => State::Sent,
                    Outcome::Rejected(_) if !dead_letters_down => State::Failed,
                    other => return Err(TestCaseError::fail(format!("{other:?} was acknowledged"))),
                };
                prop_assert_eq!(world.row(job_id).state, done);
            }
            Ok(())
        })?;
    }
}
