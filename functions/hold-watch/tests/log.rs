//! The line of each run that `EmailHeldAlarm` is made of.
//!
//! One test in a process of its own (see `lambda::testing`).
#![allow(clippy::unwrap_used)]

use email::{
    hold::{HoldCause, HoldRecord, MAX_PROBATION, hold_by_operator, place, release_by_operator},
    testing::{MemoryEventSource, MemoryHolds, MemoryProvider},
};
use hold_watch::Watch;
use lambda::{log_events, testing::Log};
use time::OffsetDateTime;
use tracing::instrument::WithSubscriber;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

type World = Watch<MemoryHolds, MemoryEventSource, MemoryProvider>;

/// What one run publishes: `held` of its only `holds_checked`. And the number of problems that a metric counts.
async fn run(world: &World, now: OffsetDateTime) -> (Option<u64>, usize) {
    let log = Log::default();
    let known = world.run(now).with_subscriber(log.clone()).await;
    let checked = log.events(log_events::HOLDS_CHECKED);
    assert!(checked.len() <= 1, "{checked:?}");
    // A metric filter takes nothing but a number.
    let held = checked.first().map(|line| line["held"].as_u64().expect("held is a number"));
    assert_eq!(held, known.map(u64::from));
    let counted = log.counted("HoldWatchLogGroup");
    let metric = |name: &str| counted.get(name).copied().unwrap_or_default();
    assert_eq!(metric("EmailHeld"), checked.len());
    (held, metric("HoldsUnattended"))
}

#[tokio::test]
async fn each_run_publishes_whether_emails_are_held_and_nothing_if_it_does_not_know() {
    let world = World {
        record: MemoryHolds::default(),
        source: MemoryEventSource::default(),
        provider: MemoryProvider::default(),
    };
    let World { record, source, provider } = &world;
    assert_eq!(run(&world, NOW).await, (Some(0), 0));

    place(record, source, HoldCause::SendingPaused, NOW).await.unwrap();
    provider.standing_now().sending_enabled = false;
    assert_eq!(run(&world, NOW).await, (Some(1), 0));
    // No outage hides a hold: of SES, of CloudWatch, of both, of Lambda.
    for down in [&["standing"][..], &["rates"], &["standing", "rates"]] {
        provider.calls.fail_operations(down);
        assert_eq!(run(&world, NOW).await, (Some(1), down.len()), "{down:?}");
    }
    provider.calls.succeed();
    source.calls.fail();
    assert_eq!(run(&world, NOW).await, (Some(1), 1));
    source.calls.succeed();
    // An unreadable record says neither.
    record.calls.fail();
    assert_eq!(run(&world, NOW).await, (None, 1));
    record.calls.succeed();

    // The automatic hold ends, and an operator's stays.
    hold_by_operator(record, source, "because", NOW).await.unwrap();
    provider.standing_now().sending_enabled = true;
    assert_eq!(run(&world, NOW + MAX_PROBATION).await, (Some(1), 0));
    assert_eq!(record.read().await.unwrap().machine, None);
    release_by_operator(record, source, NOW).await.unwrap();
    assert_eq!(run(&world, NOW).await, (Some(0), 0));
}
