//! Holds in the in-memory world. Every call is a step: other calls may come before it, and its caller may
//! crash before or after it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::testing::{MemoryEventSource, MemoryHolds, MemoryProvider, provider::healthy};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Runs a future to its end, without interleaving.
fn alone<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if let Some(done) = poll(future.as_mut()) {
            return done;
        }
    }
}

#[derive(Default)]
struct World {
    holds: MemoryHolds,
    source: MemoryEventSource,
    provider: MemoryProvider,
}

impl World {
    fn place(&self, cause: HoldCause, now: OffsetDateTime) -> Changed {
        alone(place(&self.holds, &self.source, cause, now)).unwrap()
    }

    fn hold_by_operator(&self, reason: &str, now: OffsetDateTime) -> Changed {
        alone(hold_by_operator(&self.holds, &self.source, reason, now)).unwrap()
    }

    fn release_by_operator(&self, now: OffsetDateTime) -> Changed {
        alone(release_by_operator(&self.holds, &self.source, now)).unwrap()
    }

    fn watch(&self, now: OffsetDateTime) -> Holds {
        alone(watch(&self.holds, &self.source, &self.provider, now)).unwrap()
    }
}

#[test]
fn the_event_source_is_turned_off_once_and_on_again_when_the_account_may_send() {
    let world = World::default();
    world.provider.standing_now().sent_last_24_hours = 200.0;
    for _ in 0..3 {
        world.place(HoldCause::DailyQuota, NOW);
    }
    assert_eq!(world.source.turns(), [false]);
    assert_eq!(world.holds.now().machine.unwrap().cause, HoldCause::DailyQuota);

    // A few emails have left the 24 hours: not enough to release.
    for sent in [199.0, 191.0] {
        world.provider.standing_now().sent_last_24_hours = sent;
        assert!(world.watch(NOW).in_force());
    }
    world.provider.standing_now().sent_last_24_hours = 190.0;
    assert!(!world.watch(NOW).in_force());
    assert!(!world.watch(NOW).in_force());
    assert_eq!(world.source.turns(), [false, true]);
}

#[test]
fn a_hold_keeps_its_start_when_its_cause_changes() {
    let world = World::default();
    world.place(HoldCause::DailyQuota, NOW);
    world.provider.standing_now().shut_down = true;
    let machine = world.watch(NOW + Duration::from_mins(1)).machine.unwrap();
    assert_eq!((machine.cause, machine.since), (HoldCause::AccountSuspended, NOW));
}

#[test]
fn the_machine_never_ends_an_operators_hold() {
    let world = World::default();
    world.hold_by_operator("wrong template", NOW);
    world.place(HoldCause::SendingPaused, NOW);
    for _ in 0..3 {
        let holds = world.watch(NOW);
        assert_eq!(holds.machine, None, "the machine's own hold has ended");
        assert_eq!(holds.operator.unwrap().reason, "wrong template");
        assert!(!world.source.is_on_now());
    }
    world.release_by_operator(NOW);
    assert!(world.source.is_on_now() && !world.holds.now().in_force());
    let again = world.release_by_operator(NOW);
    assert!(matches!(again, Changed::Nothing(_)));
}

#[test]
fn an_event_source_that_was_turned_off_by_other_means_stays_off() {
    let world = World::default();
    world.source.set(false);
    assert!(!world.watch(NOW).in_force());
    assert!(!world.source.is_on_now());

    // A worker with a batch in progress finds the account paused.
    world.place(HoldCause::SendingPaused, NOW);
    let holds = world.watch(NOW);
    assert_eq!(holds.machine, None);
    assert!(holds.operator.unwrap().reason.contains("found turned off"));
    assert!(!world.source.is_on_now());
}

#[test]
fn a_rate_that_an_operator_has_accepted_does_not_hold_again() {
    let world = World::default();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.provider.rates_now().bounces_since = Some(minutes(1));
    assert_eq!(world.watch(minutes(2)).machine.unwrap().cause, HoldCause::BounceRate);
    assert!(world.watch(minutes(3)).in_force(), "it changes only by sending");
    world.release_by_operator(minutes(4));
    assert!(!world.watch(minutes(5)).in_force());
    world.provider.rates_now().complaints_since = Some(minutes(6));
    assert_eq!(world.watch(minutes(7)).machine.unwrap().cause, HoldCause::ComplaintRate);
    *world.provider.rates_now() = Rates::default();
    assert!(!world.watch(minutes(8)).in_force(), "it has fallen");
    assert!(world.source.is_on_now());
}

#[test]
fn a_replace_with_a_stale_version_is_refused() {
    let world = World::default();
    let stale = alone(world.holds.read()).unwrap();
    world.hold_by_operator("because", NOW);
    let lost = Holds { version: stale.version + 1, ..Holds::default() };
    assert!(!alone(world.holds.replace(&lost)).unwrap());
    assert_eq!(world.holds.now().operator.unwrap().reason, "because");
}

#[test]
fn a_hold_that_meets_another_change_is_made_on_top_of_it() {
    let world = World::default();
    let mut machine = Box::pin(place(&world.holds, &world.source, HoldCause::SendingPaused, NOW));
    // It has read the record, and is about to replace it.
    for _ in 0..3 {
        assert!(poll(machine.as_mut()).is_none());
    }
    world.hold_by_operator("because", NOW);
    alone(machine).unwrap();
    let holds = world.holds.now();
    assert_eq!((holds.machine.unwrap().cause, holds.version), (HoldCause::SendingPaused, 2));
    assert_eq!(holds.operator.unwrap().reason, "because");
    assert!(!world.source.is_on_now());
}

#[test]
fn each_obstacle_gives_its_cause() {
    assert_eq!(healthy().obstacle(), None);
    let unlimited = Standing { daily_quota: None, sent_last_24_hours: 1e9, ..healthy() };
    assert_eq!(unlimited.obstacle(), None);
    for (standing, cause) in [
        (Standing { shut_down: true, ..healthy() }, HoldCause::AccountSuspended),
        (Standing { sending_enabled: false, ..healthy() }, HoldCause::SendingPaused),
        (Standing { configuration_set_enabled: false, ..healthy() }, HoldCause::SendingPaused),
        (Standing { sender_verified: false, ..healthy() }, HoldCause::SenderNotVerified),
        (Standing { sent_last_24_hours: 195.0, ..healthy() }, HoldCause::DailyQuota),
    ] {
        assert_eq!(standing.obstacle(), Some(cause));
    }
}

#[test]
fn a_causes_name_is_its_stored_form() {
    for cause in [
        HoldCause::DailyQuota,
        HoldCause::SendingPaused,
        HoldCause::AccountSuspended,
        HoldCause::SenderNotVerified,
        HoldCause::BounceRate,
        HoldCause::ComplaintRate,
    ] {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
}

#[test]
fn an_event_source_that_is_turned_off_late_is_turned_on_only_shortly_after_the_end() {
    let world = World::default();
    world.hold_by_operator("because", NOW);
    world.release_by_operator(NOW);
    world.source.set(false);
    world.watch(NOW + ENDING / 2);
    assert!(world.source.is_on_now());
    world.watch(NOW + ENDING);
    assert_eq!(world.holds.now().ending_since, None);
    world.source.set(false);
    world.watch(NOW + ENDING * 2);
    assert!(!world.source.is_on_now());
}

/// What one of several concurrent actors does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A worker finds the account paused.
    Place,
    /// A run of hold-watch.
    Watch,
    /// An operator holds.
    Hold,
    /// An operator releases.
    Release,
}

async fn act(World { holds, source, provider }: &World, act: Act) {
    match act {
        Act::Place => drop(place(holds, source, HoldCause::SendingPaused, NOW).await),
        Act::Watch => drop(watch(holds, source, provider, NOW).await),
        Act::Hold => drop(hold_by_operator(holds, source, "because", NOW).await),
        Act::Release => drop(release_by_operator(holds, source, NOW).await),
    }
}

fn acts(of: &'static [Act]) -> impl Strategy<Value = Vec<(Act, Option<u8>)>> {
    let act = proptest::sample::select(of);
    // Some crash after that number of steps.
    let steps = proptest::option::weighted(0.3, 0_u8..8);
    proptest::collection::vec((act, steps), 1..5)
}

/// Interleaves all actors in the order of `turns`; an actor that crashes does nothing more.
fn interleave(world: &World, acts: &[(Act, Option<u8>)], turns: &[usize]) {
    let mut running: Vec<_> =
        acts.iter().map(|&(what, steps)| (Box::pin(act(world, what)), steps)).collect();
    let mut turns = turns.iter().copied().cycle();
    while !running.is_empty() {
        let chosen = turns.next().unwrap() % running.len();
        let (future, steps) = &mut running[chosen];
        let crashes = *steps == Some(0);
        *steps = steps.map(|left| left.saturating_sub(1));
        if crashes || poll(future.as_mut()).is_some() {
            drop(running.swap_remove(chosen));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever crashes at whatever step, one settled minute later the event source matches the record.
    #[test]
    fn after_any_crashes_the_event_source_matches_the_record(
        acts in acts(&[Act::Place, Act::Watch, Act::Hold, Act::Release]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        interleave(&world, &acts, &turns);
        alone(settle(&world.holds, &world.source, NOW + Duration::from_mins(1))).unwrap();
        prop_assert_eq!(world.source.is_on_now(), !world.holds.now().in_force(), "{:?}", world.holds.now());
        // The machine's own hold does not outlast its cause.
        let holds = world.watch(NOW);
        prop_assert_eq!(holds.machine, None);
        prop_assert_eq!(world.source.is_on_now(), holds.operator.is_none());
    }

    /// An operator's hold from before, or from one of the actors, is still in force.
    #[test]
    fn after_any_interleaving_an_operators_hold_is_in_force(
        before: bool,
        acts in acts(&[Act::Place, Act::Watch]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        let mut acts = acts;
        if before {
            world.hold_by_operator("because", NOW);
        } else {
            acts.push((Act::Hold, None));
        }
        interleave(&world, &acts, &turns);
        prop_assert!(world.holds.now().operator.is_some());
        let holds = world.watch(NOW);
        prop_assert!(holds.operator.is_some() && !world.source.is_on_now());
    }

    /// If it was turned off by other means, only an operator's release turns it on.
    #[test]
    fn the_machine_never_turns_on_an_event_source_that_it_did_not_turn_off(
        acts in acts(&[Act::Place, Act::Watch]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        world.source.set(false);
        interleave(&world, &acts, &turns);
        world.watch(NOW);
        prop_assert!(world.source.turns().is_empty());
    }
}
