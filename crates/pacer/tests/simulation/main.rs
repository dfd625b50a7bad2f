//! Thousands of seeded schedules of a whole deployment. None may exceed the limit. Without one of
//! the rules, some of the same schedules must exceed it.
//!
//! `PACER_SEED=17 cargo test -p send-pacer --test simulation -- --nocapture` replays one schedule
//! and prints every send. `PACER_SCHEDULES` sets the number of schedules.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod random;
mod world;

use std::{
    env,
    ops::{AddAssign, Range},
    thread,
};

use common::Rules;
use send_pacer::audit::worst_window;
use world::{Happened, Schedule, Sent};

const SCHEDULES: u64 = 10_000;

/// Without a rule, some of this many schedules must exceed the limit.
const SCHEDULES_PER_REMOVED_RULE: u64 = 200;

/// The maximum number of arrivals in any window of a schedule: over all slots, and in any one slot.
struct Fullest {
    all_slots: usize,
    one_slot: usize,
    /// Of the sends at the pace of a lower limit, over all slots.
    slowed: usize,
}

impl Fullest {
    fn of(schedule: &Schedule, rules: Rules) -> (Self, Happened) {
        let (arrivals, happened) = schedule.run(rules);
        let window = schedule.share.window();
        let max = |sends: &mut dyn Iterator<Item = &Sent>| {
            let arrivals: Vec<_> = sends.map(|sent| sent.arrival).collect();
            worst_window(&arrivals, window).map_or(0, |worst| worst.count)
        };
        let one_slot = arrivals.iter().map(|slot| max(&mut slot.iter())).max().unwrap_or(0);
        let all = arrivals.concat();
        let slowed = max(&mut all.iter().filter(|sent| sent.slowed));
        (Self { all_slots: max(&mut all.iter()), one_slot, slowed }, happened)
    }

    fn exceeds_share(&self, schedule: &Schedule) -> bool {
        self.one_slot > schedule.share.quota() as usize
    }

    fn exceeds_lower_limit(&self, schedule: &Schedule) -> bool {
        let lower = schedule.lowering.map_or(0, |lowering| lowering.share.total());
        self.slowed as u64 > lower
    }

    fn exceeds_limit(&self, schedule: &Schedule) -> bool {
        self.all_slots > schedule.limit as usize
    }

    fn assert_kept(&self, schedule: &Schedule, seed: u64) {
        let (limit, quota) = (schedule.limit, schedule.share.quota());
        let Self { all_slots, one_slot, slowed } = self;
        let found = format!(
            "{all_slots} of {limit}, {one_slot} of {quota} in a slot, {slowed} at a lower limit"
        );
        let kept = !self.exceeds_limit(schedule)
            && !self.exceeds_lower_limit(schedule)
            && !self.exceeds_share(schedule);
        assert!(kept, "{found}; replay with PACER_SEED={seed}");
    }
}

fn replay(seed: u64) {
    let schedule = Schedule::of(seed);
    println!("{schedule:#?}");
    for (slot, arrivals) in schedule.run(Rules::ALL).0.iter().enumerate() {
        println!("slot {slot}: {arrivals:#?}");
    }
    let (fullest, happened) = Fullest::of(&schedule, Rules::ALL);
    println!("{happened:#?}");
    fullest.assert_kept(&schedule, seed);
}

#[expect(clippy::disallowed_methods, reason = "a test that can be replayed")]
fn number_from(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number")))
}

fn run_all(seeds: Range<u64>) -> Happened {
    let mut total = Happened::default();
    for seed in seeds {
        let schedule = Schedule::of(seed);
        let (fullest, happened) = Fullest::of(&schedule, Rules::ALL);
        fullest.assert_kept(&schedule, seed);
        total.add_assign(happened);
    }
    total
}

#[test]
fn no_schedule_exceeds_the_limit() {
    if let Some(seed) = number_from("PACER_SEED") {
        return replay(seed);
    }
    let schedules = number_from("PACER_SCHEDULES").unwrap_or(SCHEDULES);
    let middle = schedules / 2;
    let total = thread::scope(|scope| {
        let half = scope.spawn(|| run_all(0..middle));
        let mut total = run_all(middle..schedules);
        total.add_assign(half.join().unwrap());
        total
    });
    println!("{schedules} schedules: {total:#?}");
    total.assert_everything_happened(schedules);
}

fn exceeded_without(rule: u8) -> usize {
    let exceeded = (0..SCHEDULES_PER_REMOVED_RULE)
        .map(Schedule::of)
        .filter(|schedule| Fullest::of(schedule, Rules::without(rule)).0.exceeds_limit(schedule))
        .count();
    println!(
        "without rule {rule}: {exceeded} of {SCHEDULES_PER_REMOVED_RULE} schedules exceed the limit"
    );
    exceeded
}

#[test]
fn schedules_without_rule_1_exceed_the_limit() {
    assert!(exceeded_without(1) > 0);
}

#[test]
fn schedules_without_rule_2_exceed_the_limit() {
    assert!(exceeded_without(2) > 0);
}

#[test]
fn schedules_without_rule_3_exceed_the_limit() {
    assert!(exceeded_without(3) > 0);
}

#[test]
fn schedules_without_rule_4_exceed_the_limit() {
    assert!(exceeded_without(4) > 0);
}

#[test]
fn schedules_without_rule_5_exceed_the_limit() {
    assert!(exceeded_without(5) > 0);
}

fn exceeded_when_lowered(rules: Rules, exceeds: fn(&Fullest, &Schedule) -> bool) -> usize {
    let exceeded = (0..SCHEDULES_PER_REMOVED_RULE)
        .map(Schedule::of)
        .filter(|schedule| exceeds(&Fullest::of(schedule, rules).0, schedule))
        .count();
    println!("{rules:?}: {exceeded} of {SCHEDULES_PER_REMOVED_RULE} schedules");
    exceeded
}

#[test]
fn schedules_that_speed_up_when_the_limit_is_lowered_exceed_the_lower_limit() {
    let rules = Rules::SPEEDS_UP_WHEN_LOWERED;
    assert!(exceeded_when_lowered(rules, Fullest::exceeds_lower_limit) > 0);
}

#[test]
fn slot_with_a_new_pacer_when_the_limit_is_lowered_exceeds_its_share() {
    let rules = Rules::NEW_PACER_WHEN_LOWERED;
    assert!(exceeded_when_lowered(rules, Fullest::exceeds_share) > 0);
}

#[test]
fn same_seed_gives_the_same_arrivals() {
    let run = || Schedule::of(17).run(Rules::ALL).0;
    assert_eq!(run(), run());
}
