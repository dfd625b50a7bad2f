//! The pace of a batch: what is sent within one invocation, and what is returned.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use email::{mailer::Outcome, retry, testing::mailer::accepted};
use tokio::time::Instant;

use super::handle;
use crate::{
    closing::Closing,
    in_progress::HELD_FOR,
    places::CLAIMS_AHEAD,
    testing::world::{MIDNIGHT, RatesInTurn, invocation, job, message, share, world},
    worker::Received,
};

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
