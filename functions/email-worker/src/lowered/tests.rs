//! A lowered limit, in the in-memory world on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use email::testing::mailer::accepted;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    stop::CHECK_EVERY,
    testing::world::{MIDNIGHT, World, invocation, job_to_its_own_recipient, share, world},
    worker::Received,
};

const START: OffsetDateTime = MIDNIGHT.saturating_add(time::Duration::HOUR);
const LASTS: Duration = Duration::from_mins(1);

fn jobs(count: usize) -> Vec<Received> {
    (0..count).map(|n| job_to_its_own_recipient(&n.to_string())).collect()
}

fn lowered_to(limit: u32) -> Holds {
    let lowered = LoweredLimit {
        limit: limit.try_into().unwrap(),
        window_seconds: 60.try_into().unwrap(),
        reason: "warming up".to_owned(),
        since: START,
        until: None,
    };
    Holds { lowered: Some(lowered), version: 1, ..Holds::default() }
}

/// A world that notes when each attempt starts, at a limit.
fn timed_world(holds: Holds) -> (World, Arc<Mutex<Vec<Instant>>>) {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let noted = starts.clone();
    let world = world().deciding(move |_| {
        noted.lock().unwrap().push(Instant::now());
        accepted()
    });
    world.holds.set(holds);
    (world, starts)
}

/// Handles a batch, and returns the number of messages that were returned, and the interval at its end.
async fn handle(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> (usize, Duration) {
    let invocation = invocation("request", share(), now, LASTS);
    let returned = world.handle(&invocation, batch).await.len();
    (returned, invocation.pacer.share().interval())
}

/// The shortest time between two attempts that start after this time.
fn shortest_gap(starts: &[Instant], after: Instant) -> Duration {
    let starts: Vec<_> = starts.iter().filter(|start| **start >= after).collect();
    assert!(starts.len() > 1, "{starts:?}");
    starts.windows(2).map(|pair| *pair[1] - *pair[0]).min().unwrap()
}

#[tokio::test(start_paused = true)]
async fn running_batch_slows_down_within_seconds_and_returns_what_does_not_fit() {
    let (world, starts) = timed_world(Holds::default());
    let lower = async {
        sleep(Duration::from_secs(12)).await;
        // 15 per slot in 60.25 s.
        world.holds.set(lowered_to(30));
        Instant::now()
    };
    let ((returned, interval), lowered_at) = tokio::join!(handle(&world, START, jobs(100)), lower);
    assert_eq!(interval, Duration::from_nanos(4_016_666_667));
    let starts = starts.lock().unwrap();
    assert_eq!(starts.len() + returned, 100);
    assert!(shortest_gap(&starts, lowered_at + CHECK_EVERY) >= interval);
    let before = starts.iter().filter(|start| **start < lowered_at).count();
    assert_eq!(before, 29, "at the deployed pace");
    // 15 s at the deployed pace, until the next read, and then one per interval until 40.5 s.
    assert_eq!(starts.len(), 37 + 6);

    // A slot takes ten in 40.5 s, so both together take one every 2 s.
    let mut delays: Vec<_> = world.delays().into_values().collect();
    delays.sort();
    assert_eq!(delays.len(), 57);
    assert!(delays[0] >= Duration::from_secs(20), "{:?}", delays[0]);
    assert!(delays[56] >= Duration::from_secs(110), "{:?}", delays[56]);
    let attempts: i64 = world.ledger.rows().iter().map(|(_, row)| row.attempts).sum();
    assert_eq!(usize::try_from(attempts).unwrap(), starts.len(), "no other attempt is counted");
}

#[tokio::test(start_paused = true)]
async fn batch_that_begins_at_a_lowered_limit_returns_its_surplus_at_the_start() {
    let (world, starts) = timed_world(lowered_to(30));
    let began = Instant::now();
    let (returned, interval) = handle(&world, START, jobs(100)).await;
    assert_eq!((returned, starts.lock().unwrap().len()), (90, 10));
    assert!(shortest_gap(&starts.lock().unwrap(), began) >= interval);
    let first = starts.lock().unwrap()[0] - began;
    // The paused clock moves by whole milliseconds.
    assert!(first >= interval && first < interval + Duration::from_millis(2), "{first:?}: rule 1");
    assert!(world.delays().values().all(|delay| *delay >= Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn limit_that_is_reset_or_over_applies_from_the_next_batch_on() {
    let (world, starts) = timed_world(lowered_to(30));
    let reset = async {
        sleep(Duration::from_secs(2)).await;
        world.holds.set(Holds::default());
    };
    let ((_, interval), ()) = tokio::join!(handle(&world, START, jobs(20)), reset);
    assert!(interval > share().interval(), "an invocation never speeds up");
    assert_eq!(handle(&world, START, jobs(20)).await, (0, share().interval()));

    let mut holds = lowered_to(30);
    holds.lowered.as_mut().unwrap().until = Some(START + Duration::from_hours(2));
    world.holds.set(holds);
    let (before, at) = (START + Duration::from_mins(119), START + Duration::from_hours(2));
    assert!(handle(&world, before, jobs(1)).await.1 > share().interval());
    assert_eq!(handle(&world, at, jobs(1)).await.1, share().interval());
    assert!(!starts.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lowered_limit_stays_in_force_while_the_record_cannot_be_read() {
    let (world, _) = timed_world(lowered_to(30));
    let lowered = handle(&world, START, jobs(1)).await;
    world.holds.calls.fail();
    assert_eq!(handle(&world, START, jobs(1)).await, lowered);
    world.holds.calls.succeed();
    world.holds.set(Holds::default());
    assert_eq!(handle(&world, START, jobs(1)).await, (0, share().interval()));
}

#[tokio::test(start_paused = true)]
async fn limit_above_the_deployed_one_changes_nothing() {
    let (world, starts) = timed_world(lowered_to(3_000));
    assert_eq!(handle(&world, START, jobs(50)).await, (0, share().interval()));
    assert_eq!(starts.lock().unwrap().len(), 50);
}

/// `registrar limit` refuses it; a later deployment with more slots may make it so.
#[tokio::test(start_paused = true)]
async fn limit_at_which_nothing_can_be_sent_returns_the_batch() {
    for limit in [1, 2] {
        let (world, starts) = timed_world(lowered_to(limit));
        assert_eq!(handle(&world, START, jobs(10)).await.0, 10);
        assert!(starts.lock().unwrap().is_empty());
        assert!(world.ledger.rows().is_empty(), "not even claimed");
        assert!(world.delays().values().all(|delay| *delay >= HELD_FOR));
    }
}
