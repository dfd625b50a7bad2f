//! Failures of one job, its claim, and the delay of its retry.

use std::time::Duration;

use email::{
    mailer::Outcome,
    testing::{Fate, Row},
};
use tokio::time::Instant;

use super::{handle, handle_at, is_about, transient};
use crate::{
    testing::world::{MIDNIGHT, invocation, job, share, world},
    worker::Received,
};

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

#[tokio::test(start_paused = true)]
async fn panic_returns_its_own_message_only() {
    let world = world();
    assert_eq!(handle(&world, vec![job("a"), job("panic"), job("b")]).await, ["m-panic"]);
    assert_eq!(world.sent(), ["a", "panic", "b"]);
}
