//! Holds of single templates, in the in-memory world on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use email::{hold::OperatorHold, retry::QUEUE_RETENTION};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    testing::world::{
        MIDNIGHT, World, invocation, job_to_its_own_recipient, message, share, world,
    },
    worker::Received,
};

const START: OffsetDateTime = MIDNIGHT.saturating_add(time::Duration::HOUR);
const HELD: &str = "enrollment-refund";

fn held_until(until: Option<OffsetDateTime>) -> Holds {
    let hold = OperatorHold { reason: "wrong text".to_owned(), since: START, until };
    Holds { templates: [(HELD.to_owned(), hold)].into(), version: 1, ..Holds::default() }
}

/// A job of the template, to a recipient of its own.
fn templated(id: usize, template: &str) -> Received {
    let body = format!(
        r#"{{"v":1,"id":"t-{id}","to":"t-{id}@example.com","template":"{template}","data":{{"student_name":"Ada","course_title":"Rust"}}}}"#
    );
    Received { sent_at: Some(START), ..message(&format!("m-t-{id}"), &body) }
}

fn held_jobs(count: usize) -> Vec<Received> {
    (0..count).map(|id| templated(id, HELD)).collect()
}

fn plain_jobs(count: usize) -> impl Iterator<Item = Received> {
    (0..count).map(|n| job_to_its_own_recipient(&n.to_string()))
}

async fn handle_at(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> Vec<String> {
    world.handle(&invocation("request", share(), now, Duration::from_mins(1)), batch).await
}

#[tokio::test(start_paused = true)]
async fn only_jobs_of_the_template_wait_and_they_use_no_permit() {
    let world = world();
    world.holds.set(held_until(None));
    // An invocation has time for 100.
    let mut batch = held_jobs(100);
    batch.extend(plain_jobs(99));
    batch.push(templated(1_000, "enrollment-confirmation"));
    let returned = handle_at(&world, START, batch).await;
    assert_eq!(returned.len(), 100);
    assert!(returned.iter().all(|id| id.starts_with("m-t-") && id != "m-t-1000"));
    assert_eq!(world.sent().len(), 100, "none of the others is a surplus");
    assert!(!world.ledger.rows().iter().any(|(id, _)| id.starts_with("t-") && id != "t-1000"));
    for delay in world.delays().into_values() {
        // Less the 40 s for which the batch lasted.
        let soonest = HELD_FOR.saturating_sub(Duration::from_mins(1));
        assert!((soonest..=HELD_FOR.mul_f64(1.25)).contains(&delay), "{delay:?}");
    }
    world.holds.set(Holds::default());
    assert!(handle_at(&world, START, held_jobs(100)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn template_hold_that_begins_during_a_batch_applies_within_seconds_and_counts_no_attempt() {
    let world = world();
    let hold = async {
        sleep(Duration::from_secs(12)).await;
        world.holds.set(held_until(None));
    };
    let mut batch = held_jobs(50);
    // As many, so that the order of the batch stays.
    batch.extend(plain_jobs(50));
    let (returned, ()) = tokio::join!(handle_at(&world, START, batch), hold);
    let sent = world.sent();
    let of_template = sent.iter().filter(|id| id.starts_with("t-")).count();
    // 15 s at 401 ms.
    assert!((29..=38).contains(&of_template), "{of_template}");
    assert_eq!(of_template + returned.len(), 50);
    assert_eq!(sent.len(), of_template + 50, "the others are sent");
    let attempts: i64 = world.ledger.rows().iter().map(|(_, row)| row.attempts).sum();
    assert_eq!(usize::try_from(attempts).unwrap(), sent.len());
}

#[tokio::test(start_paused = true)]
async fn template_hold_is_over_at_its_end_and_stays_while_the_record_cannot_be_read() {
    let world = world();
    let until = START + Duration::from_hours(2);
    world.holds.set(held_until(Some(until)));
    assert_eq!(handle_at(&world, START, held_jobs(1)).await, ["m-t-0"]);
    world.holds.calls.fail();
    let before = until - Duration::from_secs(1);
    assert_eq!(handle_at(&world, before, held_jobs(1)).await, ["m-t-0"]);
    assert!(handle_at(&world, until, held_jobs(1)).await.is_empty());
    assert_eq!(world.sent(), ["t-0"]);
}

#[tokio::test(start_paused = true)]
async fn held_job_expires_at_its_deadline() {
    let world = world();
    world.holds.set(held_until(None));
    let deadline = r#","deadline":"1970-01-01T01:10:00Z"}"#;
    let mut job = templated(0, HELD);
    job.body.pop();
    job.body.push_str(deadline);
    let minutes = |n| START + Duration::from_mins(n);
    assert_eq!(handle_at(&world, minutes(9), vec![job.clone()]).await, ["m-t-0"]);
    assert!(world.delays()["m-t-0"] <= Duration::from_mins(1), "it is looked at again then");
    assert!(handle_at(&world, minutes(10), vec![job]).await.is_empty());
    assert!(world.sent().is_empty());
    assert_eq!(world.letters()[0].reason.code, "expired");
}

/// The event source stays on, so each return is a receive, and SQS counts it.
#[tokio::test(start_paused = true)]
async fn held_job_lasts_as_long_as_the_queue_keeps_it_without_too_many_receives() {
    let world = world();
    world.holds.set(held_until(None));
    let (mut waited, mut receives) = (Duration::ZERO, 0);
    while waited < QUEUE_RETENTION {
        receives += 1;
        assert!(receives <= email::retry::MAX_RECEIVES, "after {waited:?}");
        let began = Instant::now();
        // Without a time, it does not expire.
        let job = Received { receives, sent_at: None, ..templated(0, HELD) };
        assert_eq!(handle_at(&world, START + waited, vec![job]).await, ["m-t-0"]);
        let delay = world.queue.0.lock().unwrap().pop().unwrap().after;
        waited += began.elapsed() + delay;
    }
}

/// All slots return batches of held jobs as fast as they can.
#[tokio::test(start_paused = true)]
async fn batches_of_held_jobs_do_not_fill_the_quota_of_hidden_messages() {
    let world = world();
    world.holds.set(held_until(None));
    let began = Instant::now();
    handle_at(&world, START, held_jobs(100)).await;
    let lasted = began.elapsed();
    let longest = world.delays().into_values().max().unwrap();
    let batches = (longest.as_secs_f64() / lasted.as_secs_f64()).ceil();
    assert!(batches * 100.0 * 2.0 < 120_000.0, "{longest:?} after {lasted:?}");
}
