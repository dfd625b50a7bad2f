//! The crash matrix over the real client and the stand-in that behaves as Stripe's documentation says.
//! Tasks are killed at every point, at every pair of points, and at random among concurrent duplicates,
//! late and repeated events, other cards, days that pass, and failures of Stripe. Afterwards the resumer
//! runs, and the invariants of `World::check` must hold.
//!
//! `CRASH_SEED=n cargo test -p crashes --test matrix` replays one random schedule.

#![allow(clippy::unwrap_used, reason = "a test")]

mod schedule;

use crashes::{Broken, Task, World, run};
use enrollment::{operator::RefundChoice, outside::AccessAfterRefund, testing::Deed};
use schedule::{Lacks, schedule};
use stripe::testing::{Card, Decline, Fault, KEPT_FOR, Rule};
use time::{Duration, OffsetDateTime};

const CARDS: [Card; 6] = [
    Card::Accepted,
    Card::Declined(Decline::INSUFFICIENT_FUNDS),
    Card::Authenticated,
    Card::AuthenticatedThenDeclined(Decline::GENERIC),
    Card::Processing,
    Card::RefundPending,
];

/// What a request asks Stripe for.
const CALLS: [(&str, &str); 4] = [
    ("POST", "/v1/payment_intents"),
    ("GET", "/v1/payment_intents/*"),
    ("POST", "/v1/payment_intents/*/confirm"),
    ("POST", "/v1/payment_intents/*/cancel"),
];

const FAULTS: [Fault; 12] = [
    Fault::SilenceBefore,
    Fault::SilenceAfter,
    Fault::Slow(Duration::seconds(40)),
    Fault::Late(Duration::minutes(5)),
    Fault::ErrorBefore(500),
    Fault::ErrorAfter(500),
    Fault::ErrorBefore(503),
    Fault::ErrorAfter(503),
    Fault::LockTimeout,
    Fault::DependencyFailed,
    Fault::KeyInUse,
    Fault::Unauthorized,
];

#[test]
fn request_killed_at_any_point_is_finished() {
    for card in CARDS {
        for point in 0..24 {
            let world = World::new(4900, card);
            run(world.asks("pm_1", world.start), point);
            world.recover(world.start, true, true);
            world.check().unwrap_or_else(|why| panic!("{card:?}, point {point}: {why}"));
        }
    }
}

/// Each failure of each call of the request, whatever comes next, and the failure of the same call again.
#[test]
fn any_failure_of_any_call_is_survived_and_the_student_can_go_on() {
    for card in [Card::Accepted, Card::Declined(Decline::GENERIC), Card::Authenticated] {
        for (method, path) in CALLS {
            for fault in FAULTS {
                for times in [1, 2] {
                    let world = World::new(4900, card);
                    let rule = Rule::next(fault).on(method, path).times(times);
                    world.account(|account| account.inject(rule));
                    run(world.asks("pm_1", world.start), u32::MAX);
                    run(world.asks("pm_1", world.start), u32::MAX);
                    run(world.asks("pm_2", world.start), u32::MAX);
                    let later = world.later(Duration::minutes(2));
                    world.set_time(later);
                    world.account(stripe::testing::Account::clear_faults);
                    run(world.resumes(later), u32::MAX);
                    run(world.asks("pm_3", later), u32::MAX);
                    world.recover(later, true, true);
                    let failed = format!("{card:?}, {fault:?} of {method} {path}, {times} times");
                    world.check().unwrap_or_else(|why| panic!("{failed}: {why}"));
                    assert_eq!(world.kept(), 1, "{failed}: the student could not go on");
                }
            }
        }
    }
}

#[test]
fn request_and_second_task_killed_at_any_two_points_are_finished() {
    type Second = fn(&World, OffsetDateTime) -> Task<'_>;
    let day = KEPT_FOR + Duration::hours(1);
    let seconds: [(&str, Duration, Second); 7] = [
        ("the request again", Duration::ZERO, |world, at| world.asks("pm_1", at)),
        ("another card", Duration::ZERO, |world, at| world.asks("pm_2", at)),
        ("another card a minute later", Duration::MINUTE, |world, at| world.asks("pm_2", at)),
        ("another card a day later", day, |world, at| world.asks("pm_2", at)),
        ("the resumer", Duration::hours(2), World::resumes),
        ("the resumer a day later", day, World::resumes),
        ("the webhook", Duration::ZERO, |world, at| world.receives(world.events(), at)),
    ];
    for card in CARDS {
        for (name, after, second) in seconds {
            for deleted in [false, true] {
                for (i, j) in (0..15).flat_map(|i| (0..17).map(move |j| (i, j))) {
                    let world = World::new(4900, card);
                    run(world.asks("pm_1", world.start), i);
                    if deleted {
                        world.tables.delete_courses();
                    }
                    let at = world.start + after;
                    world.set_time(at);
                    if (i + j) % 3 == 0 {
                        world.student_acts(true);
                    }
                    run(second(&world, at), j);
                    world.recover(at, j % 2 == 0, true);
                    world.check().unwrap_or_else(|why| {
                        panic!("{card:?}, request at {i}, {name} at {j}, deleted {deleted}: {why}")
                    });
                }
            }
        }
    }
}

/// An operator's action is killed at any point and repeated, and the resumer carries it out, killed at any point
/// too, while Stripe's refunds succeed, wait or fail.
#[test]
fn operators_action_killed_at_any_point_is_finished_by_its_repetition() {
    let mut refunded = 0;
    for card in [Card::Accepted, Card::RefundPending, Card::Authenticated] {
        for deed in Deed::ALL {
            for (i, j) in (0..6).flat_map(|i| (0..14).map(move |j| (i, j))) {
                let world = World::new(4900, card);
                run(world.asks("pm_1", world.start), u32::MAX);
                run(world.works(), u32::MAX);
                let at = world.later(Duration::minutes(2));
                world.set_time(at);
                run(world.acts(deed, at), i);
                run(world.resumes(at), j);
                run(world.acts(deed, at), u32::MAX);
                let later = world.later(Duration::minutes(2));
                world.set_time(later);
                run(world.asks("pm_2", later), if j % 2 == 0 { i + j } else { 0 });
                world.recover(later, true, true);
                world.check().unwrap_or_else(|why| {
                    panic!("{card:?}, {deed:?} at {i}, resumer at {j}: {why}")
                });
                let first = world.intents().first().map(|id| id.parse().unwrap());
                refunded += usize::from(first.is_some_and(|id| !world.refunds(&id).is_empty()));
            }
        }
    }
    assert!(refunded > 100, "only {refunded} were paid back");
}

/// Somebody refunds at Stripe, or a dispute is lost, while an operator may refund too. The events arrive late, are
/// killed at any point and repeated, and so is the resumer.
#[test]
fn refund_or_dispute_at_stripe_killed_at_any_point_is_recorded_and_nothing_is_paid_back_twice() {
    for access in [AccessAfterRefund::Keep, AccessAfterRefund::Revoke] {
        for outside in ["part", "all", "won", "lost"] {
            for deed in [None, Some(Deed::Refund), Some(Deed::Unenroll(RefundChoice::Full))] {
                for (i, j) in (0..10).flat_map(|i| (0..14).map(move |j| (i, j))) {
                    let mut world = World::new(4900, Card::Accepted);
                    world.access = access;
                    run(world.asks("pm_1", world.start), u32::MAX);
                    run(world.works(), u32::MAX);
                    let at = world.later(Duration::minutes(2));
                    world.set_time(at);
                    let acts = |world: &World| {
                        if let Some(deed) = deed {
                            run(world.acts(deed, at), u32::MAX);
                        }
                    };
                    if j % 2 == 0 {
                        acts(&world);
                    }
                    let intent = world.intents().remove(0);
                    world.account(|account| match outside {
                        "part" => assert!(account.refund_in_dashboard(&intent, Some(900))),
                        "all" => assert!(account.refund_in_dashboard(&intent, None)),
                        end => {
                            let dispute = account.dispute(&intent).unwrap();
                            assert!(account.close_dispute(&dispute, end));
                        }
                    });
                    run(world.receives(world.events(), at), i);
                    run(world.resumes(at), j);
                    let reversed = world.events().into_iter().rev().collect();
                    run(world.receives(reversed, at), i + j);
                    if j % 2 == 1 {
                        acts(&world);
                    }
                    // Stripe repeats what was not acknowledged.
                    run(world.receives(world.events(), at), u32::MAX);
                    world.recover(at, true, true);
                    let case =
                        format!("{access:?}, {outside}, {deed:?}, event at {i}, resumer at {j}");
                    world.check().unwrap_or_else(|why| panic!("{case}: {why}"));
                    let made = world.refunds(&intent.parse().unwrap()).len();
                    let most = if outside == "part" { 2 } else { 1 };
                    assert!(made <= most, "{case}: {made} refunds");
                }
            }
        }
    }
}

/// Case C07, at Stripe: the payment is pending for 21 hours and more, and every key is forgotten.
#[test]
fn payment_that_succeeded_a_day_ago_is_granted_by_the_resumer_and_by_the_request() {
    for hours in [21, 25, 24 * 40] {
        for asks in [false, true] {
            let world = World::new(4900, Card::Accepted);
            // Killed between the charge and the grant.
            let grant = (0..24).rfind(|point| {
                let world = World::new(4900, Card::Accepted);
                run(world.asks("pm_1", world.start), *point);
                let state = world.tables.enrollments().pop().map(|found| found.resume_at);
                world.kept() == 1 && state.is_some() && world.tables.jobs().is_empty() && {
                    let found = world.tables.enrollments().pop().unwrap();
                    found.state == enrollment::enrollment::EnrollmentState::PaymentPending
                }
            });
            run(world.asks("pm_1", world.start), grant.expect("there is such a point"));
            let later = world.start + Duration::hours(hours);
            world.set_time(later);
            let task = if asks { world.asks("pm_1", later) } else { world.resumes(later) };
            run(task, u32::MAX);
            let state = world.tables.enrollments().pop().unwrap().state;
            assert_eq!(state, enrollment::enrollment::EnrollmentState::Active, "{hours} h");
            world.recover(later, true, true);
            world.check().unwrap();
            assert_eq!(world.kept(), 1);
        }
    }
}

#[test]
fn refund_that_fails_after_it_succeeded_is_reported() {
    let reported = |point| {
        let world = World::new(4900, Card::RefundFails);
        run(world.asks("pm_1", world.start), point);
        world.tables.delete_courses();
        world.recover(world.start, true, true);
        let later = world.later(Duration::hours(1));
        world.set_time(later);
        let failed = world.events().into_iter().any(|event| event.kind == "refund.failed");
        run(world.receives(world.events(), later), u32::MAX);
        world.check().unwrap_or_else(|why| panic!("point {point}: {why}"));
        failed && world.kept() == 1
    };
    assert!((0..24).filter(|point| reported(*point)).count() > 0, "no refund failed");
}

const SEEDS: u64 = 5_000;

#[test]
fn random_schedules_keep_the_invariants() {
    let seeds = match std::env::var("CRASH_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("CRASH_SEED is a whole number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        if let Err(why) = schedule(seed, Lacks::Nothing) {
            panic!("{why}; replay it with CRASH_SEED={seed}");
        }
    }
}

#[test]
fn a_removed_rule_is_noticed() {
    use enrollment::testing::Missing;
    for lacks in [
        Lacks::Table(Missing::ConditionalInsert),
        Lacks::Table(Missing::ConditionalSave),
        Lacks::Table(Missing::FreeSeat),
        Lacks::Table(Missing::SeatRelease),
        Lacks::Client(Broken::WriteBeforeConfirm),
        Lacks::Client(Broken::CancelFirst),
        Lacks::Client(Broken::RefundsAreReal),
        Lacks::Client(Broken::RefundsAreRead),
        Lacks::Client(Broken::StatusIsRead),
        Lacks::Resumer,
    ] {
        let noticed = (0..SEEDS).any(|seed| schedule(seed, lacks).is_err());
        assert!(noticed, "nothing noticed that this is missing: {lacks:?}");
    }
}

#[test]
fn undisturbed_request_calls_stripe_twice() {
    let world = World::new(4900, Card::Accepted);
    run(world.asks("pm_1", world.start), u32::MAX);
    let calls = world.line.calls.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((calls, world.kept()), (2, 1), "create and confirm");
}
