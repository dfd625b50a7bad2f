//! When holds begin and end: rates, probation, and services that do not respond.

use super::*;
use crate::hold::{
    Rate,
    decision::{Decision, decide},
};

/// A rate that has been too high, with enough events, since then.
fn high(since: OffsetDateTime) -> Rate {
    Rate { high_since: Some(since), counts_since: Some(since) }
}

#[test]
fn rate_that_was_too_high_at_an_operators_release_does_not_hold_again() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.provider.rates_now().bounces = high(minutes(1));
    assert_eq!(world.watch(minutes(2)).machine.unwrap().cause, HoldCause::BounceRate);
    assert!(world.watch(minutes(3)).in_force(), "a rate changes only by sending");
    world.release_by_operator(minutes(4));
    assert!(!world.watch(minutes(5)).in_force());
    world.provider.rates_now().bounces = high(minutes(4));
    assert!(!world.watch(minutes(5)).in_force(), "the operator has seen it");
    world.provider.rates_now().complaints = high(minutes(6));
    assert_eq!(world.watch(minutes(7)).machine.unwrap().cause, HoldCause::ComplaintRate);
    *world.provider.rates_now() = Rates::default();
    assert!(!world.watch(minutes(8)).in_force(), "the rate has fallen");
    assert!(world.source.is_on_now());
}

#[test]
fn rate_of_few_events_does_not_hold_until_there_are_enough() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.provider.rates_now().complaints = Rate { high_since: Some(NOW), counts_since: None };
    assert!(!world.watch(minutes(1)).in_force(), "one complaint among 1,000 emails");
    world.provider.rates_now().complaints = Rate { high_since: None, counts_since: Some(NOW) };
    assert!(!world.watch(minutes(2)).in_force(), "many complaints among many more emails");
    // Released while the rate was high, and before there were enough complaints.
    world.release_by_operator(minutes(2));
    world.provider.rates_now().complaints =
        Rate { high_since: Some(minutes(1)), counts_since: Some(minutes(3)) };
    assert_eq!(world.watch(minutes(4)).machine.unwrap().cause, HoldCause::ComplaintRate);
    // A day later there are no events in the last 24 hours, because nothing was sent. The rate has not changed.
    world.provider.rates_now().complaints.counts_since = None;
    assert!(world.watch(minutes(1_500)).in_force());
    world.provider.rates_now().complaints.high_since = None;
    assert!(!world.watch(minutes(1_501)).in_force());
}

#[test]
fn rate_is_high_whatever_the_number_of_events() {
    let high = Rate { high_since: Some(NOW), counts_since: None };
    let bounces = Rates { bounces: high, ..Rates::default() };
    let complaints = Rates { complaints: high, ..Rates::default() };
    for cause in HoldCause::ALL {
        assert_eq!(bounces.is_high(cause), cause == HoldCause::BounceRate);
        assert_eq!(complaints.is_high(cause), cause == HoldCause::ComplaintRate);
    }
}

#[test]
fn report_is_recorded_once_per_cause_and_only_of_the_hold_that_was_looked_at() {
    let world = World::default();
    world.place(HoldCause::SendingPaused, NOW);
    let placed = world.holds.now();
    let hold = placed.machine.clone().unwrap();
    let reported = placed.reported(&hold, HoldCause::SendingPaused).unwrap();
    let now = reported.machine.clone().unwrap();
    assert_eq!((now.cause, now.reported), (HoldCause::SendingPaused, true));
    assert_eq!(reported.reported(&now, HoldCause::SendingPaused), None, "known");
    let other = reported.reported(&now, HoldCause::DailyQuota).unwrap().machine.unwrap();
    assert_eq!((other.cause, other.reported), (HoldCause::DailyQuota, true));
    assert_eq!(reported.reported(&hold, HoldCause::DailyQuota), None, "another hold");
}

#[test]
fn report_that_is_known_needs_nothing_and_another_cause_is_recorded() {
    let world = World::default();
    world.provider.standing_now().sending_enabled = false;
    world.place(HoldCause::SendingPaused, NOW);
    let holds = world.watch(NOW);
    assert!(holds.machine.as_ref().unwrap().reported);
    let decide = |standing: &Standing| decide(&holds, Some(standing), None, NOW);
    let paused = Standing { sending_enabled: false, ..healthy() };
    assert_eq!(decide(&paused), Decision::Nothing);
    let shut_down = Standing { shut_down: true, ..healthy() };
    assert_eq!(decide(&shut_down), Decision::Report(HoldCause::AccountSuspended));
}

#[test]
fn refused_email_does_not_replace_a_hold_for_a_rate() {
    let world = World::default();
    world.provider.rates_now().bounces = high(NOW + Duration::from_secs(1));
    world.watch(NOW + Duration::from_mins(1));
    world.place(HoldCause::SendingPaused, NOW + Duration::from_mins(2));
    assert_eq!(world.holds.now().machine.unwrap().cause, HoldCause::BounceRate);
    // The account is found paused when the rate has fallen.
    world.provider.standing_now().sending_enabled = false;
    *world.provider.rates_now() = Rates::default();
    let machine = world.watch(NOW + Duration::from_mins(3)).machine.unwrap();
    assert_eq!((machine.cause, machine.reported), (HoldCause::SendingPaused, true));
}

#[test]
fn hold_that_ses_never_reports_lasts_longer_with_each_relapse() {
    let world = World::default();
    let (mut now, mut lasted) = (NOW, Vec::new());
    for _ in 0..6 {
        let began = now;
        world.place(HoldCause::NotPermitted, now);
        while world.watch(now).in_force() {
            now += Duration::from_mins(1);
        }
        lasted.push((now - began).whole_minutes());
        // Refused again with the next email.
        now += Duration::from_mins(1);
    }
    assert_eq!(lasted, [5, 10, 20, 40, 60, 60]);

    // An email was sent in between, or an operator has looked at it: the first hold is short again.
    for released in [false, true] {
        world.place(HoldCause::NotPermitted, now);
        if released {
            now += Duration::from_mins(1);
            world.release_by_operator(now);
        } else {
            now += MAX_PROBATION;
            assert!(!world.watch(now).in_force());
            now += RELAPSE;
        }
        world.place(HoldCause::NotPermitted, now);
        let machine = world.holds.now().machine.unwrap();
        assert_eq!((machine.earliest_end, machine.relapses), (Some(now + FIRST_PROBATION), 0));
    }
}

#[test]
fn hold_that_ses_has_reported_ends_with_the_report_however_often_it_came_back() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    for n in 0..5 {
        world.provider.standing_now().sending_enabled = false;
        world.place(HoldCause::SendingPaused, minutes(3 * n));
        assert_eq!(world.holds.now().machine.unwrap().relapses, 0, "the probation is not longer");
        assert!(world.watch(minutes(3 * n + 1)).in_force());
        world.provider.standing_now().sending_enabled = true;
        assert!(!world.watch(minutes(3 * n + 2)).in_force());
    }
}

#[test]
fn hold_for_rejections_in_a_row_ends_on_probation() {
    let world = World::default();
    world.place(HoldCause::RejectedInARow, NOW);
    assert_eq!(world.holds.now().probation(NOW), None);
    let ended = NOW + FIRST_PROBATION;
    let holds = world.watch(ended);
    assert_eq!(holds.probation(ended + RELAPSE - Duration::from_secs(1)), Some(ended));
    assert_eq!(holds.probation(ended + RELAPSE), None);
    world.place(HoldCause::RejectedInARow, ended);
    world.release_by_operator(ended);
    assert_eq!(world.holds.now().probation(ended), None, "an operator knows");
}

#[test]
fn outage_of_cloudwatch_ends_no_hold_for_a_rate_and_keeps_no_other() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.place(HoldCause::DailyQuota, NOW);
    world.provider.standing_now().sent_last_24_hours = 200.0;
    world.watch(minutes(1));
    world.provider.standing_now().sent_last_24_hours = 10.0;
    world.provider.calls.fail_operations(&["rates"]);
    let (holds, problems) = world.watch_in_part(minutes(2));
    assert_eq!((holds.unwrap().in_force(), problems), (false, 1));
    assert!(world.source.is_on_now());

    world.provider.calls.succeed();
    world.provider.rates_now().bounces = high(minutes(3));
    world.watch(minutes(3));
    *world.provider.rates_now() = Rates::default();
    world.provider.calls.fail_operations(&["rates"]);
    assert!(world.watch_in_part(minutes(4)).0.unwrap().in_force(), "the rate is not known");
    world.provider.calls.succeed();
    assert!(!world.watch(minutes(5)).in_force());
}

#[test]
fn outage_of_ses_ends_no_hold_that_ses_caused_and_keeps_none_for_a_rate() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.place(HoldCause::SendingPaused, NOW);
    world.provider.calls.fail_operations(&["standing"]);
    let (holds, problems) = world.watch_in_part(NOW + MAX_PROBATION * 2);
    assert_eq!((holds.unwrap().in_force(), problems), (true, 1));
    world.provider.calls.succeed();
    assert!(!world.watch(NOW + MAX_PROBATION * 2).in_force());

    world.provider.rates_now().complaints = high(minutes(200));
    assert!(world.watch(minutes(201)).in_force());
    *world.provider.rates_now() = Rates::default();
    world.provider.calls.fail_operations(&["standing"]);
    assert!(!world.watch_in_part(minutes(202)).0.unwrap().in_force());
}

#[test]
fn outage_of_lambda_records_a_hold_and_an_end_all_the_same() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.source.calls.fail();
    world.provider.rates_now().bounces = high(minutes(1));
    let (holds, problems) = world.watch_in_part(minutes(2));
    assert_eq!((holds.unwrap().in_force(), problems), (true, 1), "workers read the record");
    *world.provider.rates_now() = Rates::default();
    let (holds, problems) = world.watch_in_part(minutes(3));
    assert_eq!((holds.unwrap().in_force(), problems), (false, 2));
    world.source.calls.succeed();
    world.watch(minutes(4));
    assert!(world.source.is_on_now());
}

#[test]
fn run_that_cannot_read_the_record_knows_nothing() {
    let world = World::default();
    world.place(HoldCause::DailyQuota, NOW);
    world.holds.calls.fail();
    assert_eq!(world.watch_in_part(NOW), (None, 1));
    assert!(!world.source.is_on_now());
}

#[test]
fn decided_end_does_not_end_another_hold_that_has_taken_its_place() {
    let world = World::default();
    world.place(HoldCause::DailyQuota, NOW);
    let decided = world.holds.now().machine.unwrap();
    world.place(HoldCause::NotPermitted, NOW);
    let ended = alone(end(&world.holds, &world.source, &decided, NOW)).unwrap();
    assert!(matches!(ended, Changed::Nothing(_)), "{ended:?}");
    assert_eq!(world.holds.now().machine.unwrap().cause, HoldCause::NotPermitted);
}

/// What happens in a minute.
#[derive(Debug, Clone)]
struct Minute {
    refused: Option<HoldCause>,
    paused: bool,
    rate: bool,
    /// The calls that fail.
    down: &'static [&'static str],
}

fn minute() -> impl Strategy<Value = Minute> {
    let causes: Vec<_> = HoldCause::ALL.into_iter().filter(|cause| !cause.is_rate()).collect();
    let refused = proptest::option::weighted(0.1, proptest::sample::select(causes));
    let seldom = || proptest::bool::weighted(0.2);
    let down: &[&[&str]] = &[&[], &[], &["rates"], &["standing"], &["rates", "standing"]];
    (refused, seldom(), seldom(), proptest::sample::select(down))
        .prop_map(|(refused, paused, rate, down)| Minute { refused, paused, rate, down })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Hours of refusals, reports, rates and outages, a minute each. A hold ends neither before its probation is over
    /// nor while its cause is reported or not known, and no later than an hour after that. So no refusal is looked
    /// for more than once in 5 minutes, and no hold is forgotten.
    #[test]
    fn hold_ends_neither_too_early_nor_never(minutes in proptest::collection::vec(minute(), 1..400)) {
        let world = World::default();
        let mut now = NOW;
        for minute in minutes {
            now += Duration::from_mins(1);
            if let Some(cause) = minute.refused {
                // Workers that still have a batch find the same.
                world.place(cause, now);
            }
            *world.provider.standing_now() = Standing { sending_enabled: !minute.paused, ..healthy() };
            world.provider.rates_now().bounces = if minute.rate { high(now) } else { Rate::default() };
            world.provider.calls.fail_operations(minute.down);
            let before = world.holds.now().machine;
            world.watch_in_part(now);
            let after = world.holds.now().machine;
            let knows = |what| !minute.down.contains(&what);
            if let (Some(before), None) = (&before, &after) {
                if before.cause.is_rate() {
                    prop_assert!(knows("rates") && !minute.rate, "{before:?}");
                } else {
                    prop_assert!(knows("standing") && !minute.paused, "{before:?}");
                    prop_assert!(before.reported || before.earliest_end.is_some_and(|end| end <= now));
                }
            }
            if let Some(hold) = &after {
                prop_assert!(hold.earliest_end.is_none_or(|end| end <= now + MAX_PROBATION));
                let is_over = knows("standing") && knows("rates") && !minute.paused && !minute.rate;
                let is_due = hold.reported || hold.earliest_end.is_none_or(|end| end <= now);
                prop_assert!(!is_over || !is_due, "{hold:?} is forgotten");
            }
        }
    }
}
