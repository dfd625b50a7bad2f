//! Every behaviour of a small deployment, one nanosecond at a time: two slots, kills at any moment,
//! attempts of any duration, starts delayed by any time. The states contain the real pacers, so the
//! model checks the production code exhaustively.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};

use common::{Paced, Permit, Rules, share};
use send_pacer::{Moment, Share};
use stateright::{Checker, HasDiscoveries, Model, Property};

const SLOTS: u32 = 2;

/// The start of the first invocation: late enough to claim an earlier start.
const BEGINNING: u64 = 100;

struct Deployment {
    share: Share,
    rules: Rules,
    /// The last nanosecond to check.
    horizon: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Slot {
    invocation: Option<Invocation>,
    /// Without rule 5: the number of attempts in progress whose invocation has ended.
    orphans: usize,
    /// The ends of attempts that can still share a window with a new attempt.
    ended: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Invocation {
    paced: Paced,
    outstanding: Vec<Permit>,
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
}

impl Slot {
    fn actions(&self, place: usize, now: u64, actions: &mut Vec<Action>) {
        if self.orphans > 0 {
            actions.push(Action::EndOrphan(place));
        }
        let Some(invocation) = &self.invocation else {
            actions.push(Action::Begin(place));
            return;
        };
        actions.push(Action::Stop(place));
        actions.extend((0..invocation.outstanding.len()).map(|n| Action::End(place, n)));
        if invocation.paced.clone().ask(Moment::from_nanos(now)).is_ok() {
            actions.push(Action::Send(place));
        }
    }

    fn send(&mut self, now: u64, rules: Rules) -> Option<()> {
        let invocation = self.invocation.as_mut()?;
        let permit = invocation.paced.ask(Moment::from_nanos(now)).ok()?;
        invocation.outstanding.push(permit);
        if !rules.keeps(3) {
            self.ended.push(now);
        }
        Some(())
    }

    fn end(&mut self, n: usize, now: u64) -> Option<()> {
        let invocation = self.invocation.as_mut()?;
        let permit = invocation.outstanding.remove(n);
        invocation.paced.end(permit, Moment::from_nanos(now));
        self.ended.push(now);
        Some(())
    }

    fn stop(&mut self, now: u64, rules: Rules) -> Option<()> {
        let in_progress = self.invocation.take()?.outstanding.len();
        if rules.keeps(5) {
            self.ended.extend((0..in_progress).map(|_| now));
        } else {
            self.orphans += in_progress;
        }
        Some(())
    }

    fn end_orphan(&mut self, now: u64) -> Option<()> {
        self.orphans = self.orphans.checked_sub(1)?;
        self.ended.push(now);
        Some(())
    }

    /// Makes equivalent states equal: forgets the attempts that ended a window ago, because they
    /// share no window with an attempt that starts now.
    fn tidy(&mut self, now: u64, window: u64) {
        self.ended.retain(|&end| end + window > now);
        self.ended.sort_unstable();
    }

    /// The number of attempts that can arrive in the last half-open window that contains this
    /// moment: attempts in progress, and attempts that ended in the window.
    fn in_last_window(&self) -> usize {
        self.ended.len() + self.orphans + self.outstanding()
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

    fn limit(&self) -> usize {
        usize::try_from(self.share.total()).unwrap()
    }
}

impl Model for Deployment {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { now: BEGINNING, slots: vec![Slot::default(); SLOTS as usize] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, slot) in state.slots.iter().enumerate() {
            slot.actions(place, state.now, actions);
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (now, slots) = (state.now, &mut state.slots);
        match action {
            Action::Tick => state.now += 1,
            Action::Begin(place) => {
                let paced = Paced::begin(self.share, self.rules, Moment::from_nanos(now));
                slots[place].invocation = Some(Invocation { paced, outstanding: Vec::new() });
            }
            Action::Send(place) => slots[place].send(now, self.rules)?,
            Action::End(place, n) => slots[place].end(n, now)?,
            Action::Stop(place) => slots[place].stop(now, self.rules)?,
            Action::EndOrphan(place) => slots[place].end_orphan(now)?,
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
    let model = Deployment { share, rules, horizon: BEGINNING + length };
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
