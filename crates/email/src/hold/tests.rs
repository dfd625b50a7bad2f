//! Holds in a world in memory, whose every call is a step that others may come before, or that may
//! be the last one of who makes it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// Lets everybody else have a turn.
async fn step() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Nobody else is there.
fn alone<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if let Some(done) = poll(future.as_mut()) {
            return done;
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    record: Holds,
    on: bool,
    turns: Vec<bool>,
    standing: Standing,
    rates: Rates,
}

struct World(Mutex<State>);

fn healthy() -> Standing {
    Standing {
        sending_enabled: true,
        shut_down: false,
        daily_quota: Some(200.0),
        sent_last_24_hours: 10.0,
        configuration_set_enabled: true,
        sender_verified: true,
    }
}

impl World {
    fn new() -> Self {
        Self(Mutex::new(State {
            record: Holds::default(),
            on: true,
            turns: Vec::new(),
            standing: healthy(),
            rates: Rates::default(),
        }))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn record(&self) -> Holds {
        self.with(|state| state.record.clone())
    }

    fn is_on_now(&self) -> bool {
        self.with(|state| state.on)
    }

    fn watch(&self, now: OffsetDateTime) -> Holds {
        alone(watch(self, self, self, now)).unwrap()
    }
}

impl HoldRecord for World {
    type Error = Infallible;

    async fn read(&self) -> Result<Holds, Infallible> {
        step().await;
        Ok(self.record())
    }

    async fn replace(&self, next: &Holds) -> Result<bool, Infallible> {
        step().await;
        Ok(self.with(|state| {
            let fits = state.record.version + 1 == next.version;
            if fits {
                state.record = next.clone();
            }
            fits
        }))
    }
}

impl EventSource for World {
    type Error = Infallible;

    async fn is_on(&self) -> Result<bool, Infallible> {
        step().await;
        Ok(self.is_on_now())
    }

    async fn turn(&self, on: bool) -> Result<(), Infallible> {
        step().await;
        self.with(|state| {
            if state.on != on {
                state.turns.push(on);
            }
            state.on = on;
        });
        Ok(())
    }
}

impl Provider for World {
    type Error = Infallible;

    async fn standing(&self) -> Result<Standing, Infallible> {
        step().await;
        Ok(self.with(|state| state.standing.clone()))
    }

    async fn rates(&self) -> Result<Rates, Infallible> {
        step().await;
        Ok(self.with(|state| state.rates.clone()))
    }
}

#[test]
fn the_event_source_is_turned_off_once_and_on_again_when_the_account_may_send() {
    let world = World::new();
    world.with(|state| state.standing.sent_last_24_hours = 200.0);
    for _ in 0..3 {
        alone(place(&world, &world, Cause::DailyQuota, NOW)).unwrap();
    }
    assert_eq!(world.with(|state| state.turns.clone()), [false]);
    assert_eq!(world.record().machine.unwrap().cause, Cause::DailyQuota);

    // One email has left the 24 hours: that is not yet worth it.
    for sent in [199.0, 191.0] {
        world.with(|state| state.standing.sent_last_24_hours = sent);
        assert!(world.watch(NOW).in_force());
    }
    world.with(|state| state.standing.sent_last_24_hours = 190.0);
    assert!(!world.watch(NOW).in_force());
    assert!(!world.watch(NOW).in_force());
    assert_eq!(world.with(|state| state.turns.clone()), [false, true]);
}

#[test]
fn a_hold_says_what_is_in_the_way_now_and_since_when_anything_was() {
    let world = World::new();
    alone(place(&world, &world, Cause::DailyQuota, NOW)).unwrap();
    world.with(|state| state.standing.shut_down = true);
    let machine = world.watch(NOW + Duration::from_mins(1)).machine.unwrap();
    assert_eq!((machine.cause, machine.since), (Cause::AccountSuspended, NOW));
}

#[test]
fn a_hold_by_hand_is_never_ended_by_the_machine() {
    let world = World::new();
    alone(hold_by_hand(&world, &world, "wrong template", NOW)).unwrap();
    alone(place(&world, &world, Cause::SendingPaused, NOW)).unwrap();
    for _ in 0..3 {
        let holds = world.watch(NOW);
        assert_eq!(holds.machine, None, "the machine's own has ended");
        assert_eq!(holds.operator.unwrap().reason, "wrong template");
        assert!(!world.is_on_now());
    }
    alone(release_by_hand(&world, &world, NOW)).unwrap();
    assert!(world.is_on_now() && !world.record().in_force());
    let again = alone(release_by_hand(&world, &world, NOW)).unwrap();
    assert!(matches!(again, Changed::Nothing(_)));
}

#[test]
fn an_event_source_that_was_turned_off_by_other_means_stays_off() {
    let world = World::new();
    world.with(|state| state.on = false);
    assert!(!world.watch(NOW).in_force());
    assert!(!world.is_on_now());

    // A worker that was still at work finds the account paused.
    alone(place(&world, &world, Cause::SendingPaused, NOW)).unwrap();
    let holds = world.watch(NOW);
    assert_eq!(holds.machine, None);
    assert!(holds.operator.unwrap().reason.contains("found turned off"));
    assert!(!world.is_on_now());
}

#[test]
fn a_rate_that_an_operator_has_accepted_holds_no_second_time() {
    let world = World::new();
    let minutes = |n| NOW + Duration::from_mins(n);
    world.with(|state| state.rates.bounces_since = Some(minutes(1)));
    assert_eq!(world.watch(minutes(2)).machine.unwrap().cause, Cause::BounceRate);
    assert!(world.watch(minutes(3)).in_force(), "it changes only by sending");
    alone(release_by_hand(&world, &world, minutes(4))).unwrap();
    assert!(!world.watch(minutes(5)).in_force());
    world.with(|state| state.rates.complaints_since = Some(minutes(6)));
    assert_eq!(world.watch(minutes(7)).machine.unwrap().cause, Cause::ComplaintRate);
    world.with(|state| state.rates = Rates::default());
    assert!(!world.watch(minutes(8)).in_force(), "it has fallen");
    assert!(world.is_on_now());
}

#[test]
fn each_obstacle_is_seen() {
    assert_eq!(healthy().obstacle(), None);
    let unlimited = Standing { daily_quota: None, sent_last_24_hours: 1e9, ..healthy() };
    assert_eq!(unlimited.obstacle(), None);
    for (standing, cause) in [
        (Standing { shut_down: true, ..healthy() }, Cause::AccountSuspended),
        (Standing { sending_enabled: false, ..healthy() }, Cause::SendingPaused),
        (Standing { configuration_set_enabled: false, ..healthy() }, Cause::SendingPaused),
        (Standing { sender_verified: false, ..healthy() }, Cause::SenderNotVerified),
        (Standing { sent_last_24_hours: 195.0, ..healthy() }, Cause::DailyQuota),
    ] {
        assert_eq!(standing.obstacle(), Some(cause));
    }
}

#[test]
fn names_are_what_is_stored() {
    for cause in [
        Cause::DailyQuota,
        Cause::SendingPaused,
        Cause::AccountSuspended,
        Cause::SenderNotVerified,
        Cause::BounceRate,
        Cause::ComplaintRate,
    ] {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
}

#[test]
fn a_call_that_turns_it_off_too_late_is_made_good_and_later_ones_are_respected() {
    let world = World::new();
    alone(hold_by_hand(&world, &world, "because", NOW)).unwrap();
    alone(release_by_hand(&world, &world, NOW)).unwrap();
    world.with(|state| state.on = false);
    world.watch(NOW + ENDING / 2);
    assert!(world.is_on_now());
    world.watch(NOW + ENDING);
    assert_eq!(world.record().ending_since, None);
    world.with(|state| state.on = false);
    world.watch(NOW + ENDING * 2);
    assert!(!world.is_on_now());
}

/// What somebody does, at the same time as others.
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

async fn act(world: &World, act: Act) {
    match act {
        Act::Place => drop(place(world, world, Cause::SendingPaused, NOW).await),
        Act::Watch => drop(watch(world, world, world, NOW).await),
        Act::Hold => drop(hold_by_hand(world, world, "because", NOW).await),
        Act::Release => drop(release_by_hand(world, world, NOW).await),
    }
}

fn acts(of: &'static [Act]) -> impl Strategy<Value = Vec<(Act, Option<u8>)>> {
    let act = proptest::sample::select(of);
    // Some crash after that many steps.
    let steps = proptest::option::weighted(0.3, 0_u8..8);
    proptest::collection::vec((act, steps), 1..5)
}

/// Everybody at once, in the order of `turns`; who crashes does no more.
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

    /// Whoever is interrupted wherever, a quiet minute later the event source is as the record says.
    #[test]
    fn in_the_end_the_event_source_is_as_the_record_says(
        acts in acts(&[Act::Place, Act::Watch, Act::Hold, Act::Release]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::new();
        interleave(&world, &acts, &turns);
        alone(settle(&world, &world, NOW + Duration::from_mins(1))).unwrap();
        prop_assert_eq!(world.is_on_now(), !world.record().in_force(), "{:?}", world.record());
        // And the machine's own hold does not outlast its cause.
        let holds = world.watch(NOW);
        prop_assert_eq!(holds.machine, None);
        prop_assert_eq!(world.is_on_now(), holds.operator.is_none());
    }

    /// A hold by hand that was made before all this, or beside it, is still in force.
    #[test]
    fn no_machine_ends_a_hold_by_hand(
        before: bool,
        acts in acts(&[Act::Place, Act::Watch]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::new();
        let mut acts = acts;
        if before {
            alone(hold_by_hand(&world, &world, "because", NOW)).unwrap();
        } else {
            acts.push((Act::Hold, None));
        }
        interleave(&world, &acts, &turns);
        prop_assert!(world.record().operator.is_some());
        let holds = world.watch(NOW);
        prop_assert!(holds.operator.is_some() && !world.is_on_now());
    }

    /// What was turned off by other means is turned on by nobody but an operator's release.
    #[test]
    fn no_machine_turns_on_what_it_did_not_turn_off(
        acts in acts(&[Act::Place, Act::Watch]),
        turns in proptest::collection::vec(0_usize..8, 1..60),
    ) {
        let world = World::new();
        world.with(|state| state.on = false);
        interleave(&world, &acts, &turns);
        world.watch(NOW);
        prop_assert!(world.with(|state| state.turns.is_empty()));
    }
}
