//! One random schedule: everything concurrently, reproducible by its seed.

use crashes::{Broken, Task, World, poll, run};
use enrollment::testing::{Deed, Dice, Missing};
use stripe::testing::KEPT_FOR;
use time::Duration;

use crate::{CARDS, FAULTS};

/// What a schedule lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    Nothing,
    Table(Missing),
    Client(Broken),
    Resumer,
}

fn pick<T: Copy>(dice: &mut Dice, all: &[T]) -> T {
    all[usize::try_from(dice.roll(all.len() as u64)).unwrap()]
}

pub(crate) fn schedule(seed: u64, lacks: Lacks) -> Result<(), String> {
    let mut dice = Dice(seed);
    let card = pick(&mut dice, &CARDS);
    let price = if dice.roll(8) == 0 { 0 } else { 4900 };
    let mut world = World::new(price, card);
    match lacks {
        Lacks::Client(rule) => world.breaks(rule),
        Lacks::Table(rule) => world.tables.remove(rule),
        Lacks::Nothing | Lacks::Resumer => {}
    }
    let world = world;
    if dice.roll(2) == 0 {
        world.limit_seats(price);
    }
    if dice.roll(2) == 0 {
        world.tables.unreliable(Some(Dice(seed ^ 0xA5A5)));
    }
    if dice.roll(2) == 0 {
        let per_mille = u16::try_from(50 + dice.roll(250)).unwrap();
        world.account(|account| account.roll_dice(seed ^ 0x5A5A, per_mille, &FAULTS));
    }
    let operators = dice.roll(2) == 0;
    let mut now = world.start;
    let mut tasks: Vec<Task<'_>> = vec![world.asks("pm_1", now), world.asks("pm_1", now)];
    for _ in 0..12 {
        now += match dice.roll(12) {
            0 => KEPT_FOR + Duration::HOUR,
            1 => Duration::hours(2),
            _ => Duration::seconds(i64::try_from(dice.roll(70)).unwrap()),
        };
        world.set_time(now);
        for _ in 0..dice.roll(3) {
            tasks.push(match dice.roll(if operators { 11 } else { 8 }) {
                8.. => world.acts(pick(&mut dice, &Deed::ALL), now),
                0 | 1 => world.asks("pm_1", now),
                2 => world.asks("pm_2", now),
                3 => world.asks(pick(&mut dice, &["pm_3", "pm_4", "pm_5"]), now),
                4 => world.receives(some_events(&world, &mut dice), now),
                5 | 6 if lacks != Lacks::Resumer => world.resumes(now),
                _ => world.works(),
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
            6 => world.other_student(true),
            7 => world.other_student(false),
            0 => world.student_acts(true),
            1 => world.student_acts(false),
            2 => world.tables.delete_courses(),
            3 if price > 0 => run(world.offers(5900), u32::MAX),
            4 => run(world.offers(price), u32::MAX),
            5 => world.bank_decides(dice.roll(2) == 0),
            _ => {}
        }
        never_two_charges(&world)?;
        world.tables.check_seats()?;
    }
    drop(tasks);
    // The student may act even now, with the secret that is still on a screen.
    if dice.roll(2) == 0 {
        world.student_acts(true);
    }
    never_two_charges(&world)?;
    world.recover(now, dice.roll(2) == 0, lacks != Lacks::Resumer);
    world.check()
}

/// Not even for a moment: afterwards the second one would be paid back.
fn never_two_charges(world: &World) -> Result<(), String> {
    match world.charges_at_once() {
        0 | 1 => Ok(()),
        kept => Err(format!("{kept} kept charges at the same time")),
    }
}

/// Events of any age, repeated and out of order.
fn some_events(world: &World, dice: &mut Dice) -> Vec<stripe::testing::Event> {
    let mut all = world.events();
    if dice.roll(2) == 0 {
        all.reverse();
    }
    all.retain(|_| dice.roll(3) > 0);
    let repeated = all.first().cloned();
    all.extend(repeated);
    all
}
