//! Deadlines of jobs.

use std::time::Duration;

use email::{ledger::State, mailer::Outcome, testing::Row};
use time::format_description::well_known::Rfc3339;

use super::{handle_at, transient};
use crate::{
    testing::world::{MIDNIGHT, job, world},
    worker::Received,
};

/// A job with a deadline this long after midnight.
pub(super) fn code(id: &str, minutes: i64) -> Received {
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
