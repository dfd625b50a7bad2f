//! Batches in the in-memory world, on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use email::{
    feedback::{Event, Feedback, RecordFeedback},
    hold::{HoldCause, Holds, OperatorHold},
    ledger::State,
    mailer::Outcome,
    retry,
    suppression::SuppressionCause,
    testing::{Fate, MemorySuppressions, Row, mailer::accepted},
};
use proptest::prelude::*;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::*;
use crate::{
    in_progress::{HELD_FOR, MAX_FAILURES_IN_A_ROW},
    places::{CLAIMS_AHEAD, MAX_LOOKUPS},
    testing::world::{MIDNIGHT, RatesInTurn, World, invocation, job, message, share, world},
};

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

/// Handles a batch an hour after midnight, when claims that end at midnight are over.
async fn handle(world: &World, batch: Vec<Received>) -> Vec<String> {
    handle_at(world, MIDNIGHT + Duration::from_hours(1), batch).await
}

/// Each invocation has an id of its own, as in Lambda. With the same id it would hold the claims of the one before.
async fn handle_at(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> Vec<String> {
    thread_local! { static INVOCATIONS: Cell<u32> = const { Cell::new(0) } }
    let id = format!("request-{}", INVOCATIONS.replace(INVOCATIONS.get() + 1));
    world.handle(&invocation(&id, share(), now, Duration::from_mins(1)), batch).await
}

/// Whether the delay is this many seconds, less at most a quarter of jitter.
fn is_about(delay: Duration, seconds: u64) -> bool {
    let full = Duration::from_secs(seconds);
    full.mul_f64(0.75) <= delay && delay <= full
}

#[tokio::test(start_paused = true)]
async fn batch_is_sent_at_the_pace_of_the_share() {
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
async fn each_invocation_leaves_the_connections_of_the_one_before() {
    let world = world();
    for invocation in 1..4 {
        handle(&world, vec![job("a")]).await;
        assert_eq!(world.mailer.renewals(), invocation);
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_job_becomes_a_dead_letter_and_the_others_are_sent() {
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
async fn duplicate_job_is_sent_once_and_both_messages_get_the_same_verdict() {
    let world = world().answering("b", transient());
    let again = |id: &str| Received { sqs_message_id: format!("again-{id}"), ..job(id) };
    let batch = vec![job("a"), again("a"), job("b"), again("b")];
    let mut failures = handle(&world, batch).await;
    failures.sort();
    assert_eq!(world.sent(), ["a", "b"]);
    assert_eq!(failures, ["again-b", "m-b"]);
    assert!(handle(&world, vec![again("a")]).await.is_empty(), "acknowledged");
    assert_eq!(world.sent(), ["a", "b"], "the redelivery used no permit");
}

#[tokio::test(start_paused = true)]
async fn another_email_under_the_same_id_is_a_dead_letter_at_once_and_later() {
    let email = |sqs_message_id: &str, to: &str, text: &str| {
        let body = format!(
            r#"{{"v":1,"id":"w-42","to":"{to}@example.com","subject":"A","text":"{text}"}}"#
        );
        message(sqs_message_id, &body)
    };
    let (a, b) = (email("m-a", "ada", "a"), email("m-b", "bob", "b"));
    let same_recipient = email("m-c", "ada", "c");
    for outcome in [accepted(), transient(), Outcome::Ambiguous] {
        let world = world().answering("w-42", outcome.clone());
        let again = Received { sqs_message_id: "m-a2".to_owned(), ..a.clone() };
        let batch = vec![a.clone(), b.clone(), same_recipient.clone(), again];
        let returned = handle(&world, batch).await.len();
        assert_eq!(returned, if outcome == accepted() { 0 } else { 2 });
        assert_eq!(world.sent(), ["w-42"]);
        let letters = world.letters();
        let ids: Vec<_> = letters.iter().map(|letter| letter.sqs_message_id.as_str()).collect();
        assert_eq!(ids, ["m-b", "m-c"]);
        for letter in &letters {
            assert_eq!(letter.reason.code, "id_reused");
            assert_eq!(letter.job_id.as_deref(), Some("w-42"));
        }
        assert_eq!(letters[0].body, b.body);

        assert!(handle(&world, vec![b.clone()]).await.is_empty());
        assert_eq!(world.letters().len(), 3, "never acknowledged in silence");
        assert_eq!(world.sent(), ["w-42"]);
    }
}

#[tokio::test(start_paused = true)]
async fn email_under_a_reused_id_is_returned_until_it_is_a_dead_letter() {
    let world = world();
    handle(&world, vec![job("a")]).await;
    let other = message("m-b", &job("a").body.replace("Hello", "Something else"));
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![other.clone()]).await, ["m-b"]);
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![other]).await.is_empty());
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn job_whose_ledger_entry_is_of_an_earlier_version_is_sent() {
    let world = world();
    let row = Row { content: None, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("a", row);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn job_that_is_too_large_to_be_kept_with_its_reason_is_a_dead_letter_now() {
    let world = world();
    let body = job("a").body.replace("Hello", &"x".repeat(email::job::MAX_JOB_BYTES));
    assert!(handle(&world, vec![message("m-a", &body)]).await.is_empty());
    let [letter] = &world.letters()[..] else { panic!("{}", world.letters().len()) };
    assert_eq!(letter.reason.code, "job_too_large");
    assert_eq!(letter.reason.text, "the body is larger than 1040384 bytes");
    assert_eq!(letter.body, body);
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn job_id_with_dots_number_as_a_float_and_byte_order_mark_are_sent() {
    let world = world();
    let body = r#"{"v":1,"id":"receipt.42","to":"ada@example.com","subject":"Your receipt","text":"Thank you"}"#;
    let with_mark = format!("\u{feff}{}", body.replace("receipt.42", "b"));
    let float = body.replace("receipt.42", "c").replace("\"v\":1", "\"v\":1.0");
    let batch = [("m-1", body), ("m-2", &with_mark), ("m-3", &float)];
    let batch = batch.map(|(id, body)| message(id, body)).to_vec();
    assert!(handle(&world, batch).await.is_empty());
    assert_eq!(world.sent(), ["receipt.42", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn job_that_cannot_be_rendered_is_a_dead_letter_and_uses_no_permit() {
    let unknown = r#"{"v":1,"id":"x","to":"ada@example.com","template":"novel","data":{}}"#;
    let world = world();
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters()[0].reason.code, "unknown_template");
    assert_eq!(world.row("x").state, State::Failed);
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters().len(), 1, "kept once");
    assert!(world.sent().is_empty());
}

/// The jobs of an earlier release, as its producers wrote them.
fn released_jobs(file: &std::path::Path) -> Vec<Received> {
    let jobs = std::fs::read_to_string(file).unwrap();
    let jobs = jobs.lines().enumerate();
    jobs.map(|(n, body)| message(&format!("m-{n}"), body)).collect()
}

#[tokio::test(start_paused = true)]
async fn jobs_of_every_earlier_release_are_sent() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    let mut releases = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let jobs = released_jobs(&file);
        let world = world();
        assert!(handle(&world, jobs.clone()).await.is_empty(), "{file:?}");
        assert_eq!(world.sent().len(), jobs.len(), "{file:?}");
        assert!(world.letters().is_empty(), "{file:?}");
        releases += 1;
    }
    assert!(releases > 0);
}

/// Jobs that a later release may be able to send, with the reasons that this one cannot.
fn later_jobs() -> [(&'static str, Received); 4] {
    let job = |n: u8, rest: &str| {
        let body = format!(r#"{{"id":"new-{n}","to":"ada@example.com",{rest}}}"#);
        Received { first_received_at: Some(MIDNIGHT), ..message(&format!("m-{n}"), &body) }
    };
    [
        ("unknown_version", job(1, r#""v":2,"channel":"push","message":{"title":"Hi"}"#)),
        ("unknown_template", job(2, r#""v":1,"template":"novel","data":{"x":1}"#)),
        (
            "invalid_data",
            job(3, r#""v":1,"template":"enrollment-refund","data":{"student":{"name":"Ada"}}"#),
        ),
        ("unknown_version", job(4, r#""v":1.5,"subject":"s","text":"t""#)),
    ]
}

#[tokio::test(start_paused = true)]
async fn job_of_a_later_release_waits_for_half_an_hour_before_it_is_a_dead_letter() {
    for (code, first) in later_jobs() {
        let world = world();
        let (mut now, mut receives) = (MIDNIGHT, 1);
        while handle_at(&world, now, vec![Received { receives, ..first.clone() }]).await.len() == 1
        {
            assert!(world.letters().is_empty(), "{code} at {now}");
            // A new worker may claim it at once.
            assert!(world.ledger.rows().iter().all(|(_, row)| row.attempts == 0), "{code}");
            now += world.delays()[&first.sqs_message_id];
            receives += 1;
        }
        let waited = (now - MIDNIGHT).whole_seconds();
        assert!((29 * 60 + 59..=30 * 60).contains(&waited), "{code}: {waited} s");
        assert!(receives < 12, "{code}: {receives}");
        assert_eq!(world.letters()[0].reason.code, code);
        assert!(world.sent().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn job_that_no_release_can_send_is_a_dead_letter_at_once() {
    for body in ["this is not a job", "[]", "{}", r#"{"v":1,"to":"ada@example.com"}"#] {
        let world = world();
        let first = Received { first_received_at: Some(MIDNIGHT), ..message("m", body) };
        assert!(handle_at(&world, MIDNIGHT, vec![first]).await.is_empty(), "{body}");
        assert_eq!(world.letters()[0].reason.code, "malformed_job");
    }
}

#[tokio::test(start_paused = true)]
async fn job_that_another_worker_has_claimed_is_returned_until_that_claim_ends_for_20_s_at_most() {
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
async fn throttle_or_hold_stops_the_batch_and_the_rest_counts_no_attempt() {
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
            assert!(id <= "1" || row.attempts == 0, "{id} counts an attempt");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_returned_together_have_different_delays() {
    let world = world().answering("0", Outcome::Throttled);
    handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
    let mut delays: Vec<Duration> = world.delays().into_values().collect();
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 15, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn job_that_is_throttled_repeatedly_has_doubling_delays() {
    let world = world().answering("a", Outcome::Throttled);
    for delay in [30, 60, 120, 240] {
        handle(&world, vec![job("a")]).await;
        assert!(is_about(world.delays()["m-a"], delay), "{:?}", world.delays());
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_of_all_sending_holds_once_and_nothing_is_attempted_until_the_release() {
    let world = world().answering("0", Outcome::Held(HoldCause::SendingPaused));
    for _ in 0..3 {
        let failures = handle(&world, vec![job("0"), job("1")]).await;
        assert_eq!(failures.len(), 2);
    }
    assert_eq!(world.sent(), ["0"], "the second and the third batch made no attempt");
    assert_eq!(world.event_source.turns(), [false]);
    let machine = world.holds.now().machine.unwrap();
    assert_eq!(machine.cause, HoldCause::SendingPaused);
    let soonest = HELD_FOR.saturating_sub(Duration::from_secs(1));
    assert!(world.delays().values().all(|&delay| delay >= soonest));

    world.holds.set(Holds::default());
    assert!(handle(&world, vec![job("1")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn operators_hold_stops_the_next_batch() {
    let world = world();
    let reason = "wrong template".to_owned();
    let operator = Some(OperatorHold { reason, since: MIDNIGHT, until: None });
    world.holds.set(Holds { operator, ..Holds::default() });
    assert_eq!(handle(&world, vec![job("0")]).await, ["m-0"]);
    assert!(world.sent().is_empty());
    assert!(world.ledger.rows().is_empty(), "not even claimed");
}

#[tokio::test(start_paused = true)]
async fn batch_whose_holds_cannot_be_read_is_handled_until_a_refusal_stops_it() {
    let world = world().answering("1", Outcome::Held(HoldCause::DailyQuota));
    world.holds.calls.fail();
    assert_eq!(handle(&world, vec![job("0"), job("1")]).await, ["m-1"]);
    assert_eq!(world.sent(), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn transient_failure_releases_the_claim_and_backs_off_by_its_attempts() {
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

/// A job with a deadline this long after midnight.
fn code(id: &str, minutes: i64) -> Received {
    let deadline = (MIDNIGHT + time::Duration::minutes(minutes)).format(&Rfc3339).unwrap();
    let job = job(id);
    let body = job.body.replace('}', &format!(r#","deadline":"{deadline}"}}"#));
    Received { body, sent_at: Some(MIDNIGHT), ..job }
}

#[tokio::test(start_paused = true)]
async fn job_is_sent_until_its_deadline_and_is_a_dead_letter_after_it() {
    for (now, outcome) in [(9, "sent"), (10, "expired"), (13 * 24 * 60, "expired")] {
        let world = world();
        let now = MIDNIGHT + Duration::from_mins(now);
        assert!(handle_at(&world, now, vec![code("a", 10)]).await.is_empty());
        if outcome == "sent" {
            assert_eq!(world.sent(), ["a"]);
            continue;
        }
        assert!(world.sent().is_empty());
        assert_eq!(world.row("a").state, State::Failed);
        let reason = &world.letters()[0].reason;
        assert_eq!(reason.code, "expired");
        let text = "its deadline 1970-01-01T00:10:00Z has passed; no attempt was made";
        assert_eq!(reason.text, text);
    }
}

#[tokio::test(start_paused = true)]
async fn job_without_a_deadline_has_a_week_since_its_message_was_sent_or_the_ledger_saw_it() {
    let week = Duration::from_hours(7 * 24);
    for (sent_at, first_attempt_at, now, expected) in [
        (Some(MIDNIGHT), None, MIDNIGHT + week - Duration::from_secs(1), "sent"),
        (Some(MIDNIGHT), None, MIDNIGHT + week, "expired"),
        (None, Some(MIDNIGHT), MIDNIGHT + week, "expired"),
        // It was enqueued again.
        (Some(MIDNIGHT + week), Some(MIDNIGHT), MIDNIGHT + week, "expired"),
        (Some(MIDNIGHT + week), None, MIDNIGHT + week, "sent"),
    ] {
        let world = world();
        if let Some(at) = first_attempt_at {
            world.ledger.rows().insert("a", Row::claimed("another's", at, at));
        }
        let message = Received { sent_at, ..job("a") };
        assert!(handle_at(&world, now, vec![message]).await.is_empty());
        assert_eq!(!world.sent().is_empty(), expected == "sent");
        assert_eq!(world.letters().len(), usize::from(expected == "expired"));
    }
}

#[tokio::test(start_paused = true)]
async fn job_whose_deadline_passes_while_it_waits_for_a_permit_is_not_sent() {
    let world = world();
    let before = (0..20).map(|n| job(&n.to_string()));
    let batch = before.chain([code("late", 60)]).collect();
    let began = MIDNIGHT + Duration::from_hours(1) - Duration::from_secs(2);
    assert!(handle_at(&world, began, batch).await.is_empty());
    assert_eq!(world.sent().len(), 20);
    assert!(!world.sent().contains(&"late".to_owned()));
    assert_eq!(world.letters()[0].reason.code, "expired");
}

#[tokio::test(start_paused = true)]
async fn retry_is_not_later_than_the_deadline_and_the_dead_letter_has_the_last_failure() {
    let world = world().answering("a", transient());
    let now = MIDNIGHT + Duration::from_mins(9);
    for _ in 0..5 {
        assert_eq!(handle_at(&world, now, vec![code("a", 10)]).await, ["m-a"]);
    }
    let delay = world.delays()["m-a"];
    assert!(delay <= Duration::from_mins(1) && delay > Duration::from_secs(50), "{delay:?}");
    world.dead_letters.calls.fail();
    let late = MIDNIGHT + Duration::from_mins(10);
    assert_eq!(handle_at(&world, late, vec![code("a", 10)]).await, ["m-a"]);
    world.dead_letters.calls.succeed();
    assert!(handle_at(&world, late, vec![code("a", 10)]).await.is_empty());
    let letter = &world.letters()[0];
    let text = "its deadline 1970-01-01T00:10:00Z has passed; its last attempt failed: 500";
    assert_eq!((letter.reason.code.as_str(), letter.reason.text.as_str()), ("expired", text));
    assert_eq!(world.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn expired_job_that_may_have_been_sent_is_unknown_and_not_failed() {
    let world = world().answering("a", Outcome::Ambiguous);
    let now = MIDNIGHT + Duration::from_mins(9);
    assert_eq!(handle_at(&world, now, vec![code("a", 10)]).await, ["m-a"]);
    let late = now + Duration::from_mins(2);
    assert!(handle_at(&world, late, vec![code("a", 10)]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.letters()[0].reason.code, "outcome_unknown");
}

#[tokio::test(start_paused = true)]
async fn message_with_many_receives_is_returned_for_at_least_half_an_hour() {
    let world = world().answering("a", Outcome::Throttled);
    let batch = ["a", "b"].map(|id| Received { receives: 500, ..job(id) });
    assert_eq!(handle(&world, batch.to_vec()).await.len(), 2);
    assert!(world.delays().values().all(|delay| *delay >= Duration::from_mins(30)));
}

#[tokio::test(start_paused = true)]
async fn job_without_an_attempt_is_retried_after_30_s_despite_40_receives() {
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
async fn suppressed_recipient_uses_no_permit() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty());
    let row = world.row("a");
    assert_eq!((row.state, row.reason.unwrap().code.as_str()), (State::Suppressed, "suppressed"));
    assert!(world.letters().is_empty(), "it is not a dead letter, which would keep an alarm on");

    // Whoever enqueues it again after the recipient was removed from the list reaches the recipient.
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty(), "still suppressed");
    let world = World { suppressions: MemorySuppressions::default(), ..world };
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!((world.sent(), world.row("a").state), (vec!["a".to_owned()], State::Sent));
}

#[tokio::test(start_paused = true)]
async fn suppressed_job_is_acknowledged_only_once_the_ledger_has_it() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Complaint);
    world.ledger.calls.fail_operations(&["mark_suppressed"]);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.row("a").attempts, 0);
    world.ledger.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Suppressed);
}

#[tokio::test(start_paused = true)]
async fn slow_lookups_of_suppressed_recipients_take_no_permits_from_the_others() {
    let world = world();
    world.suppressions.insert(&"bob@example.com".parse().unwrap(), SuppressionCause::Bounce);
    world.suppressions.lookups.wait_for(|| tokio::time::sleep(Duration::from_secs(20)));
    let to_bob = |id: &str| {
        let body = job(id).body.replace("ada@", "bob@");
        message(&format!("m-{id}"), &body)
    };
    let others = 20_u32;
    let batch = (0..10).map(|n| to_bob(&format!("bob-{n}")));
    let batch: Vec<_> = batch.chain((0..others).map(|n| job(&n.to_string()))).collect();
    let sent_at = Arc::new(Mutex::new(Vec::new()));
    let seen = sent_at.clone();
    let world = world.deciding(move |_| {
        seen.lock().unwrap().push(Instant::now());
        accepted()
    });
    let began = Instant::now();
    let returned = handle(&world, batch).await;
    let last = *sent_at.lock().unwrap().last().unwrap();
    assert_eq!(sent_at.lock().unwrap().len(), others as usize);
    assert!(last - began < share().interval() * (others + 1), "every permit was used");
    let suppressed =
        world.ledger.rows().iter().filter(|(_, row)| row.state == State::Suppressed).count();
    assert_eq!(suppressed, MAX_LOOKUPS, "as many as may be looked up at once");
    assert_eq!(returned.len(), 10 - MAX_LOOKUPS);
    for id in &returned {
        assert!(is_about(world.delays()[id], 30) && id.starts_with("m-bob"), "{id}");
        assert_eq!(world.row(&id[2..]).attempts, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn job_is_not_sent_while_the_provider_cannot_be_asked_about_its_recipient() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    world.suppressions.lookups.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert!(world.sent().is_empty() && world.letters().is_empty());
    assert_eq!(world.row("a").attempts, 0, "it counts no attempt");
}

#[tokio::test(start_paused = true)]
async fn job_is_not_sent_while_suppressions_cannot_be_read() {
    let world = world();
    world.suppressions.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert!(world.sent().is_empty());
    assert_eq!(world.row("a").attempts, 0, "it counts no attempt");
    world.suppressions.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_most_once_job_without_a_response_is_parked() {
    let world = cautious_world().answering("a", Outcome::Ambiguous);
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.letters()[0].reason.code, "outcome_unknown");
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_job_whose_worker_died_during_the_attempt_is_parked() {
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
    // While the claim is in force, the worker may still be alive.
    assert_eq!(handle_at(&world, began, vec![receipt("a")]).await, ["m-a"]);
    let later = began + Duration::from_mins(2);
    assert!(handle_at(&world, later, vec![receipt("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.sent(), ["a"], "not sent again");
    assert_eq!(world.letters()[0].attempts.count, 2);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_job_whose_worker_died_before_its_permit_is_sent() {
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
async fn at_most_once_job_that_was_certainly_not_sent_is_retried() {
    let world = cautious_world().answering("a", transient());
    for _ in 0..2 {
        assert_eq!(handle(&world, vec![receipt("a")]).await, ["m-a"]);
    }
    assert_eq!(world.sent(), ["a", "a"]);
    assert!(world.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_most_once_job_is_not_sent_without_an_announcement() {
    let world = cautious_world();
    world.ledger.calls.fail_operations(&["announce"]);
    assert_eq!(handle(&world, vec![receipt("a"), job("b")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["b"], "a job that is sent at least once needs no announcement");
    assert_eq!(world.row("a").attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_job_that_cannot_be_parked_yet_is_not_sent_again() {
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
async fn ambiguous_attempt_keeps_its_claim_until_the_claim_ends() {
    let world = world().answering("a", Outcome::Ambiguous);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    let delay = world.delays()["m-a"];
    assert!(is_about(delay, 120) && delay > Duration::from_secs(89), "{delay:?}");
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["a"], "no attempt while the claim is in force");
}

#[tokio::test(start_paused = true)]
async fn attempts_without_an_answer_back_off_and_end_as_a_dead_letter() {
    let world = world().answering("a", Outcome::Ambiguous);
    let mut now = MIDNIGHT + Duration::from_hours(1);
    for (unanswered, delay) in (1..).zip([120, 240, 480, 960, 1920]) {
        assert_eq!(handle_at(&world, now, vec![job("a")]).await, ["m-a"]);
        assert!(is_about(world.delays()["m-a"], delay), "{unanswered}: {:?}", world.delays());
        assert_eq!(world.row("a").unanswered, unanswered);
        now += world.delays()["m-a"];
    }
    assert!(handle_at(&world, now, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"; 6]);
    let row = world.row("a");
    assert_eq!((row.state, row.unanswered, row.attempts), (State::Unknown, 6, 6));
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!(letter.reason.code, "outcome_unknown");
    assert_eq!(letter.reason.text, "6 attempts had no answer, or their workers died");
}

#[tokio::test(start_paused = true)]
async fn job_whose_workers_die_six_times_is_parked_without_another_attempt() {
    let world = world();
    let row = Row { unanswered: 6, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("a", row);
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    world.dead_letters.calls.succeed();
    let later = MIDNIGHT + Duration::from_hours(2);
    assert!(handle_at(&world, later, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.letters()[0].reason.code, "outcome_unknown");
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_counted_as_missing() {
    let world = world().answering("a", transient());
    for _ in 0..8 {
        assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
        assert_eq!(world.row("a").unanswered, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn event_that_settles_an_attempt_without_an_answer_prevents_the_next() {
    let world = world().answering("a", Outcome::Ambiguous);
    handle(&world, vec![job("a")]).await;
    let sent = Feedback {
        job_id: Some("a".parse().unwrap()),
        ses_message_id: "m".to_owned(),
        sent_at: MIDNIGHT,
        at: MIDNIGHT,
        recipients: Vec::new(),
        event: Event::Sent,
    };
    world.ledger.record(&"a".parse().unwrap(), &sent, MIDNIGHT).await.unwrap();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

/// A letter of this message's job that was moved back: a new message with the letter's attributes.
fn moved_back(message: &Received, code: &str) -> Received {
    let sqs_message_id = format!("moved-{}", message.sqs_message_id);
    Received { sqs_message_id, was_letter: Some(code.to_owned()), ..message.clone() }
}

#[tokio::test(start_paused = true)]
async fn letter_that_is_moved_back_is_sent() {
    let is_fixed = Arc::new(AtomicBool::new(false));
    let fixed = is_fixed.clone();
    let world = world().deciding(move |_| {
        if fixed.load(Ordering::Relaxed) {
            accepted()
        } else {
            Outcome::Rejected(Reason::new("MessageRejected", "no"))
        }
    });
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Failed);
    let letter = moved_back(&job("a"), "MessageRejected");

    // The cause remains: it is a letter again, once.
    assert!(handle(&world, vec![letter.clone()]).await.is_empty());
    assert!(handle(&world, vec![letter.clone()]).await.is_empty(), "its deletion was lost");
    assert_eq!((world.sent().len(), world.letters().len()), (2, 2));

    is_fixed.store(true, Ordering::Relaxed);
    let again = moved_back(&letter, "MessageRejected");
    world.ledger.calls.fail_operations(&["reopen"]);
    assert_eq!(handle(&world, vec![again.clone()]).await, ["moved-moved-m-a"]);
    world.ledger.calls.succeed();
    assert!(handle(&world, vec![again.clone()]).await.is_empty());
    assert_eq!(world.row("a").state, State::Sent);
    assert!(handle(&world, vec![again]).await.is_empty());
    assert_eq!((world.sent().len(), world.letters().len()), (3, 2), "already sent");
}

#[tokio::test(start_paused = true)]
async fn letter_that_may_have_been_sent_is_sent_again_only_if_its_template_allows_it() {
    let world = cautious_world().answering("a", Outcome::Ambiguous);
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    let letter = moved_back(&receipt("a"), "outcome_unknown");
    assert!(handle(&world, vec![letter]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    let letters = world.letters();
    let [_, kept] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((kept.reason.code.as_str(), &kept.body), ("outcome_unknown", &receipt("a").body));
    assert_eq!(world.row("a").state, State::Unknown);

    let world = self::world();
    let row = Row { unanswered: 6, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("b", row);
    assert!(handle(&world, vec![job("b")]).await.is_empty());
    assert_eq!(world.row("b").state, State::Unknown);
    assert!(handle(&world, vec![moved_back(&job("b"), "outcome_unknown")]).await.is_empty());
    assert_eq!(world.sent(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn letter_of_an_expired_job_is_sent_after_it_is_moved_back_unless_it_has_its_own_deadline() {
    for (message, attempts) in [(code("a", 10), 0), (job("a"), 1)] {
        let world = world();
        let late = MIDNIGHT + Duration::from_hours(8 * 24);
        let first = Received { sent_at: Some(MIDNIGHT), ..message.clone() };
        assert!(handle_at(&world, late, vec![first]).await.is_empty());
        assert_eq!(world.letters()[0].reason.code, "expired");
        let letter = Received { sent_at: Some(late), ..moved_back(&message, "expired") };
        assert!(handle_at(&world, late, vec![letter]).await.is_empty());
        assert_eq!(world.sent().len(), attempts);
        assert_eq!(world.letters().len(), 2 - attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_job_that_is_enqueued_again_is_a_dead_letter_again() {
    let reason = Reason::new("MessageRejected", "no");
    let world = world().answering("a", Outcome::Rejected(reason));
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.letters().len(), 1, "the message was delivered again");

    let again = Received { sqs_message_id: "m-2".to_owned(), ..job("a") };
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![again.clone()]).await, ["m-2"]);
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![again]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    let letters = world.letters();
    let [_, kept] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(
        (kept.reason.code.as_str(), kept.sqs_message_id.as_str()),
        ("MessageRejected", "m-2")
    );
    assert!(kept.reason.text.starts_with("the job was enqueued again"), "{}", kept.reason.text);
    assert_eq!(kept.body, job("a").body);
}

#[tokio::test(start_paused = true)]
async fn rejected_job_becomes_a_dead_letter_with_its_reason() {
    let reason = Reason::new("MessageRejected", "Address blacklisted.");
    let world = world().answering("a", Outcome::Rejected(reason.clone()));
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"], "returned while it cannot be stored");
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!((letter.job_id.as_deref(), &letter.reason), (Some("a"), &reason));
    assert_eq!(letter.attempts.count, 2);
    assert!(letter.attempts.first_at <= letter.attempts.last_at);
    assert_eq!(world.row("a").state, State::Failed);
}

#[tokio::test(start_paused = true)]
async fn job_is_not_sent_without_a_claim() {
    let world = world();
    world.ledger.calls.fail_operations(&["claim"]);
    let failures = handle(&world, vec![job("a"), job("b")]).await;
    assert_eq!(failures.len(), 2);
    assert!(world.sent().is_empty());
}

/// The ledger takes no end of a send for as long as the invocation lasts. What is left is neither claimed nor
/// sent, and there is time to return it.
#[tokio::test(start_paused = true)]
async fn ledger_that_cannot_record_a_send_stops_the_batch_in_time() {
    let lasts = Duration::from_mins(1);
    for took in [Duration::ZERO, adapters::clients::CALL_TIMEOUT] {
        let world = world();
        let began = Instant::now();
        world.ledger.calls.decide_by(move |call| match call.operation {
            "mark_sent" => Fate::Fails,
            _ => Fate::Succeeds,
        });
        world.ledger.calls.wait_for(move || tokio::time::sleep(took));
        let invocation = invocation("r", share(), MIDNIGHT, lasts);
        let returned =
            world.handle(&invocation, (0..100).map(|n| job(&n.to_string())).collect()).await;
        assert!(Instant::now() <= invocation.closing.returned, "{:?}", began.elapsed());
        assert_eq!(world.sent().len() + returned.len(), 100, "each is sent or returned");
        let claimed = world
            .ledger
            .rows()
            .iter()
            .filter(|(_, row)| row.claimed_until > Some(MIDNIGHT))
            .count();
        assert_eq!(claimed, world.sent().len(), "no claim stays on a job that was not sent");
    }
}

#[tokio::test(start_paused = true)]
async fn sent_email_is_acknowledged_even_if_the_ledger_cannot_be_written() {
    let world = world();
    world.ledger.calls.fail_operations(&["mark_sent"]);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}

/// The duration of an invocation that can send this many emails.
fn lasting(sends: u32) -> Duration {
    let room = share().interval() * sends + Duration::from_millis(100);
    room + sizing::SES_ATTEMPT_TIMEOUT + sizing::CLOSING_ROOM
}

#[tokio::test(start_paused = true)]
async fn batch_larger_than_what_can_be_sent_is_sent_in_part_and_the_rest_is_returned_at_the_start()
{
    let world = world();
    let batch = (0..20).map(|n| job(&n.to_string())).collect();
    let now = MIDNIGHT + Duration::from_hours(1);
    let invocation = invocation("request", share(), now, lasting(3));
    let failures = {
        let mut handling = Box::pin(world.handle(&invocation, batch));
        while world.delays().is_empty() {
            assert!(futures_util::poll!(handling.as_mut()).is_pending());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(world.sent().is_empty(), "returned before the first is sent");
        handling.await
    };
    assert_eq!(world.sent(), ["0", "1", "2"]);
    assert_eq!(failures.len(), 17);
    let delays = world.delays();
    assert_eq!(delays.len(), 17);
    let longest = delays.values().max().unwrap();
    assert!(*longest <= share().interval() * (20 + 1) / 2, "when a slot can take it: {longest:?}");
    assert!(delays.values().all(|delay| !delay.is_zero()));
    assert_eq!(world.ledger.rows().len(), 3, "only what is sent is claimed");
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_that_is_too_large_the_messages_received_first_are_sent() {
    let world = world();
    let at = |n: u64| Some(MIDNIGHT + Duration::from_secs(n));
    let mut batch: Vec<_> = (0..20)
        .map(|n| Received { first_received_at: at(100 - n), ..job(&n.to_string()) })
        .collect();
    batch.push(message("poison", "{"));
    let now = MIDNIGHT + Duration::from_hours(1);
    let failures = world.handle(&invocation("request", share(), now, lasting(2)), batch).await;
    assert_eq!(world.sent(), ["19", "18"]);
    assert_eq!(failures.len(), 18);
    assert_eq!(world.letters().len(), 1, "what needs no permit is handled too");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_run_out_of_time_are_returned_at_once_and_count_no_attempt() {
    // Slower than the slack: each attempt delays the next one.
    let world = world();
    world.mailer.calls.wait_for(|| tokio::time::sleep(Duration::from_secs(1)));
    let batch = (0..10).map(|n| job(&n.to_string())).collect();
    let now = MIDNIGHT + Duration::from_hours(1);
    let failures = world.handle(&invocation("request", share(), now, lasting(10)), batch).await;
    assert_eq!(world.sent(), ["0", "1", "2"]);
    assert_eq!(failures.len(), 7);
    assert!(world.delays().values().all(Duration::is_zero));
    let rows = world.ledger.rows();
    assert!(rows.len() <= 3 + CLAIMS_AHEAD + 2, "{} were claimed", rows.len());
    assert_eq!(rows.iter().map(|(_, row)| row.attempts).sum::<i64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn batch_of_which_nothing_can_be_sent_is_returned_for_a_quarter_of_an_hour() {
    let world = world();
    let limit = pacer::SendLimit::new(1).unwrap();
    let settings = sizing::WorkerSettings { limit, ..crate::testing::world::settings() };
    let account = RatesInTurn::new([Ok(None)]);
    let why = crate::pace::Pace::start(Ok(settings), account).await.share().unwrap_err();
    let closing = Closing::of(Instant::now(), Duration::from_mins(1));
    let batch = vec![job("a"), message("b", "{")];
    assert_eq!(world.cannot_send(&why, closing, batch).await, ["m-a", "b"]);
    assert!(world.sent().is_empty() && world.ledger.rows().is_empty());
    assert!(world.delays().values().all(|delay| *delay == HELD_FOR));
}

#[tokio::test(start_paused = true)]
async fn batch_stops_when_attempts_fail_one_after_the_other() {
    for outcome in [transient(), Outcome::Ambiguous] {
        let world = world().deciding(move |_| outcome.clone());
        let batch = (0..40).map(|n| job(&n.to_string())).collect();
        assert_eq!(handle(&world, batch).await.len(), 40);
        let attempts = u32::try_from(world.sent().len()).unwrap();
        assert_eq!(attempts, MAX_FAILURES_IN_A_ROW, "the provider is down");
        let tried = world.ledger.rows().iter().filter(|(_, row)| row.attempts > 0).count();
        assert_eq!(tried, world.sent().len());
    }
    // A single failure now and then stops nothing.
    let seen = Mutex::new(0);
    let world = world().deciding(move |_| {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        if *seen % 5 == 0 { accepted() } else { transient() }
    });
    handle(&world, (0..40).map(|n| job(&n.to_string())).collect()).await;
    assert_eq!(world.sent().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn throttled_batch_of_a_large_plan_is_held_back_and_not_hidden_beside_the_next_one() {
    let world = world().answering("0", Outcome::Throttled);
    let settings = sizing::WorkerSettings {
        limit: pacer::SendLimit::new(100_000).unwrap(),
        slots: pacer::Slots::new(67).unwrap(),
        ..crate::testing::world::settings()
    };
    let batch: Vec<_> = (0..991).map(|n| job(&n.to_string())).collect();
    let (began, now) = (Instant::now(), MIDNIGHT + Duration::from_hours(1));
    let share = settings.check().unwrap();
    let invocation = invocation("request", share, now, Duration::from_mins(1));
    world.handle(&invocation, batch).await;
    let held_back = began.elapsed();
    assert!(held_back >= retry::FIRST_DELAY && held_back < Duration::from_secs(41));
    let hidden = world.delays().values().filter(|delay| !delay.is_zero()).count();
    assert!(hidden <= 1 + CLAIMS_AHEAD + 7, "only what has a back-off of its own: {hidden}");
}

#[tokio::test(start_paused = true)]
async fn panic_returns_its_own_message_only() {
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

    /// Every message is acknowledged or returned. An acknowledged job was accepted or is a dead letter.
    /// A job has at most one attempt per invocation.
    #[test]
    fn no_message_is_lost_and_no_job_is_attempted_twice_in_an_invocation(
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
