//! Holds in the in-memory world. Every call is a step: other calls may come before it, and its caller may
//! crash before or after it.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::testing::{MemoryEventSource, MemoryHolds, MemoryProvider, provider::healthy};

mod ends;
mod operator;

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

/// An operator's hold without an end.
fn operator_hold(reason: &str, since: OffsetDateTime) -> OperatorHold {
    OperatorHold { reason: reason.to_owned(), since, until: None }
}

fn lowered(since: OffsetDateTime, until: Option<OffsetDateTime>) -> LoweredLimit {
    let (limit, window_seconds) = (100.try_into().unwrap(), 60.try_into().unwrap());
    LoweredLimit { limit, window_seconds, reason: "warming up".to_owned(), since, until }
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
        alone(hold_by_operator(&self.holds, &self.source, &operator_hold(reason, now))).unwrap()
    }

    fn release_by_operator(&self, now: OffsetDateTime) -> Changed {
        alone(release_by_operator(&self.holds, &self.source, now)).unwrap()
    }

    fn watch(&self, now: OffsetDateTime) -> Holds {
        let Watched { holds, problems } =
            alone(watch(&self.holds, &self.source, &self.provider, now));
        assert!(problems.is_empty(), "{problems:?}");
        holds.unwrap()
    }

    /// A run while something does not respond, and the number of problems that it reports.
    fn watch_in_part(&self, now: OffsetDateTime) -> (Option<Holds>, usize) {
        let watched = alone(watch(&self.holds, &self.source, &self.provider, now));
        (watched.holds, watched.problems.len())
    }
}

#[test]
fn event_source_is_turned_off_once_and_on_again_when_the_account_may_send() {
    let world = World::default();
    world.provider.standing_now().sent_last_24_hours = 200.0;
    for _ in 0..3 {
        world.place(HoldCause::DailyQuota, NOW);
    }
    assert_eq!(world.source.turns(), [false]);
    assert_eq!(world.holds.now().machine.unwrap().cause, HoldCause::DailyQuota);

    // A few emails have left the 24-hour window. That is not enough to end the hold.
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
fn hold_keeps_its_start_when_its_cause_changes() {
    let world = World::default();
    world.place(HoldCause::DailyQuota, NOW);
    world.provider.standing_now().shut_down = true;
    let machine = world.watch(NOW + Duration::from_mins(1)).machine.unwrap();
    assert_eq!((machine.cause, machine.since), (HoldCause::AccountSuspended, NOW));
    // A worker finds another cause.
    world.place(HoldCause::NotPermitted, NOW + Duration::from_mins(2));
    let machine = world.holds.now().machine.unwrap();
    assert_eq!((machine.cause, machine.since), (HoldCause::NotPermitted, NOW));
}

#[test]
fn hold_that_begins_while_another_is_ending_is_not_ending() {
    let world = World::default();
    for by_operator in [true, false] {
        world.hold_by_operator("because", NOW);
        world.release_by_operator(NOW);
        assert_eq!(world.holds.now().ending_since, Some(NOW));
        if by_operator {
            world.hold_by_operator("again", NOW);
        } else {
            world.place(HoldCause::SendingPaused, NOW);
        }
        assert_eq!(world.holds.now().ending_since, None);
        assert!(!world.source.is_on_now());
    }
}

#[test]
fn operators_hold_is_ended_only_by_an_operator() {
    let world = World::default();
    world.hold_by_operator("wrong template", NOW);
    world.place(HoldCause::SendingPaused, NOW);
    for _ in 0..3 {
        let holds = world.watch(NOW + FIRST_PROBATION);
        assert_eq!(holds.machine, None, "the automatic hold has ended");
        assert_eq!(holds.operator.unwrap().reason, "wrong template");
        assert!(!world.source.is_on_now());
    }
    world.release_by_operator(NOW);
    assert!(world.source.is_on_now() && !world.holds.now().in_force());
    let again = world.release_by_operator(NOW);
    assert!(matches!(again, Changed::Nothing(_)));
}

#[test]
fn event_source_that_was_turned_off_by_other_means_stays_off() {
    let world = World::default();
    // The record exists, so that its version counts.
    alone(lower_limit(&world.holds, &lowered(NOW, None))).unwrap();
    world.source.set(false);
    assert!(!world.watch(NOW).in_force());
    assert!(!world.source.is_on_now());

    // A worker with a batch in progress finds the account paused.
    world.place(HoldCause::SendingPaused, NOW);
    let holds = world.watch(NOW + FIRST_PROBATION);
    assert_eq!(holds.machine, None);
    assert!(holds.operator.unwrap().reason.contains("found turned off"));
    assert!(!world.source.is_on_now());
}

#[test]
fn replacement_with_a_stale_version_is_refused() {
    let world = World::default();
    let stale = alone(world.holds.read()).unwrap();
    world.hold_by_operator("because", NOW);
    let lost = Holds { version: stale.version + 1, ..Holds::default() };
    assert!(!alone(world.holds.replace(&lost)).unwrap());
    assert_eq!(world.holds.now().operator.unwrap().reason, "because");
}

#[test]
fn automatic_hold_that_races_with_an_operators_hold_keeps_both() {
    let world = World::default();
    let mut machine = Box::pin(place(&world.holds, &world.source, HoldCause::SendingPaused, NOW));
    // `place` has read the record, and is about to replace it.
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
    let set = |configuration_set| Standing { configuration_set, ..healthy() };
    for (standing, cause) in [
        (Standing { shut_down: true, ..healthy() }, HoldCause::AccountSuspended),
        (Standing { sending_enabled: false, ..healthy() }, HoldCause::SendingPaused),
        (set(ConfigurationSet::Paused), HoldCause::SendingPaused),
        (set(ConfigurationSet::Missing), HoldCause::ConfigurationSetMissing),
        (Standing { sender_verified: false, ..healthy() }, HoldCause::SenderNotVerified),
        (Standing { sent_last_24_hours: 195.0, ..healthy() }, HoldCause::DailyQuota),
    ] {
        assert_eq!(standing.obstacle(), Some(cause));
    }
}

#[test]
fn cause_has_a_description_of_its_own() {
    let descriptions: BTreeSet<_> = HoldCause::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(descriptions.len(), HoldCause::ALL.len());
    assert!(descriptions.iter().all(|description| !description.is_empty()));
}

#[test]
fn cause_is_stored_by_its_name() {
    for cause in HoldCause::ALL {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
}

#[test]
fn event_source_that_is_turned_off_after_a_holds_end_is_turned_on_only_within_5_minutes() {
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

/// The action of one of several concurrent actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A worker finds the account paused.
    Place,
    /// A worker is denied the permission to send. The probation is over at once: within one interleaving no time
    /// passes, and the end of a hold is among its steps.
    Deny,
    /// A run of hold-watch.
    Watch,
    /// An operator holds.
    Hold,
    /// An operator holds for a while, which is over.
    HoldUntilNow,
    /// An operator holds a template.
    HoldTemplate,
    /// An operator lowers the limit.
    Lower,
    /// An operator releases.
    Release,
}

async fn act(World { holds, source, provider }: &World, act: Act) {
    match act {
        Act::Place => drop(place(holds, source, HoldCause::SendingPaused, NOW).await),
        Act::Deny => {
            let placed_at = NOW - FIRST_PROBATION;
            drop(place(holds, source, HoldCause::NotPermitted, placed_at).await);
        }
        Act::Watch => drop(watch(holds, source, provider, NOW).await),
        Act::Hold => {
            drop(hold_by_operator(holds, source, &operator_hold("because", NOW)).await);
        }
        // It is over before anybody sees it.
        Act::HoldUntilNow => {
            let hold = OperatorHold { until: Some(NOW), ..operator_hold("for a while", NOW) };
            drop(hold_by_operator(holds, source, &hold).await);
        }
        Act::HoldTemplate => {
            drop(hold_template(holds, "receipt", &operator_hold("wrong text", NOW)).await);
        }
        Act::Lower => drop(lower_limit(holds, &lowered(NOW, None)).await),
        Act::Release => drop(release_by_operator(holds, source, NOW).await),
    }
}

fn acts(of: &'static [Act]) -> impl Strategy<Value = Vec<(Act, Option<u8>)>> {
    let act = proptest::sample::select(of);
    // Some actors crash after this number of steps.
    let steps = proptest::option::weighted(0.3, 0_u8..8);
    proptest::collection::vec((act, steps), 1..5)
}

/// Interleaves all actors in the order of `turns`. An actor that crashes does nothing more.
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

    /// Any actors crash, at any step. A minute later, one call of `settle` makes the event source match
    /// the record.
    #[test]
    fn event_source_matches_the_record_after_any_crashes(
        acts in acts(&[
            Act::Place, Act::Deny, Act::Watch, Act::Hold, Act::Release, Act::HoldUntilNow,
            Act::HoldTemplate, Act::Lower,
        ]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        interleave(&world, &acts, &turns);
        alone(settle(&world.holds, &world.source, NOW + Duration::from_mins(1))).unwrap();
        prop_assert_eq!(world.source.is_on_now(), !world.holds.now().in_force(), "{:?}", world.holds.now());
        // The automatic hold ends with its cause, and an operator's by its own end.
        let holds = world.watch(NOW + MAX_PROBATION);
        prop_assert_eq!(holds.machine, None);
        prop_assert!(holds.operator.as_ref().is_none_or(|hold| hold.until.is_none()));
        prop_assert_eq!(world.source.is_on_now(), holds.operator.is_none());
    }

    /// An operator's hold from before, or from one of the actors, is still in force.
    #[test]
    fn operators_hold_survives_any_interleaving(
        before: bool,
        acts in acts(&[Act::Place, Act::Deny, Act::Watch]),
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
        let holds = world.watch(NOW + MAX_PROBATION);
        prop_assert!(holds.operator.is_some() && !world.source.is_on_now());
    }

    /// Nobody who changes something else takes a template's hold or a lowered limit away.
    #[test]
    fn template_hold_and_lowered_limit_survive_any_interleaving(
        acts in acts(&[
            Act::Place, Act::Deny, Act::Watch, Act::Hold, Act::HoldUntilNow, Act::Release,
        ]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        interleave(&world, &[(Act::HoldTemplate, None), (Act::Lower, None)], &turns);
        interleave(&world, &acts, &turns);
        let holds = world.watch(NOW + MAX_PROBATION);
        prop_assert!(holds.holds_template("receipt", NOW) && holds.lowered_at(NOW).is_some());
    }

    /// If it was turned off by other means, only an operator's release turns it on.
    #[test]
    fn event_source_turned_off_by_other_means_is_turned_on_only_by_an_operator(
        acts in acts(&[Act::Place, Act::Deny, Act::Watch]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::default();
        world.source.set(false);
        interleave(&world, &acts, &turns);
        world.watch(NOW + MAX_PROBATION);
        prop_assert!(world.source.turns().is_empty());
    }
}
