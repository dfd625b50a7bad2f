//! The crash matrix: every call of the request, the webhook, the resumer and the worker is two
//! numbered points. Tasks are killed at every point, at every pair of points, and at random among
//! concurrent duplicates. Afterwards the resumer runs and the invariants must hold: never two charges,
//! never a charge without access, never access without its one email, never two enrollments.
//!
//! `CRASH_SEED=n cargo test -p registrar-enrollment --test crashes` replays one random schedule.

#![allow(clippy::unwrap_used, reason = "a test")]

mod invariants;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use enrollment::{
    Course, EnrollRequest, Enrolled, enroll,
    payment::GIVE_UP_AFTER,
    ports::FindEnrollment,
    resume, settle_intent,
    testing::{Bank, Dice, Missing, World},
};
use invariants::check;
use serde_json::{Value, json};
use time::OffsetDateTime;
use unavailable::Unavailable;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const SEEDS: u64 = 20_000;

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn world(price: u32, bank: Bank) -> World {
    let course: Course = serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap();
    World::new([course], bank)
}

fn request(method: &str) -> EnrollRequest {
    let Value::Object(body) = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": "Ada",
        "payment_method": method,
    }) else {
        unreachable!("the literal is an object")
    };
    EnrollRequest::from_fields(&body).unwrap()
}

fn asks<'a>(world: &'a World, method: &'a str, at: OffsetDateTime) -> Task<'a> {
    Box::pin(async move {
        // The response does not matter here; only the state that it leaves behind does.
        let _ = enroll(&world.ports(), request(method), at).await;
    })
}

fn resumes(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        for enrollment in world.overdue(at) {
            let _ = resume(&world.ports(), enrollment, at).await;
        }
    })
}

/// Reports every intent in its current status.
fn webhook(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        let report = async {
            for (attempt, intent) in world.events() {
                let Some(enrollment) = world.enrollments().pop() else { continue };
                let (student, course) = (&enrollment.student.id, &enrollment.course_id);
                if let Some(enrollment) = world.find_enrollment(student, course).await? {
                    settle_intent(&world.ports(), &enrollment, attempt, intent, at).await?;
                }
            }
            Ok::<_, Unavailable>(())
        };
        let _ = report.await;
    })
}

fn works(world: &World) -> Task<'_> {
    Box::pin(world.worker())
}

/// Polls once; returns whether the task has ended.
fn poll(task: &mut Task<'_>) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Runs a task to its end, or kills it after this number of points.
fn run(mut task: Task<'_>, points: u32) {
    for _ in 0..=points {
        if poll(&mut task) {
            return;
        }
    }
}

/// The resumer each minute and the worker, until nothing is left to do, long before it would give up.
fn recover(world: &World) {
    world.unreliable(None);
    let mut now = START;
    while now - START < GIVE_UP_AFTER / 2 {
        now += Duration::from_mins(1);
        run(resumes(world, now), u32::MAX);
        run(works(world), u32::MAX);
        if world.enrollments().iter().all(|enrollment| enrollment.resume_at.is_none()) {
            return;
        }
    }
}

const BANKS: [Bank; 5] = [
    Bank::Accepts,
    Bank::Declines,
    Bank::DeclinesOnce,
    Bank::AsksTheStudent,
    Bank::DoesNotKnowTheCard,
];

fn price_and_bank() -> impl Iterator<Item = (u32, Bank)> {
    BANKS.into_iter().map(|bank| (4900, bank)).chain([(0, Bank::Accepts)])
}

#[test]
fn request_killed_at_any_point_is_finished() {
    for (price, bank) in price_and_bank() {
        for point in 0..40 {
            let world = world(price, bank);
            run(asks(&world, "pm_1", START), point);
            recover(&world);
            check(&world).unwrap_or_else(|why| panic!("{bank:?}, point {point}: {why}"));
        }
    }
}

#[test]
fn request_and_second_task_killed_at_any_two_points_are_finished() {
    type Second = fn(&World) -> Task<'_>;
    let seconds: [(&str, Second); 4] = [
        ("the request again", |world| asks(world, "pm_1", START)),
        ("the resumer", |world| resumes(world, START + Duration::from_hours(2))),
        ("the webhook", |world| webhook(world, START)),
        ("the worker", works),
    ];
    for (price, bank) in price_and_bank() {
        for (name, second) in seconds {
            for (deleted, acted) in [(false, false), (true, false), (false, true)] {
                for (i, j) in (0..24).flat_map(|i| (0..30).map(move |j| (i, j))) {
                    let world = world(price, bank);
                    run(asks(&world, "pm_1", START), i);
                    if deleted {
                        world.delete_courses();
                    }
                    if acted {
                        world.student_acts();
                    }
                    run(second(&world), j);
                    recover(&world);
                    check(&world).unwrap_or_else(|why| {
                        panic!("{bank:?}, request at {i}, {name} at {j}, deleted {deleted}: {why}")
                    });
                }
            }
        }
    }
}

/// Everything concurrently: duplicates of the request, other cards, the webhook, two resumers, the
/// worker, the student at the bank; unreliable calls; kills at any point.
fn schedule(seed: u64, missing: Option<Missing>, resumer: bool) -> Result<(), String> {
    let mut dice = Dice(seed);
    let bank = BANKS[usize::try_from(dice.roll(5)).unwrap()];
    let price = if dice.roll(5) == 0 { 0 } else { 4900 };
    let world = world(price, bank);
    if let Some(rule) = missing {
        world.remove(rule);
    }
    if dice.roll(2) == 0 {
        world.unreliable(Some(Dice(seed ^ 0xA5A5)));
    }
    let at = |minutes: u64| START + Duration::from_mins(minutes);
    let mut tasks: Vec<Task<'_>> = vec![asks(&world, "pm_1", START), asks(&world, "pm_1", START)];
    for n in 0..12 {
        for _ in 0..dice.roll(3) {
            tasks.push(match dice.roll(6) {
                0 | 1 => asks(&world, "pm_1", at(n)),
                2 => asks(&world, "pm_2", at(n)),
                3 => webhook(&world, at(n)),
                4 if resumer => resumes(&world, at(n * 10)),
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
        match dice.roll(16) {
            0 => world.student_acts(),
            1 => world.delete_courses(),
            _ => {}
        }
    }
    drop(tasks);
    // The student may act even now, with the secret that is still on a screen.
    if dice.roll(2) == 0 {
        world.student_acts();
    }
    if resumer {
        recover(&world);
    }
    run(works(&world), u32::MAX);
    check(&world)
}

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
        if let Err(why) = schedule(seed, None, true) {
            panic!("{why}; replay it with CRASH_SEED={seed}");
        }
    }
}

#[test]
fn a_removed_rule_breaks_an_invariant() {
    for missing in [
        Missing::ConditionalInsert,
        Missing::ConditionalSave,
        Missing::IdempotencyKey,
        Missing::CancelBeforeRetry,
    ] {
        let noticed = (0..SEEDS).any(|seed| schedule(seed, Some(missing), true).is_err());
        assert!(noticed, "nothing noticed that {missing:?} is missing");
    }
    assert!(
        (0..SEEDS).any(|seed| schedule(seed, None, false).is_err()),
        "nothing noticed that the resumer is missing"
    );
}

#[test]
fn undisturbed_request_makes_no_more_calls_than_needed() {
    for (price, points) in [(0, 6), (4900, 12)] {
        let world = world(price, Bank::Accepts);
        let ports = world.ports();
        let mut enrolled = None;
        let request = async { enrolled = Some(enroll(&ports, request("pm_1"), START).await) };
        run(Box::pin(request), u32::MAX);
        assert!(matches!(enrolled, Some(Ok(Enrolled::New(_)))));
        assert_eq!(world.points(), points, "the hot path makes no other call");
    }
}
