//! The crash matrix: every call of the request, the webhook, the resumer and the worker is two
//! numbered points, and tasks are killed at all of them, at all pairs of them, and at random under
//! concurrent duplicates. Afterwards the resumer runs and the invariants must hold: never two
//! charges, never a charge without access, never access without its one email, never two enrollments.
//!
//! `CRASH_SEED=n cargo test -p registrar-enrollment --test crashes` replays one random schedule.

#![allow(clippy::unwrap_used, reason = "a test")]

mod world;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use enrollment::{
    Course, Enrolled, enroll, enrollment::EnrollRequest, payment::GIVE_UP_AFTER,
    ports::FindEnrollment, resume, settle_intent,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use unavailable::Unavailable;
use world::{Bank, Dice, Missing, World};

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const SEEDS: u64 = 20_000;

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn world(price: u32, bank: Bank) -> World {
    let course: Course = serde_json::from_value(json!({
        "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap();
    World::new(course, bank)
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
        // Whatever the answer: what counts is what is left behind.
        let _ = enroll(world, request(method), at).await;
    })
}

fn resumes(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        for enrollment in world.overdue(at) {
            let _ = resume(world, enrollment, at).await;
        }
    })
}

/// Tells of every intent as it is, in any order and again and again.
fn webhook(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        let tell = async {
            for (attempt, intent) in world.events() {
                let Some(enrollment) = world.only() else { continue };
                let (student, course) = (&enrollment.student.id, &enrollment.course_id);
                if let Some(enrollment) = world.find_enrollment(student, course).await? {
                    settle_intent(world, &enrollment, attempt, intent, at).await?;
                }
            }
            Ok::<_, Unavailable>(())
        };
        let _ = tell.await;
    })
}

fn works(world: &World) -> Task<'_> {
    Box::pin(world.worker())
}

/// Polls once; whether the task is over.
fn poll(task: &mut Task<'_>) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Runs a task to its end, or kills it after so many points.
fn run(mut task: Task<'_>, points: u32) {
    for _ in 0..=points {
        if poll(&mut task) {
            return;
        }
    }
}

/// The resumer each minute and the worker, until nothing is left to do; well before it would give up.
fn recover(world: &World) {
    world.unreliable(None);
    let mut now = START;
    while now - START < GIVE_UP_AFTER / 2 {
        now += Duration::from_mins(1);
        run(resumes(world, now), u32::MAX);
        run(works(world), u32::MAX);
        if !world.unfinished() {
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
fn a_request_killed_at_any_point_is_finished() {
    for (price, bank) in price_and_bank() {
        for point in 0..40 {
            let world = world(price, bank);
            run(asks(&world, "pm_1", START), point);
            recover(&world);
            world.check().unwrap_or_else(|why| panic!("{bank:?}, point {point}: {why}"));
        }
    }
}

#[test]
fn any_two_crashes_are_finished() {
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
                        world.delete_course();
                    }
                    if acted {
                        world.student_acts();
                    }
                    run(second(&world), j);
                    recover(&world);
                    world.check().unwrap_or_else(|why| {
                        panic!("{bank:?}, request at {i}, {name} at {j}, deleted {deleted}: {why}")
                    });
                }
            }
        }
    }
}

/// Everything at once: duplicates of the request, other cards, the webhook, two resumers, the worker,
/// the student at the bank; unreliable calls; kills at any point.
fn schedule(seed: u64, missing: Option<Missing>, resumer: bool) -> Result<(), String> {
    let mut dice = Dice(seed);
    let bank = BANKS[usize::try_from(dice.roll(5)).unwrap()];
    let price = if dice.roll(5) == 0 { 0 } else { 4900 };
    let world = world(price, bank).without(missing);
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
            1 => world.delete_course(),
            _ => {}
        }
    }
    drop(tasks);
    // The student may act as late as this, with whatever secret is still on a screen.
    if dice.roll(2) == 0 {
        world.student_acts();
    }
    if resumer {
        recover(&world);
    }
    run(works(&world), u32::MAX);
    world.check()
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
fn every_rule_is_needed() {
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
        "the resumer is not needed"
    );
}

#[test]
fn the_undisturbed_request_answers_at_once() {
    for (price, points) in [(0, 6), (4900, 12)] {
        let world = world(price, Bank::Accepts);
        let mut answer = None;
        run(
            Box::pin(async { answer = Some(enroll(&world, request("pm_1"), START).await) }),
            u32::MAX,
        );
        assert!(matches!(answer, Some(Ok(Enrolled::New(_)))));
        assert_eq!(world.points(), points, "the hot path makes no other call");
    }
}
