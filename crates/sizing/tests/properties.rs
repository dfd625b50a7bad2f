//! Every plan is checked, over the whole range of limits, windows and latencies; and the account's rate is kept.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pacer::{Moment, Pacer, SendLimit, Share, Slack, Slots, Wait, Window};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use sizing::{MAX_IN_PROGRESS, Plan, StackPlan, Weight, WorkerSettings, divide};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/properties.regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn plan_passes_its_own_check_or_the_error_names_the_problem(
        limit in 1..=2_000_000_u32,
        window in 1..=100_000_u32,
        latency in 0..=11_000_u64,
    ) {
        let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(window).unwrap());
        match Plan::new(limit, window, Duration::from_millis(latency)) {
            Err(error) => prop_assert!(!error.problem().is_empty()),
            Ok(plan) => {
                prop_assert_eq!(plan.settings().check(), Ok(plan.share()));
                prop_assert!(plan.share().total() <= limit.get().into());
                prop_assert!(plan.settings().slack.get() > Duration::from_millis(latency));
                let in_progress = plan.settings().slots.get() * plan.settings().batch_size;
                prop_assert!(in_progress <= MAX_IN_PROGRESS, "SQS delivers nothing beyond: {in_progress}");
                let usable = plan.usable().fraction();
                prop_assert!(usable > 0.0 && usable < 1.0, "{usable}");
            }
        }
    }

    /// The shares of one limit add up to it, so the stacks together keep it, and each has a plan; or the error names a stack.
    #[test]
    fn shares_add_up_to_the_limit_and_each_has_a_plan(
        limit in 1..=2_000_000_u32,
        window in 1..=86_400_u32,
        weights in proptest::collection::vec(1..=1_000_u32, 1..8),
    ) {
        let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(window).unwrap());
        let weights: Vec<Weight> =
            weights.iter().enumerate().map(|(n, weight)| format!("s{n}={weight}").parse().unwrap()).collect();
        match divide(limit, window, Duration::from_millis(60), &weights) {
            Err(error) => {
                let error = error.to_string();
                prop_assert!(weights.iter().any(|weight| error.contains(&weight.stack)), "{error}");
            }
            Ok(stacks) => {
                let share = |stack: &StackPlan| u64::from(stack.plan.settings().limit.get());
                prop_assert_eq!(stacks.iter().map(share).sum::<u64>(), u64::from(limit.get()));
                prop_assert!(stacks.iter().map(|stack| stack.plan.share().total()).sum::<u64>() <= u64::from(limit.get()));
                let total: u64 = weights.iter().map(|weight| u64::from(weight.weight.get())).sum();
                for (stack, weight) in stacks.iter().zip(&weights) {
                    let exact = u64::from(limit.get()) * u64::from(weight.weight.get());
                    prop_assert!(share(stack) * total < exact + total && exact < (share(stack) + 1) * total);
                    prop_assert_eq!(stack.plan.settings().check(), Ok(stack.plan.share()));
                }
            }
        }
    }

    /// At the account's rate, no second contains more emails than it allows, if it allows one per slot.
    #[test]
    fn account_rate_is_kept_per_second_and_never_raises_the_pace(
        (settings, share) in settings(),
        rate in prop_oneof![0.001..2.0, 1.0..100.0, 1.0..1e6],
    ) {
        let Ok(at_rate) = settings.share_at(rate) else {
            // Only because an interval is longer than the longest invocation.
            let slots = f64::from(settings.slots.get());
            let longest = settings.timeout.as_secs_f64();
            prop_assert!(slots / rate + settings.slack.get().as_secs_f64() > longest - 20.0);
            return Ok(());
        };
        prop_assert!(at_rate.interval() >= share.interval());
        prop_assert_eq!((at_rate.slots(), at_rate.slack()), (share.slots(), share.slack()));
        prop_assert!(at_rate.window() >= share.window());
        let (slots, interval) = (f64::from(settings.slots.get()), at_rate.interval());
        prop_assert!(slots / interval.as_secs_f64() <= rate, "on average");
        let per_slot = rate.div_euclid(slots);
        if per_slot >= 1.0 {
            let second = Duration::from_secs(1) + settings.slack.get();
            prop_assert!(interval.as_secs_f64() * per_slot >= second.as_secs_f64() - 1e-6);
        }
    }

    /// A lowered limit never raises the pace, and the error names a limit that works.
    #[test]
    fn limit_is_lowered_or_the_lowest_one_is_named(
        (settings, share) in settings(),
        limit in 1..600_u32,
    ) {
        let lowered = SendLimit::new(limit).unwrap();
        match settings.lowered_to(lowered) {
            Ok(lower) => {
                prop_assert!(lower.interval() >= share.interval());
                prop_assert!(lower.total() <= limit.into() && lower.total() <= share.total());
                prop_assert!(lower.interval() <= settings.timeout);
            }
            Err(why) => {
                let lowest = why.problem().rsplit(' ').next().unwrap().parse().unwrap();
                prop_assert!(lowest > lowered && settings.lowered_to(lowest).is_ok());
                let less = lowest.get() - settings.slots.get();
                let less = SendLimit::new(less).map(|less| settings.lowered_to(less));
                prop_assert!(!matches!(less, Ok(Ok(_))));
            }
        }
    }

    /// A slot whose invocations have different rates keeps its share of the limit: no window contains more arrivals,
    /// each at the worst moment of its attempt.
    #[test]
    fn slot_whose_rate_changes_between_invocations_keeps_the_limit(
        (settings, share) in settings(),
        invocations in proptest::collection::vec(
            (0.01..200.0_f64, proptest::collection::vec(latency(), 1..6)),
            1..30,
        ),
    ) {
        let mut now = Moment::ORIGIN;
        let mut attempts = Vec::new();
        for (rate, latencies) in invocations {
            let Ok(share) = settings.share_at(rate) else { continue };
            let mut pacer = Pacer::new(share, now);
            for latency in latencies {
                let attempt = loop {
                    match pacer.start(now) {
                        Ok(attempt) => break attempt,
                        Err(Wait::Until(then)) => now = then,
                        Err(Wait::ForAttemptEnd) => unreachable!("each ends before the next"),
                    }
                };
                let started = now;
                now = now.plus(latency);
                pacer.end(attempt, now);
                attempts.push((started, now));
            }
        }
        let quota = share.quota() as usize;
        for (n, (_, ended)) in attempts.iter().enumerate() {
            if let Some((started, _)) = attempts.get(n + quota) {
                prop_assert!(*started >= ended.plus(settings.window.get()));
            }
        }
    }
}

fn latency() -> impl Strategy<Value = Duration> {
    prop_oneof![0..300_u64, 0..10_000_u64].prop_map(Duration::from_millis)
}

/// Settings that can send, and their share.
fn settings() -> impl Strategy<Value = (WorkerSettings, Share)> {
    let values = (2_u32..500, 1_u32..100, 1_u32..2_000, 2_u32..100);
    values.prop_filter_map("cannot send", |(limit, window, slack, slots)| {
        let settings = WorkerSettings {
            limit: SendLimit::new(limit).ok()?,
            window: Window::from_secs(window).ok()?,
            slack: Slack::from_millis(slack).ok()?,
            slots: Slots::new(slots).ok()?,
            ..WorkerSettings::defaults().ok()?
        };
        Some((settings, settings.check().ok()?))
    })
}
