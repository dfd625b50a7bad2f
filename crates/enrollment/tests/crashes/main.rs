//! The crash matrix: every call of the request, the webhook, the resumer and the worker is two
//! numbered points. Tasks are killed at every point, at every pair of points, and at random among
//! concurrent duplicates, over more than the 24 hours for which the provider keeps idempotency keys.
//! Afterwards the resumer runs and the invariants must hold: never two charges at the same time; every
//! charge granted, paid back or reported; never access without its one email; never two enrollments.
//!
//! `CRASH_SEED=n cargo test -p registrar-enrollment --test crashes` replays one random schedule.

#![allow(clippy::unwrap_used, reason = "a test")]

mod invariants;
mod tasks;

use std::{collections::BTreeSet, time::Duration};

use enrollment::{
    Course, Deadline, Enrolled, enroll,
    enrollment::{EnrollmentState, REPORT_STUCK_EVERY},
    operator::RefundChoice,
    testing::{Bank, Deed, Dice, KEY_LIFETIME, Missing, Refunds, World, waits_for_operator},
};
use invariants::check;
use serde_json::json;
use tasks::{
    CARD_OF_CORRECTED_NAME, CARD_OF_LATE_REQUEST, START, Task, acts, asks, offers, poll, request,
    resumes, run, webhook, works,
};
use time::OffsetDateTime;

const SEEDS: u64 = 20_000;

fn course(price: u32) -> Course {
    serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap()
}

/// The same with one seat.
fn course_with_seat(price: u32) -> Course {
    Course { seats: Some(1.try_into().unwrap()), ..course(price) }
}

fn world(price: u32, bank: Bank) -> World {
    World::new([course(price)], bank)
}

/// The resumer and the worker, until nothing is left to do. A payment that the bank processes has a
/// result after a day.
fn recover(world: &World, from: OffsetDateTime, succeeds: bool) {
    world.unreliable(None);
    world.refuse_us(false);
    let mut now = from;
    for _ in 0..1_000 {
        let unfinished = world.enrollments().into_iter();
        let unfinished = unfinished.filter(|found| !waits_for_operator(found));
        let Some(next) = unfinished.filter_map(|found| found.resume_at).max() else { break };
        now = (now + Duration::from_mins(1)).max(next);
        world.set_time(now);
        if now - from > KEY_LIFETIME {
            world.bank_decides(succeeds);
        }
        run(resumes(world, now), u32::MAX);
    }
    // What is stuck is reported by the resumer too.
    run(resumes(world, now + REPORT_STUCK_EVERY), u32::MAX);
    run(works(world), u32::MAX);
}

const BANKS: [Bank; 6] = [
    Bank::Accepts,
    Bank::Declines,
    Bank::DeclinesOnce,
    Bank::AsksTheStudent,
    Bank::DoesNotKnowTheCard,
    Bank::Processes,
];

const OTHER_CARDS: [&str; 3] = [CARD_OF_CORRECTED_NAME, CARD_OF_LATE_REQUEST, "pm_5"];

const REFUNDS: [Refunds; 3] = [Refunds::SucceedAtOnce, Refunds::SucceedLater, Refunds::FailOnce];

fn price_and_bank() -> impl Iterator<Item = (u32, Bank)> {
    BANKS.into_iter().map(|bank| (4900, bank)).chain([(0, Bank::Accepts)])
}

#[test]
fn request_killed_at_any_point_is_finished() {
    for (price, bank) in price_and_bank() {
        for point in 0..40 {
            let world = world(price, bank);
            run(asks(&world, "pm_1", START), point);
            recover(&world, START, true);
            check(&world).unwrap_or_else(|why| panic!("{bank:?}, point {point}: {why}"));
        }
    }
}

/// The last seat, while somebody else wants it too: before, between and after the tasks.
#[test]
fn last_seat_is_held_by_one_whatever_is_killed() {
    type Second = fn(&World) -> Task<'_>;
    let later = START + Duration::from_hours(2);
    let seconds: [Second; 5] = [
        |world| asks(world, "pm_1", START + Duration::from_mins(1)),
        |world| asks(world, "pm_2", START + Duration::from_mins(1)),
        |world| resumes(world, START + Duration::from_hours(2)),
        |world| webhook(world, START),
        |world| acts(world, Deed::Unenroll(RefundChoice::Full), START),
    ];
    let (mut held, mut refused) = (0, 0);
    for (price, bank) in price_and_bank() {
        for (second, i) in seconds.iter().flat_map(|second| (0..24).map(move |i| (second, i))) {
            for j in 0..28 {
                let world = World::new([course_with_seat(price)], bank);
                let id = course(0).id;
                let other = |when| {
                    if j % 4 == when && !world.other_takes_seat(&id) && when == 2 {
                        world.other_leaves(&id);
                    }
                };
                other(0);
                run(asks(&world, "pm_1", START), i);
                other(1);
                run(second(&world), j);
                other(2);
                world.check_seats().unwrap();
                recover(&world, later, j % 2 == 0);
                check(&world).unwrap_or_else(|why| panic!("{bank:?} at {i} and {j}: {why}"));
                match world.enrollments().pop() {
                    Some(found) => {
                        assert_eq!(found.seat, found.state.keeps_seat(), "{:?}", found.state);
                        held += usize::from(found.seat);
                    }
                    None => refused += 1,
                }
            }
        }
    }
    assert!(held > 100 && refused > 100, "{held} {refused}");
}

#[test]
fn request_and_second_task_killed_at_any_two_points_are_finished() {
    type Second = fn(&World) -> Task<'_>;
    let day_later = START + KEY_LIFETIME + Duration::from_hours(1);
    let seconds: [(&str, OffsetDateTime, Second); 8] = [
        ("the request again", START, |world| asks(world, "pm_1", START)),
        ("another card", START, |world| asks(world, "pm_2", START)),
        ("the request a minute later", START, |world| {
            asks(world, "pm_1", START + Duration::from_mins(1))
        }),
        ("another card a day later", day_later, |world| {
            asks(world, "pm_2", START + KEY_LIFETIME + Duration::from_hours(1))
        }),
        ("the resumer", START, |world| resumes(world, START + Duration::from_hours(2))),
        ("the resumer a day later", day_later, |world| {
            resumes(world, START + KEY_LIFETIME + Duration::from_hours(1))
        }),
        ("the webhook", START, |world| webhook(world, START)),
        ("the worker", START, works),
    ];
    for (price, bank) in price_and_bank() {
        for (name, at, second) in seconds {
            for (deleted, acted) in [(false, false), (true, false), (false, true)] {
                for (i, j) in (0..28).flat_map(|i| (0..32).map(move |j| (i, j))) {
                    let world = world(price, bank);
                    world.set_refunds(REFUNDS[(i + j) as usize % REFUNDS.len()]);
                    run(asks(&world, "pm_1", START), i);
                    if deleted {
                        world.delete_courses();
                    }
                    if acted {
                        world.student_acts();
                    }
                    world.set_time(at);
                    run(second(&world), j);
                    recover(&world, at, j % 2 == 0);
                    check(&world).unwrap_or_else(|why| {
                        panic!("{bank:?}, request at {i}, {name} at {j}, deleted {deleted}: {why}")
                    });
                }
            }
        }
    }
}

/// A refund, killed at any two points, with the student asking again.
#[test]
fn refund_killed_at_any_two_points_is_finished() {
    for refunds in REFUNDS {
        for (i, j) in (0..24).flat_map(|i| (0..24).map(move |j| (i, j))) {
            let world = world(4900, Bank::Accepts);
            world.set_refunds(refunds);
            // The request is killed before it writes the grant.
            run(asks(&world, "pm_1", START), 11);
            world.delete_courses();
            let at = |minutes| START + Duration::from_mins(minutes);
            run(resumes(&world, at(2)), i);
            run(resumes(&world, at(4)), j);
            run(offers(&world, course(5900)), u32::MAX);
            run(asks(&world, "pm_2", at(5)), i + j);
            recover(&world, at(5), true);
            check(&world).unwrap_or_else(|why| panic!("{refunds:?} at {i} and {j}: {why}"));
        }
    }
}

/// Brings the enrollment into each state that an operator may find, by requests and operators.
fn prepared(before: &str, refunds: Refunds) -> World {
    let bank = if before == "waiting" { Bank::AsksTheStudent } else { Bank::Accepts };
    let world = world(if before == "free" { 0 } else { 4900 }, bank);
    world.set_refunds(refunds);
    let all = u32::MAX;
    match before {
        "new" => {}
        "pending" => run(asks(&world, "pm_1", START), 9),
        "failed" => {
            world.set_bank(Bank::Declines);
            run(asks(&world, "pm_1", START), all);
        }
        "stuck" | "stuck and unpaid" => {
            if before == "stuck" {
                world.set_bank(Bank::Processes);
                run(asks(&world, "pm_1", START), all);
                world.bank_decides(true);
                world.set_livemode(false);
            } else {
                world.set_bank(Bank::AsksTheStudent);
                run(asks(&world, "pm_1", START), all);
                world.set_livemode(false);
                run(asks(&world, "pm_1", START), all);
            }
            run(resumes(&world, START + REPORT_STUCK_EVERY), all);
            let state = world.enrollments().pop().unwrap().state;
            assert_eq!(state, EnrollmentState::Stuck, "{before}");
        }
        "unenrolled" => {
            run(asks(&world, "pm_1", START), all);
            run(works(&world), all);
            run(acts(&world, Deed::Unenroll(RefundChoice::None), START), all);
        }
        _ => run(asks(&world, "pm_1", START), all),
    }
    world
}

const BEFORE: [&str; 9] = [
    "new",
    "free",
    "pending",
    "failed",
    "waiting",
    "stuck",
    "stuck and unpaid",
    "active",
    "unenrolled",
];

/// An operator's action is killed at any point, and then repeated, beside the resumer, which is killed too;
/// the student acts, and enrolls again.
#[test]
fn operators_action_killed_at_any_point_is_finished_by_its_repetition() {
    let minutes = |minutes| START + Duration::from_hours(2) + Duration::from_mins(minutes);
    let mut done = BTreeSet::new();
    for before in BEFORE {
        for (deed, refunds) in
            Deed::ALL.into_iter().flat_map(|deed| REFUNDS.map(|each| (deed, each)))
        {
            for (i, j) in (0..6).flat_map(|i| (0..20).map(move |j| (i, j))) {
                let world = prepared(before, refunds);
                run(acts(&world, deed, minutes(0)), i);
                if j % 3 == 0 {
                    world.student_acts();
                }
                run(resumes(&world, minutes(1)), j);
                run(acts(&world, deed, minutes(2)), u32::MAX);
                run(resumes(&world, minutes(3)), u32::MAX);
                if j % 2 == 0 {
                    run(asks(&world, "pm_2", minutes(4)), i + j);
                }
                recover(&world, minutes(5), true);
                check(&world).unwrap_or_else(|why| {
                    panic!("{before}, {deed:?} at {i}, resumer at {j}, {refunds:?}: {why}")
                });
                let history = world.enrollments().into_iter().flat_map(|found| found.history);
                done.extend(history.map(|entry| entry.what.to_string()));
            }
        }
    }
    let kinds = [
        "granted",
        "unenrolled",
        "unenrolled_with_refund",
        "refund_started",
        "name_and_address_corrected",
        "email_resent",
        "resolved_by_grant",
        "resolved_by_refund",
        "resolved_by_failing",
        "not_failed",
        "not_refunded",
    ];
    assert!(kinds.iter().all(|kind| done.contains(*kind)), "{done:?}");
}

/// Two actions of operators, one after the other and at once.
#[test]
fn any_two_actions_of_operators_keep_the_invariants() {
    let at = |minutes| START + Duration::from_hours(2) + Duration::from_mins(minutes);
    for before in BEFORE {
        for (first, second) in
            Deed::ALL.into_iter().flat_map(|one| Deed::ALL.map(|other| (one, other)))
        {
            for resumed_between in [0, 3, 9, u32::MAX] {
                let world = prepared(before, Refunds::SucceedLater);
                let late = acts(&world, second, at(0));
                run(acts(&world, first, at(0)), u32::MAX);
                run(resumes(&world, at(1)), resumed_between);
                // It names the attempt that there was before the first one.
                run(late, u32::MAX);
                run(acts(&world, second, at(2)), u32::MAX);
                recover(&world, at(3), true);
                check(&world).unwrap_or_else(|why| {
                    panic!(
                        "{before}, {first:?} then {second:?}, resumer at {resumed_between}: {why}"
                    )
                });
            }
        }
    }
}

/// What a random schedule lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacks {
    Nothing,
    Rule(Missing),
    Resumer,
    /// No event is handled, though there are charges outside of the rules.
    Webhook,
}

/// Everything concurrently: duplicates of the request, other cards, the webhook with events of any age,
/// two resumers, the worker, the student at the bank, other prices; unreliable calls; kills at any
/// point; days that pass.
fn schedule(seed: u64, lacks: Lacks) -> Result<(), String> {
    let mut dice = Dice(seed);
    let bank = BANKS[usize::try_from(dice.roll(6)).unwrap()];
    let price = if dice.roll(6) == 0 { 0 } else { 4900 };
    let course = if dice.roll(2) == 0 { course } else { course_with_seat };
    let world = World::new([course(price)], bank);
    let id = course(price).id;
    world.set_refunds(REFUNDS[usize::try_from(dice.roll(3)).unwrap()]);
    if let Lacks::Rule(rule) = lacks {
        world.remove(rule);
    }
    if dice.roll(2) == 0 {
        world.unreliable(Some(Dice(seed ^ 0xA5A5)));
    }
    let operators = dice.roll(2) == 0;
    let with_events = lacks != Lacks::Webhook;
    let outside = dice.roll(8) == 0 || lacks == Lacks::Webhook;
    let mut now = START;
    let mut tasks: Vec<Task<'_>> = vec![asks(&world, "pm_1", now), asks(&world, "pm_1", now)];
    for _ in 0..12 {
        now += match dice.roll(12) {
            0 => KEY_LIFETIME + Duration::from_hours(1),
            1 => Duration::from_hours(2),
            _ => Duration::from_secs(dice.roll(70)),
        };
        world.set_time(now);
        for _ in 0..dice.roll(3) {
            tasks.push(match dice.roll(if operators { 11 } else { 8 }) {
                8.. => acts(&world, Deed::ALL[usize::try_from(dice.roll(10)).unwrap()], now),
                0 | 1 => asks(&world, "pm_1", now),
                2 => asks(&world, "pm_2", now),
                3 => asks(&world, OTHER_CARDS[usize::try_from(dice.roll(3)).unwrap()], now),
                4 if with_events => webhook(&world, now),
                5 | 6 if lacks != Lacks::Resumer => resumes(&world, now),
                _ => works(&world),
            });
        }
        for _ in 0..dice.roll(40) {
            if tasks.is_empty() {
                break;
            }
            let chosen = usize::try_from(dice.roll(tasks.len() as u64)).unwrap();
            if dice.roll(40) == 0 || poll(&mut tasks[chosen]) {
                drop(tasks.swap_remove(chosen));
            }
        }
        world.check_seats()?;
        match dice.roll(20) {
            9 => drop(world.other_takes_seat(&id)),
            10 => world.other_leaves(&id),
            0 => world.student_acts(),
            1 => world.delete_courses(),
            2 => run(offers(&world, course(price)), u32::MAX),
            3 if price > 0 => run(offers(&world, course(5900)), u32::MAX),
            4 => world.bank_decides(dice.roll(2) == 0),
            5 => world.refuse_us(true),
            6 => world.refuse_us(false),
            8 if dice.roll(4) == 0 => world.set_livemode(false),
            7 if outside && price > 0 => {
                // Of this attempt or an earlier one: attempts are numbered before they are charged.
                let payment = world.enrollments().pop().and_then(|found| found.payment);
                let attempts = payment.map_or(0, |payment| payment.attempt);
                let attempt = u32::try_from(dice.roll(u64::from(attempts) + 1)).unwrap();
                world.charge_outside(attempt, course(4900).price);
            }
            _ => {}
        }
    }
    drop(tasks);
    // The student may act even now, with the secret that is still on a screen.
    if dice.roll(2) == 0 {
        world.student_acts();
    }
    if lacks != Lacks::Resumer {
        recover(&world, now, dice.roll(2) == 0);
    }
    if with_events && outside {
        // The provider repeats its events for days.
        world.unreliable(None);
        world.refuse_us(false);
        run(webhook(&world, now), u32::MAX);
        if lacks != Lacks::Resumer {
            recover(&world, now, true);
        }
    }
    run(works(&world), u32::MAX);
    check(&world)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "replays one schedule for a developer")]
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
fn a_removed_rule_breaks_an_invariant() {
    for lacks in [
        Lacks::Rule(Missing::ConditionalInsert),
        Lacks::Rule(Missing::ConditionalSave),
        Lacks::Rule(Missing::IntentWrite),
        Lacks::Rule(Missing::FreeSeat),
        Lacks::Rule(Missing::SeatRelease),
        Lacks::Rule(Missing::CancelBeforeRetry),
        Lacks::Rule(Missing::RefundOnce),
        Lacks::Rule(Missing::RefundResult),
        Lacks::Resumer,
        Lacks::Webhook,
    ] {
        let noticed = (0..SEEDS).any(|seed| schedule(seed, lacks).is_err());
        assert!(noticed, "nothing noticed that this is missing: {lacks:?}");
    }
}

#[test]
fn undisturbed_request_makes_no_more_calls_than_needed() {
    // The seats cost one read: they are taken in the write of the enrollment.
    for (course, points) in [
        (course(0), 8),
        (course(4900), 16),
        (course_with_seat(0), 10),
        (course_with_seat(4900), 18),
    ] {
        let world = World::new([course], Bank::Accepts);
        let ports = world.ports();
        let mut enrolled = None;
        let request = async {
            let left = || Duration::from_secs(29);
            let deadline = Deadline::new(&left);
            enrolled = Some(enroll(&ports, request("pm_1"), START, deadline).await);
        };
        run(Box::pin(request), u32::MAX);
        assert!(matches!(enrolled, Some(Ok(Enrolled::New(_)))));
        assert_eq!(world.points(), points, "the hot path makes no other call");
        assert!(
            world.enrollments().iter().all(|found| found.resume_at.is_none()),
            "and is finished"
        );
    }
}

#[test]
fn undisturbed_event_leaves_the_resumer_nothing_to_do() {
    let world = world(4900, Bank::Processes);
    run(asks(&world, "pm_1", START), u32::MAX);
    world.bank_decides(true);
    run(webhook(&world, START), u32::MAX);
    let enrollment = world.enrollments().pop().unwrap();
    assert_eq!((enrollment.state, enrollment.resume_at), (EnrollmentState::Active, None));
    assert_eq!(world.jobs().len(), 1);
}

/// The student has access and the email job; the resumer tidies up.
#[test]
fn enrollment_that_could_not_be_taken_out_of_the_index_is_finished_by_the_resumer() {
    let world = world(0, Bank::Accepts);
    run(asks(&world, "pm_1", START), 6);
    assert_eq!(world.jobs().len(), 1);
    assert!(world.enrollments().iter().all(|found| found.resume_at.is_some()));
    run(works(&world), u32::MAX);
    recover(&world, START, true);
    check(&world).unwrap();
    assert!(world.enrollments().iter().all(|found| found.resume_at.is_none()));
}
