//! Jobs whose template is sent at most once.

use std::time::Duration;

use email::{ledger::State, mailer::Outcome};

use super::{cautious_world, handle, handle_at, receipt, transient};
use crate::testing::world::{MIDNIGHT, invocation, job, share};

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
