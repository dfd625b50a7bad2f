//! The line of each run that `EmailHeldAlarm` is made of.
//!
//! One test in a process of its own (see `lambda::testing`).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use email::{
    hold::{
        HoldCause, HoldRecord, LoweredLimit, MAX_PROBATION, OperatorHold, hold_by_operator,
        hold_template, lower_limit, place, release_by_operator,
    },
    testing::{MemoryEventSource, MemoryHolds, MemoryProvider},
};
use hold_watch::Watch;
use lambda::{log_events, testing::Log};
use time::OffsetDateTime;
use tracing::instrument::WithSubscriber;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn operator_hold(since: OffsetDateTime) -> OperatorHold {
    OperatorHold { reason: "because".to_owned(), since, until: None }
}

/// For how long the limit has been lowered, and a template been held, as one run publishes it.
async fn ages(world: &World, now: OffsetDateTime) -> [u64; 2] {
    let log = Log::default();
    world.run(now).with_subscriber(log.clone()).await;
    let counted = log.counted("HoldWatchLogGroup");
    assert_eq!((counted["LimitLoweredAge"], counted["TemplateHeldAge"]), (1, 1));
    let [checked] = &log.events(log_events::HOLDS_CHECKED)[..] else { panic!("not one line") };
    ["limit_lowered_seconds", "template_held_seconds"].map(|name| checked[name].as_u64().unwrap())
}

/// Only what does not end by itself can be forgotten.
async fn each_run_publishes_for_how_long_the_limit_is_lowered_and_a_template_held() {
    let world = World {
        record: MemoryHolds::default(),
        source: MemoryEventSource::default(),
        provider: MemoryProvider::default(),
    };
    let at = |seconds| NOW + Duration::from_secs(seconds);
    assert_eq!(ages(&world, at(50)).await, [0, 0]);
    let lowered = |until| LoweredLimit {
        limit: 100.try_into().unwrap(),
        window_seconds: 60.try_into().unwrap(),
        reason: "because".to_owned(),
        since: NOW,
        until,
    };
    let record = &world.record;
    lower_limit(record, &lowered(None)).await.unwrap();
    hold_template(record, "one", &operator_hold(at(10))).await.unwrap();
    hold_template(record, "two", &operator_hold(at(20))).await.unwrap();
    assert_eq!(ages(&world, at(50)).await, [50, 40]);
    lower_limit(record, &lowered(Some(at(100)))).await.unwrap();
    let ends = OperatorHold { until: Some(at(100)), ..operator_hold(at(10)) };
    hold_template(record, "one", &ends).await.unwrap();
    assert_eq!(ages(&world, at(50)).await, [0, 30]);
    assert_eq!(ages(&world, at(100)).await, [0, 80]);
    assert_eq!(record.now().lowered, None, "the run has ended it");
}

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
    hold_by_operator(record, source, &operator_hold(NOW)).await.unwrap();
    provider.standing_now().sending_enabled = true;
    assert_eq!(run(&world, NOW + MAX_PROBATION).await, (Some(1), 0));
    assert_eq!(record.read().await.unwrap().machine, None);
    release_by_operator(record, source, NOW).await.unwrap();
    assert_eq!(run(&world, NOW).await, (Some(0), 0));
    each_run_publishes_for_how_long_the_limit_is_lowered_and_a_template_held().await;
}
