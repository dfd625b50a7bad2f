//! Refusals of all sending, holds, and failures that stop or delay.

use std::{sync::Mutex, time::Duration};

use email::{
    hold::{HoldCause, Holds, OperatorHold},
    mailer::Outcome,
    retry,
    testing::mailer::accepted,
};

use super::{handle, is_about, transient};
use crate::{
    in_progress::{HELD_FOR, MAX_FAILURES_IN_A_ROW},
    testing::world::{MIDNIGHT, job, world},
};

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
