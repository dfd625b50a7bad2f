//! Holds during a batch, and the breaker, in the in-memory world on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::sync::{Arc, Mutex};

use email::{
    dead_letter::Reason,
    hold::{
        HoldCause, MAX_REJECTIONS, MAX_REJECTIONS_ON_PROBATION, OperatorHold, end,
        release_by_operator,
    },
    ledger::State,
    mailer::Outcome,
    testing::mailer::accepted,
};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    testing::world::{MIDNIGHT, World, invocation, job_to_its_own_recipient, share, world},
    worker::Received,
};

const START: OffsetDateTime = MIDNIGHT.saturating_add(time::Duration::HOUR);

fn jobs(from: usize, count: usize) -> Vec<Received> {
    (from..from + count).map(|n| job_to_its_own_recipient(&n.to_string())).collect()
}

async fn handle_at(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> Vec<String> {
    let id = format!("request-{}", world.sent().len());
    world.handle(&invocation(&id, share(), now, Duration::from_mins(1)), batch).await
}

async fn handle(world: &World, batch: Vec<Received>) -> Vec<String> {
    handle_at(world, START, batch).await
}

fn held_by_operator() -> Holds {
    let operator = OperatorHold { reason: "wrong template".to_owned(), since: START, until: None };
    Holds { operator: Some(operator), version: 1, ..Holds::default() }
}

/// A world that notes when each attempt starts.
fn timed_world() -> (World, Arc<Mutex<Vec<Instant>>>) {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let noted = starts.clone();
    let world = world().deciding(move |_| {
        noted.lock().unwrap().push(Instant::now());
        accepted()
    });
    (world, starts)
}

/// Handles a batch during which a hold begins, after this time. Returns the number of messages that were given back, and
/// how long after the hold's begin the last attempt started.
async fn held_after(
    (world, starts): &(World, Arc<Mutex<Vec<Instant>>>),
    after: Duration,
) -> (usize, Duration) {
    let hold = async {
        sleep(after).await;
        world.holds.set(held_by_operator());
        Instant::now()
    };
    let (given_back, began) = tokio::join!(handle(world, jobs(0, 100)), hold);
    let last = *starts.lock().unwrap().last().unwrap();
    (given_back.len(), last.saturating_duration_since(began))
}

#[tokio::test(start_paused = true)]
async fn hold_that_begins_during_a_batch_stops_it_within_seconds_and_the_rest_is_uncounted() {
    // At 300 per minute and 2 slots, a batch of 100 takes 40 s.
    for after in [0.1, 4.9, 5.1, 12.0, 33.0].map(Duration::from_secs_f64) {
        let timed = timed_world();
        let (given_back, late) = held_after(&timed, after).await;
        assert!(late <= CHECK_EVERY, "an attempt started {late:?} after the hold");
        let (world, _) = &timed;
        let sent = world.sent().len();
        assert_eq!(sent + given_back, 100);
        let due = after.as_secs_f64() / share().interval().as_secs_f64();
        assert!(f64::from(u32::try_from(sent).unwrap()) + 1.0 >= due.floor(), "{sent} of {due}");
        for delay in world.delays().into_values() {
            assert!(HELD_FOR <= delay && delay <= HELD_FOR.mul_f64(1.25), "{delay:?}");
        }
        let rows = world.ledger.rows();
        assert_eq!(
            rows.iter().map(|(_, row)| row.attempts).sum::<i64>(),
            i64::try_from(sent).unwrap()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn slow_read_of_the_holds_delays_no_attempt() {
    let timed = timed_world();
    timed.0.holds.calls.wait_for(|| sleep(Duration::from_secs(3)));
    let (_, late) = held_after(&timed, Duration::from_secs(20)).await;
    assert!(late <= CHECK_EVERY + Duration::from_secs(3), "{late:?}");
    let starts = timed.1.lock().unwrap();
    for pair in starts.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap < share().interval() + Duration::from_millis(50), "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn batch_whose_holds_cannot_be_read_is_sent() {
    let (world, _) = timed_world();
    world.holds.calls.fail();
    assert!(handle(&world, jobs(0, 100)).await.is_empty());
    assert_eq!(world.sent().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn hold_that_is_found_after_the_last_permit_changes_nothing() {
    let (world, _) = timed_world();
    assert!(handle(&world, jobs(0, 5)).await.is_empty(), "in 2 s");
    world.holds.set(held_by_operator());
    assert_eq!(handle(&world, jobs(5, 5)).await.len(), 5);
    assert_eq!(world.sent().len(), 5);
}

fn rejected() -> Outcome {
    Outcome::Rejected(Reason::new("MessageRejected", "Invalid configuration"))
}

/// The last hold, which this ends.
async fn end_hold(world: &World, now: OffsetDateTime) {
    let machine = world.holds.now().machine.unwrap();
    assert_eq!(machine.cause, HoldCause::RejectedInARow);
    end(&world.holds, &world.event_source, &machine, now).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn provider_that_rejects_every_email_makes_few_dead_letters_and_a_hold() {
    let world = world().deciding(|_| rejected());
    let given_back = handle(&world, jobs(0, 100)).await;
    assert_eq!(world.sent().len(), MAX_REJECTIONS);
    assert_eq!(world.letters().len(), MAX_REJECTIONS - 1);
    assert_eq!(given_back.len(), 100 - (MAX_REJECTIONS - 1));
    assert!(world.delays().values().all(|delay| *delay >= HELD_FOR));
    assert_eq!(world.event_source.turns(), [false]);
    // The rejected ones are kept with their reason, and the last one is retried.
    assert!(world.letters().iter().all(|letter| letter.reason.code == "MessageRejected"));
    let last = (MAX_REJECTIONS - 1).to_string();
    assert_eq!((world.row(&last).state, world.row(&last).attempts), (State::Sending, 1));
    for (id, row) in world.ledger.rows().iter() {
        let n: usize = id.parse().unwrap();
        assert!(n < MAX_REJECTIONS || row.attempts == 0, "{id} counts an attempt");
    }
    assert_eq!(handle(&world, jobs(100, 10)).await.len(), 10);
    assert_eq!(world.sent().len(), MAX_REJECTIONS, "held");

    // On probation, a few are enough.
    let later = START + Duration::from_mins(10);
    end_hold(&world, later).await;
    handle_at(&world, later, jobs(200, 50)).await;
    assert_eq!(world.sent().len(), MAX_REJECTIONS + MAX_REJECTIONS_ON_PROBATION);
    assert_eq!(world.letters().len(), MAX_REJECTIONS - 1 + MAX_REJECTIONS_ON_PROBATION - 1);

    // So are they for a worker that has not seen the rejections.
    let later = later + Duration::from_mins(10);
    end_hold(&world, later).await;
    world.breaker.take();
    handle_at(&world, later, jobs(300, 50)).await;
    assert_eq!(world.sent().len(), MAX_REJECTIONS + 2 * MAX_REJECTIONS_ON_PROBATION);

    // An operator's release is a new beginning for it.
    release_by_operator(&world.holds, &world.event_source, later).await.unwrap();
    world.breaker.take();
    let before = world.sent().len();
    handle_at(&world, later, jobs(400, 50)).await;
    assert_eq!(world.sent().len() - before, MAX_REJECTIONS);
}

#[tokio::test(start_paused = true)]
async fn rejections_of_single_emails_stop_nothing() {
    let bad_recipient = Outcome::BadRecipient(Reason::new("MessageRejected", "not verified"));
    for (outcome, one_in) in [(rejected(), 2), (bad_recipient, 1)] {
        let world = world().deciding(move |id| {
            let n: usize = id.as_str().parse().unwrap();
            if n.is_multiple_of(one_in) { outcome.clone() } else { accepted() }
        });
        assert!(handle(&world, jobs(0, 50)).await.is_empty());
        assert_eq!(world.letters().len(), 50 / one_in);
        assert!(!world.holds.now().in_force());
    }
    // Nine bad addresses in a row, across batches.
    let world = world().deciding(|id| if id.as_str().len() == 1 { rejected() } else { accepted() });
    for n in 0..9 {
        assert!(handle(&world, jobs(n, 1)).await.is_empty());
    }
    assert!(handle(&world, jobs(10, 20)).await.is_empty());
    assert!(!world.holds.now().in_force());
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_rejected_email_each_open_the_breaker_too() {
    let world = world().deciding(|_| rejected());
    for n in 0..MAX_REJECTIONS - 1 {
        assert!(handle(&world, jobs(n, 1)).await.is_empty());
    }
    assert_eq!(handle(&world, jobs(100, 1)).await, ["m-100"]);
    assert!(world.holds.now().in_force());
}

#[tokio::test(start_paused = true)]
async fn breaker_keeps_its_batches_short_although_the_hold_cannot_be_recorded() {
    let world = world().deciding(|_| rejected());
    world.holds.calls.fail();
    handle(&world, jobs(0, 50)).await;
    assert_eq!(world.sent().len(), MAX_REJECTIONS);
    handle(&world, jobs(100, 50)).await;
    assert_eq!(world.sent().len(), MAX_REJECTIONS + MAX_REJECTIONS_ON_PROBATION);
}
