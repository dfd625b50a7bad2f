//! Properties that hold for all inputs. The state machine decides like the rules on an exact log of
//! its calls. A slot keeps its share however it is used. The arithmetic of shares and the audit are
//! exact.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Paced, Permit, Rules, share};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, FileFailurePersistence, TestError, TestRunner},
};
use send_pacer::{
    Moment, Pacer, Share, Wait, Window,
    audit::{Arrival, worst_window},
};

/// Inputs that once found a fault are tried first.
fn config() -> Config {
    Config {
        cases: 1000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/properties.regressions",
        ))),
        ..Config::default()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

/// Small numbers, so that events often coincide: `d` is a few nanoseconds.
fn shares() -> impl Strategy<Value = Share> {
    (1..=5_u32, 1..=30_u64, 1..=3_u32, 0..=12_u64)
        .prop_map(|(quota, window, slots, slack)| share(quota * slots, window, slots, slack))
}

/// The share of a limit of this many sends per slot, otherwise the same.
fn with_quota(of: Share, quota: u32) -> Share {
    share(
        quota * of.slots().get(),
        nanos(of.window().get()),
        of.slots().get(),
        nanos(of.slack().get()),
    )
}

/// An event in an invocation.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Ask,
    End(Index),
    /// The clock steps back by this much, for one reading.
    StepBack(u64),
    /// The limit changes to this quota per slot. A higher one has no effect on an invocation.
    Limit(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..=9_u64).prop_map(Event::Pass),
        4 => Just(Event::Ask),
        2 => any::<Index>().prop_map(Event::End),
        1 => (0..=9_u64).prop_map(Event::StepBack),
        1 => (1..=5_u32).prop_map(Event::Limit),
    ];
    prop::collection::vec(event, 0..=60)
}

/// A log of all calls to a pacer, and the decision of the rules, written as literally as possible.
struct Log {
    share: Share,
    began: Moment,
    /// The start of each attempt, and its end if it has ended.
    attempts: Vec<(Moment, Option<Moment>)>,
}

impl Log {
    fn decide(&self, now: Moment) -> Result<(), Wait> {
        let (d, slack) = (self.share.interval(), self.share.slack().get());
        let is_slow = |start: Moment, until: Moment| until.since(start) > slack;
        let blocks =
            |&(start, end): &(Moment, Option<Moment>)| end.is_none() && is_slow(start, now);
        if self.attempts.iter().any(blocks) {
            return Err(Wait::ForAttemptEnd);
        }
        let after_starts = self.attempts.iter().map(|attempt| attempt.0);
        let after_slow_ends =
            self.attempts.iter().filter_map(|&(start, end)| end.filter(|&end| is_slow(start, end)));
        let earliest =
            after_starts.chain(after_slow_ends).chain([self.began]).max().unwrap().plus(d);
        if now < earliest { Err(Wait::Until(earliest)) } else { Ok(()) }
    }
}

/// A step of one slot that runs invocations one after another, with or without one rule.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    /// Asks until an attempt may start, or another attempt must end first.
    Start,
    End(Index),
    /// The invocation returns or is killed, and another begins.
    Replace,
    /// The limit is lowered to this quota per slot, if it is lower, or raised to what it was. The
    /// invocation learns of a lower one.
    Limit(Option<u32>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..=20_u64).prop_map(Step::Pass),
        6 => Just(Step::Start),
        3 => any::<Index>().prop_map(Step::End),
        1 => Just(Step::Replace),
    ];
    prop::collection::vec(step, 0..=60)
}

/// As [`steps`], with a limit that changes.
fn steps_with_limits() -> impl Strategy<Value = Vec<Step>> {
    let limit = prop::option::of(1..=2_u32).prop_map(Step::Limit);
    let inserts = prop::collection::vec((any::<Index>(), limit), 1..=4);
    (steps(), inserts).prop_map(|(mut steps, inserts)| {
        for (place, limit) in inserts {
            steps.insert(place.index(steps.len() + 1), limit);
        }
        steps
    })
}

struct Slot {
    share: Share,
    rules: Rules,
    now: u64,
    paced: Paced,
    /// The quota of the limit in force.
    limit: u32,
    /// The lowest quota that the invocation knows of.
    quota: u32,
    /// Each with its start, and the quota of its invocation at that time.
    outstanding: Vec<(Permit, u64, u32)>,
    /// Each with the quota of its invocation at its start.
    arrivals: Vec<(Arrival, u32)>,
}

impl Slot {
    fn new(share: Share, rules: Rules) -> Self {
        // Late enough for an invocation to claim an earlier start.
        let now = 1 << 32;
        let paced = Paced::begin(share, rules, Moment::from_nanos(now));
        let (outstanding, arrivals, limit) = (Vec::new(), Vec::new(), share.quota());
        Self { share, rules, now, paced, limit, quota: limit, outstanding, arrivals }
    }

    fn moment(&self) -> Moment {
        Moment::from_nanos(self.now)
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pass(time) => self.now += time,
            Step::Start => self.start(),
            Step::End(which) => {
                if !self.outstanding.is_empty() {
                    let (permit, start, quota) =
                        self.outstanding.swap_remove(which.index(self.outstanding.len()));
                    self.arrived(start, quota);
                    let now = self.moment();
                    self.paced.end(permit, now);
                }
            }
            Step::Replace => self.replace(),
            Step::Limit(quota) => {
                self.limit = quota.unwrap_or(self.share.quota()).min(self.share.quota());
                self.learn_limit();
            }
        }
    }

    fn learn_limit(&mut self) {
        if self.limit < self.quota {
            self.quota = self.limit;
            self.paced.slow_to(with_quota(self.share, self.limit));
        }
    }

    fn start(&mut self) {
        loop {
            match self.paced.ask(self.moment()) {
                Err(Wait::ForAttemptEnd) => return,
                Err(Wait::Until(due)) => self.now = due.as_nanos(),
                Ok(permit) => {
                    if !self.rules.keeps(3) {
                        self.arrived(self.now, self.quota);
                    }
                    self.outstanding.push((permit, self.now, self.quota));
                    return;
                }
            }
        }
    }

    fn arrived(&mut self, start: u64, quota: u32) {
        let (start, end) = (i64::try_from(start).unwrap(), i64::try_from(self.now).unwrap());
        self.arrivals.push((Arrival::between(start, end).unwrap(), quota));
    }

    fn replace(&mut self) {
        // Without rule 5, outstanding attempts arrive one window later.
        let delay = if self.rules.keeps(5) { 0 } else { nanos(self.share.window().get()) };
        self.now += delay;
        for (_, start, quota) in std::mem::take(&mut self.outstanding) {
            self.arrived(start, quota);
        }
        self.now -= delay;
        self.paced = Paced::begin(self.share, self.rules, self.moment());
        self.quota = self.share.quota();
        self.learn_limit();
    }

    /// The maximum number of arrivals in any window, of the attempts of each quota or a lower one.
    fn worst(mut self) -> Vec<(u32, usize)> {
        for (_, start, quota) in std::mem::take(&mut self.outstanding) {
            self.arrived(start, quota);
        }
        let of_quota = |quota| {
            let of_quota = self.arrivals.iter().filter(|(_, of)| *of <= quota);
            let arrivals: Vec<_> = of_quota.map(|(arrival, _)| *arrival).collect();
            worst_window(&arrivals, self.share.window()).map_or(0, |worst| worst.count)
        };
        (1..=self.share.quota()).map(|quota| (quota, of_quota(quota))).collect()
    }
}

/// A quota, and the number of arrivals that exceed it in some window.
fn exceeded(share: Share, steps: &[Step], rules: Rules) -> Option<(u32, usize)> {
    let mut slot = Slot::new(share, rules);
    for step in steps {
        slot.take(step);
    }
    slot.worst().into_iter().find(|&(quota, count)| count > quota as usize)
}

/// Whether the property finds a violation without this rule, as it must.
fn finds_violation_without(rule: u8) -> bool {
    finds_violation(Rules::without(rule), steps())
}

fn finds_violation(rules: Rules, steps: impl Strategy<Value = Vec<Step>>) -> bool {
    let config = Config { cases: 5000, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    )
    .run(&(shares(), steps), |(share, steps)| {
        prop_assert_eq!(exceeded(share, &steps, rules), None);
        Ok(())
    });
    if let Err(TestError::Fail(_, (share, steps))) = &result {
        println!("{rules:?}: {share:?} {steps:?}");
    }
    matches!(result, Err(TestError::Fail(..)))
}

#[test]
fn slot_without_rule_1_exceeds_its_share() {
    assert!(finds_violation_without(1));
}

#[test]
fn slot_without_rule_2_exceeds_its_share() {
    assert!(finds_violation_without(2));
}

#[test]
fn slot_without_rule_3_exceeds_its_share() {
    assert!(finds_violation_without(3));
}

#[test]
fn slot_without_rule_4_exceeds_its_share() {
    assert!(finds_violation_without(4));
}

#[test]
fn slot_without_rule_5_exceeds_its_share() {
    assert!(finds_violation_without(5));
}

#[test]
fn slot_that_speeds_up_when_the_limit_is_lowered_exceeds_it() {
    assert!(finds_violation(Rules::SPEEDS_UP_WHEN_LOWERED, steps_with_limits()));
}

#[test]
fn slot_with_a_new_pacer_when_the_limit_is_lowered_exceeds_its_share() {
    assert!(finds_violation(Rules::NEW_PACER_WHEN_LOWERED, steps_with_limits()));
}

/// The obvious but slow way: counts in the window from every possible moment.
fn worst_by_counting_everywhere(arrivals: &[(i64, i64)], window: i64) -> usize {
    let count_from = |from: i64| {
        arrivals.iter().filter(|&&(start, end)| start < from + window && end >= from).count()
    };
    (-50..=150).map(count_from).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pacer_decides_as_the_rules_say(share in shares(), events in events()) {
        let began = Moment::from_nanos(100);
        let mut pacer = Pacer::new(share, began);
        let mut log = Log { share, began, attempts: Vec::new() };
        let (mut latest, mut shown) = (began, began);
        let mut outstanding = Vec::new();
        for event in events {
            match event {
                Event::Pass(time) => shown = latest.plus(Duration::from_nanos(time)),
                Event::StepBack(time) => {
                    shown = Moment::from_nanos(latest.as_nanos().saturating_sub(time));
                }
                Event::Limit(quota) => {
                    let other = with_quota(share, quota);
                    let is_slower = other.interval() > log.share.interval();
                    prop_assert_eq!(pacer.slow_to(other), is_slower);
                    if is_slower {
                        log.share = other;
                    }
                }
                Event::Ask => {
                    latest = latest.max(shown);
                    let expected = log.decide(latest);
                    prop_assert_eq!(pacer.poll(shown), expected);
                    let started = pacer.start(shown);
                    prop_assert_eq!(started.as_ref().err().copied(), expected.err());
                    if let Ok(attempt) = started {
                        prop_assert_eq!(attempt.started_at(), latest);
                        outstanding.push((attempt, log.attempts.len()));
                        log.attempts.push((latest, None));
                    }
                }
                Event::End(which) => if !outstanding.is_empty() {
                    latest = latest.max(shown);
                    let (attempt, place) = outstanding.swap_remove(which.index(outstanding.len()));
                    pacer.end(attempt, shown);
                    log.attempts[place].1 = Some(latest);
                },
            }
            prop_assert_eq!(pacer.outstanding(), outstanding.len());
            prop_assert!(outstanding.len() as u64 <= share.max_outstanding());
        }
    }

    #[test]
    fn slot_keeps_its_share(share in shares(), steps in steps()) {
        prop_assert_eq!(exceeded(share, &steps, Rules::ALL), None, "a quota, and the arrivals");
    }

    /// Of all attempts, the deployed quota; of those at a lower pace, the lower one.
    #[test]
    fn slot_keeps_a_lowered_limit_too(share in shares(), steps in steps_with_limits()) {
        prop_assert_eq!(exceeded(share, &steps, Rules::ALL), None, "a quota, and the arrivals");
    }

    #[test]
    fn arithmetic_of_a_share_is_exact(
        limit in 1..=u32::MAX,
        window in 1..=86_400_000_000_000_u64,
        slots in 1..=1000_u32,
        slack in 0..=86_400_000_000_000_u64,
    ) {
        prop_assume!(limit >= slots);
        let share = share(limit, window, slots, slack);
        let (q, d) = (u128::from(share.quota()), share.interval().as_nanos());
        let whole = u128::from(window) + u128::from(slack);
        prop_assert!(share.total() <= limit.into());
        prop_assert!(u64::from(limit) - share.total() < slots.into());
        prop_assert!(q * d >= whole, "the rules require q * d >= W + D");
        prop_assert!(q * (d - 1) < whole, "the interval is not longer than required");
        prop_assert!(u128::from(share.max_outstanding() - 1) * d <= u128::from(slack));
    }

    #[test]
    fn audit_finds_the_worst_window(
        spans in prop::collection::vec((0..=100_i64, 0..=20_i64), 0..=40),
        window in 1..=40_u64,
    ) {
        let spans: Vec<_> = spans.into_iter().map(|(start, long)| (start, start + long)).collect();
        let arrivals: Vec<_> =
            spans.iter().map(|&(start, end)| Arrival::between(start, end).unwrap()).collect();
        let length = i64::try_from(window).unwrap();
        let window = Window::new(Duration::from_nanos(window)).unwrap();
        let worst = worst_window(&arrivals, window);
        let count = worst.map_or(0, |worst| worst.count);
        prop_assert_eq!(count, worst_by_counting_everywhere(&spans, length));
        if let Some(worst) = worst {
            let inside = spans
                .iter()
                .filter(|(start, end)| *start < worst.from + length && *end >= worst.from);
            prop_assert_eq!(inside.count(), count, "the worst window is at the reported moment");
        }
    }
}
