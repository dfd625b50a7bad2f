//! Every behaviour of a small deployment, one nanosecond at a time: two slots, kills at any moment,
//! attempts of any duration, starts delayed by any time, a limit that is lowered and raised again at
//! any moment. The states contain the real pacers, so the model checks the production code
//! exhaustively.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};

use common::{Paced, Permit, Rules, share};
use send_pacer::{Moment, Share};
use stateright::{Checker, HasDiscoveries, Model, Property};

const SLOTS: u32 = 2;

/// The start of the first invocation: late enough to claim an earlier start.
const BEGINNING: u64 = 100;

const LOWER_KEPT: &str = "no window contains more than the lower limit of attempts at its pace";

struct Deployment {
    share: Share,
    /// The share of the lower limit. `None` if the limit stays as it is.
    lower: Option<Share>,
    rules: Rules,
    /// The last nanosecond to check.
    horizon: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    /// Whether the limit is lowered. An invocation that begins knows; one that runs learns it later.
    is_lowered: bool,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Slot {
    invocation: Option<Invocation>,
    /// Without rule 5: the number of attempts in progress whose invocation has ended.
    orphans: usize,
    /// The attempts that can still share a window with a new attempt.
    ended: Vec<Ended>,
}

/// An attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ended {
    at: u64,
    /// Whether it started at the lower pace.
    slowed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Invocation {
    paced: Paced,
    /// Whether it knows of the lower limit.
    slowed: bool,
    /// Each with whether it started at the lower pace.
    outstanding: Vec<(Permit, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Tick,
    Begin(usize),
    /// The invocation asks for a permit, and gets one.
    Send(usize),
    /// The `n`th attempt ends.
    End(usize, usize),
    /// The invocation returns or is killed: for the limit, both are the same.
    Stop(usize),
    /// Without rule 5: an orphan arrives.
    EndOrphan(usize),
    /// An operator lowers the limit, or raises it again.
    ChangeLimit,
    /// The invocation learns that the limit is lowered.
    Slow(usize),
}

impl Slot {
    fn actions(&self, place: usize, state: &State, actions: &mut Vec<Action>) {
        let now = state.now;
        if self.orphans > 0 {
            actions.push(Action::EndOrphan(place));
        }
        let Some(invocation) = &self.invocation else {
            actions.push(Action::Begin(place));
            return;
        };
        actions.push(Action::Stop(place));
        if state.is_lowered && !invocation.slowed {
            actions.push(Action::Slow(place));
        }
        actions.extend((0..invocation.outstanding.len()).map(|n| Action::End(place, n)));
        if invocation.paced.clone().ask(Moment::from_nanos(now)).is_ok() {
            actions.push(Action::Send(place));
        }
    }

    fn send(&mut self, now: u64, rules: Rules) -> Option<()> {
        let invocation = self.invocation.as_mut()?;
        let permit = invocation.paced.ask(Moment::from_nanos(now)).ok()?;
        let slowed = invocation.slowed;
        invocation.outstanding.push((permit, slowed));
        if !rules.keeps(3) {
            self.ended.push(Ended { at: now, slowed });
        }
        Some(())
    }

    fn end(&mut self, n: usize, now: u64) -> Option<()> {
        let invocation = self.invocation.as_mut()?;
        let (permit, slowed) = invocation.outstanding.remove(n);
        invocation.paced.end(permit, Moment::from_nanos(now));
        self.ended.push(Ended { at: now, slowed });
        Some(())
    }

    fn stop(&mut self, now: u64, rules: Rules) -> Option<()> {
        let in_progress = self.invocation.take()?.outstanding;
        if rules.keeps(5) {
            let ended = in_progress.into_iter().map(|(_, slowed)| Ended { at: now, slowed });
            self.ended.extend(ended);
        } else {
            self.orphans += in_progress.len();
        }
        Some(())
    }

    fn end_orphan(&mut self, now: u64) -> Option<()> {
        self.orphans = self.orphans.checked_sub(1)?;
        self.ended.push(Ended { at: now, slowed: false });
        Some(())
    }

    fn slow_to(&mut self, lower: Share) -> Option<()> {
        let invocation = self.invocation.as_mut()?;
        invocation.paced.slow_to(lower);
        invocation.slowed = true;
        Some(())
    }

    /// Makes equivalent states equal: forgets the attempts that ended a window ago, because they
    /// share no window with an attempt that starts now.
    fn tidy(&mut self, now: u64, window: u64) {
        self.ended.retain(|end| end.at + window > now);
        self.ended.sort_unstable();
    }

    /// The number of attempts that can arrive in the last half-open window that contains this
    /// moment: attempts in progress, and attempts that ended in the window.
    fn in_last_window(&self) -> usize {
        self.ended.len() + self.orphans + self.outstanding()
    }

    /// The same, of the attempts that started at the lower pace.
    fn slowed_in_last_window(&self) -> usize {
        let outstanding = self.invocation.iter().flat_map(|invocation| &invocation.outstanding);
        outstanding.filter(|(_, slowed)| *slowed).count()
            + self.ended.iter().filter(|end| end.slowed).count()
    }

    fn outstanding(&self) -> usize {
        self.invocation.as_ref().map_or(0, |invocation| invocation.outstanding.len())
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Deployment {
    fn window(&self) -> u64 {
        u64::try_from(self.share.window().get().as_nanos()).unwrap()
    }

    /// This covers all windows, because every moment is the last of some window: if a window is too
    /// full, the state at the start of its last attempt shows it.
    fn last_window(state: &State) -> usize {
        state.slots.iter().map(Slot::in_last_window).sum()
    }

    fn slowed_in_last_window(state: &State) -> usize {
        state.slots.iter().map(Slot::slowed_in_last_window).sum()
    }

    fn limit(&self) -> usize {
        usize::try_from(self.share.total()).unwrap()
    }

    fn lower_limit(&self) -> usize {
        self.lower.map_or(0, |lower| usize::try_from(lower.total()).unwrap())
    }
}

impl Model for Deployment {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let slots = vec![Slot::default(); SLOTS as usize];
        vec![State { now: BEGINNING, is_lowered: false, slots }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, slot) in state.slots.iter().enumerate() {
            slot.actions(place, state, actions);
        }
        if self.lower.is_some() {
            actions.push(Action::ChangeLimit);
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (now, slots) = (state.now, &mut state.slots);
        let lower = self.lower.filter(|_| state.is_lowered);
        match action {
            Action::Tick => state.now += 1,
            Action::Begin(place) => {
                let mut paced = Paced::begin(self.share, self.rules, Moment::from_nanos(now));
                if let Some(lower) = lower {
                    paced.slow_to(lower);
                }
                let slowed = lower.is_some();
                slots[place].invocation =
                    Some(Invocation { paced, slowed, outstanding: Vec::new() });
            }
            Action::Send(place) => slots[place].send(now, self.rules)?,
            Action::End(place, n) => slots[place].end(n, now)?,
            Action::Stop(place) => slots[place].stop(now, self.rules)?,
            Action::EndOrphan(place) => slots[place].end_orphan(now)?,
            Action::ChangeLimit => state.is_lowered = !state.is_lowered,
            Action::Slow(place) => slots[place].slow_to(lower?)?,
        }
        for slot in &mut state.slots {
            slot.tidy(state.now, self.window());
        }
        // The order of the slots does not matter.
        state.slots.sort_by_cached_key(Slot::fingerprint);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no window contains more than the limit", |model: &Self, state| {
                Self::last_window(state) <= model.limit()
            }),
            Property::sometimes("a window is full", |model: &Self, state: &State| {
                Self::last_window(state) == model.limit()
            }),
            Property::always(LOWER_KEPT, |model: &Self, state| {
                Self::slowed_in_last_window(state) <= model.lower_limit()
            }),
            Property::sometimes("attempts overlap", |_, state: &State| {
                state
                    .slots
                    .iter()
                    .any(|slot| slot.invocation.as_ref().is_some_and(|it| it.outstanding.len() > 1))
            }),
        ]
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.now <= self.horizon
    }
}

fn check(
    quota: u32,
    window: u64,
    slack: u64,
    length: u64,
    rules: Rules,
) -> impl Checker<Deployment> {
    let share = share(SLOTS * quota, window, SLOTS, slack);
    run(Deployment { share, lower: None, rules, horizon: BEGINNING + length })
}

/// As [`check`], with a limit that is lowered to one attempt per slot and raised again, at any moment.
fn check_lowered(
    quota: u32,
    window: u64,
    slack: u64,
    length: u64,
    rules: Rules,
) -> impl Checker<Deployment> {
    let lower = Some(share(SLOTS, window, SLOTS, slack));
    let share = share(SLOTS * quota, window, SLOTS, slack);
    run(Deployment { share, lower, rules, horizon: BEGINNING + length })
}

fn run(model: Deployment) -> impl Checker<Deployment> {
    model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

#[test]
fn two_slots_with_a_quota_of_two_keep_the_limit() {
    // d = 2.5, rounded up to 3. The slack is shorter, so no attempts overlap.
    let checker = check(2, 4, 1, 16, Rules::ALL);
    println!("{} states", checker.unique_state_count());
    checker.assert_no_discovery("no window contains more than the limit");
    checker.assert_any_discovery("a window is full");
}

#[test]
fn two_slots_with_overlapping_attempts_keep_the_limit() {
    let checker = check(2, 2, 2, 13, Rules::ALL);
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn two_slots_with_a_quota_of_three_keep_the_limit() {
    let checker = check(3, 4, 2, 12, Rules::ALL);
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn exceeds_limit_without(rule: u8) -> bool {
    let checker = check(2, 3, 1, 12, Rules::without(rule));
    checker.discovery("no window contains more than the limit").is_some()
}

#[test]
fn model_without_rule_1_exceeds_the_limit() {
    assert!(exceeds_limit_without(1));
}

#[test]
fn model_without_rule_2_exceeds_the_limit() {
    assert!(exceeds_limit_without(2));
}

#[test]
fn model_without_rule_3_exceeds_the_limit() {
    assert!(exceeds_limit_without(3));
}

#[test]
fn model_without_rule_4_exceeds_the_limit() {
    assert!(exceeds_limit_without(4));
}

#[test]
fn model_without_rule_5_exceeds_the_limit() {
    assert!(exceeds_limit_without(5));
}

#[test]
fn limit_that_is_lowered_and_raised_at_any_moment_is_kept() {
    let checker = check_lowered(2, 2, 1, 9, Rules::ALL);
    println!("{} states", checker.unique_state_count());
    checker.assert_no_discovery("no window contains more than the limit");
    checker.assert_no_discovery(LOWER_KEPT);
    checker.assert_any_discovery("a window is full");
}

#[test]
fn limit_that_is_lowered_while_attempts_overlap_is_kept() {
    let checker = check_lowered(2, 2, 2, 8, Rules::ALL);
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn exceeds_when_lowered(rules: Rules, property: &'static str) -> bool {
    check_lowered(2, 2, 1, 9, rules).discovery(property).is_some()
}

#[test]
fn model_that_speeds_up_when_the_limit_is_lowered_exceeds_the_lower_limit() {
    assert!(exceeds_when_lowered(Rules::SPEEDS_UP_WHEN_LOWERED, LOWER_KEPT));
}

#[test]
fn model_with_a_new_pacer_when_the_limit_is_lowered_exceeds_the_limit() {
    let property = "no window contains more than the limit";
    assert!(exceeds_when_lowered(Rules::NEW_PACER_WHEN_LOWERED, property));
}
