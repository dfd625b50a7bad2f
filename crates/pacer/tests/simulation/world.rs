//! A deployment with many faults: slots that run invocations one after another, environments that
//! are reused, replaced or killed, a provider that responds in a millisecond or not at all, a queue
//! that redelivers, clocks that step back.
//!
//! Real time is a number of nanoseconds here. The slots share only the queue.

use std::{mem, ops::AddAssign};

use send_pacer::{Moment, Share, Wait, audit::Arrival};

use crate::{
    common::{Paced, Permit, Rules, share},
    random::Random,
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// Enough for several windows of every share.
const MAX_SENDS_PER_SLOT: usize = 160;

/// Everything that the seed decides before the simulation starts.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) share: Share,
    pub(crate) limit: u32,
    batch_size: u64,
    /// The timeout of an invocation.
    timeout: u64,
    /// The timeout of an attempt.
    attempt_timeout: u64,
    /// How long before its timeout an invocation stops asking for permits.
    closes_before: u64,
    provider: Provider,
    trouble: Trouble,
    /// The lower limit, if it is lowered and raised again during the schedule.
    pub(crate) lowering: Option<Lowering>,
    random: Random,
}

/// A limit that is lowered for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lowering {
    pub(crate) share: Share,
    from: u64,
    until: u64,
    /// How often a running invocation looks for it.
    look_every: u64,
}

impl Lowering {
    fn is_in_force(self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// When a running invocation finds it. `u64::MAX` if it is over.
    fn is_found_at(self, now: u64, random: &mut Random) -> u64 {
        if now < self.from { self.from + random.within(0..=self.look_every) } else { u64::MAX }
    }
}

/// The latencies of responses.
#[derive(Debug, Clone, Copy)]
enum Provider {
    /// Within the slack.
    Calm,
    /// Within a nanosecond of the slack.
    Borderline,
    /// Mostly calm, sometimes anything up to the timeout.
    Stalling,
    /// Anything up to the timeout.
    Slow,
}

/// The frequency of each kind of fault, per mille.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// Invocations that are killed at any instant.
    kill: u64,
    /// Attempts that the provider throttles.
    throttle: u64,
    /// Attempts that fail, so that the queue redelivers the job.
    fail: u64,
    /// Waits that end late, or after which the invocation asks too early.
    lateness: u64,
    /// Clock readings after a step back or a standstill.
    clock: u64,
    /// Invocations in a new environment, which has its own clock.
    recycle: u64,
    /// Long gaps between invocations.
    pause: u64,
}

/// How often each kind of event happened. A check without events proves nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Happened {
    sends: u64,
    slow_sends: u64,
    overlapping: u64,
    waits_for_end: u64,
    invocations: u64,
    kills: u64,
    killed_sends: u64,
    throttles: u64,
    redeliveries: u64,
    recycled: u64,
    clock_steps: u64,
    /// Invocations that learned of a lower limit while they ran.
    slowed: u64,
    slowed_sends: u64,
}

impl AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.counts_mut().into_iter().zip(other.clone().counts_mut()) {
            *mine += *theirs;
        }
    }
}

impl Happened {
    fn counts_mut(&mut self) -> [&mut u64; 13] {
        [
            &mut self.sends,
            &mut self.slow_sends,
            &mut self.overlapping,
            &mut self.waits_for_end,
            &mut self.invocations,
            &mut self.kills,
            &mut self.killed_sends,
            &mut self.throttles,
            &mut self.redeliveries,
            &mut self.recycled,
            &mut self.clock_steps,
            &mut self.slowed,
            &mut self.slowed_sends,
        ]
    }

    pub(crate) fn assert_everything_happened(&self, schedules: u64) {
        let rarest = self.clone().counts_mut().into_iter().map(|count| *count).min();
        assert!(rarest >= Some(schedules / 10), "some event hardly ever happened: {self:#?}");
    }
}

impl Schedule {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::of(seed);
        let slots = random.within(1..=4);
        let quota = random.within(1..=9);
        let limit = u32::try_from(slots * quota + random.within(0..=slots - 1)).unwrap();
        let window = random.one_of(&[1, 10, 60]) * SECOND + random.within(0..=SECOND);
        let slack = *[0, MS, 60 * MS, window / 100, window / 10, window, 3 * window]
            .get(usize::try_from(random.within(0..=6)).unwrap())
            .unwrap();
        let share = share(limit, window, u32::try_from(slots).unwrap(), slack);
        let interval = nanos(share.interval());
        let attempt_timeout = random.within(100 * MS..=2 * window);
        let lowering = Self::lowering(seed, share);
        Self {
            share,
            lowering,
            limit,
            batch_size: random.within(1..=12),
            timeout: random.within(2 * interval..=15 * interval) + attempt_timeout,
            attempt_timeout,
            closes_before: random.one_of(&[0, attempt_timeout, attempt_timeout / 2]),
            provider: random.one_of(&[
                Provider::Calm,
                Provider::Borderline,
                Provider::Stalling,
                Provider::Slow,
            ]),
            trouble: Trouble {
                kill: random.one_of(&[0, 100, 500]),
                throttle: random.one_of(&[0, 0, 50]),
                fail: random.one_of(&[0, 100]),
                lateness: random.one_of(&[0, 100, 500]),
                clock: random.one_of(&[0, 0, 50]),
                recycle: random.one_of(&[0, 300]),
                pause: random.one_of(&[0, 100, 500]),
            },
            random,
        }
    }

    /// In half of the schedules. From a generator of its own, so that the rest of a schedule does not
    /// depend on it.
    fn lowering(seed: u64, share: Share) -> Option<Lowering> {
        let mut random = Random::of(!seed);
        let lower_quota = share.quota().checked_sub(1).filter(|&lower| lower > 0)?;
        if random.chance(300) {
            return None;
        }
        let quota = u32::try_from(random.within(1..=lower_quota.into())).unwrap();
        let (window, slots) = (nanos(share.window().get()), share.slots().get());
        let lower = self::share(quota * slots, window, slots, nanos(share.slack().get()));
        let from = random.within(0..=8 * window);
        let until = from + random.within(window..=40 * window);
        let look_every = random.one_of(&[MS, nanos(share.interval()), window / 4]);
        Some(Lowering { share: lower, from, until, look_every })
    }

    /// The possible arrivals of each send, per slot.
    pub(crate) fn run(&self, rules: Rules) -> (Vec<Vec<Sent>>, Happened) {
        let mut world = World {
            rules,
            schedule: self.clone(),
            random: self.random.clone(),
            queue: Queue { backlog: self.share.total() * 20, returning: Vec::new() },
            happened: Happened::default(),
        };
        let mut slots: Vec<_> = (0..self.share.slots().get()).map(|_| Slot::default()).collect();
        let max = MAX_SENDS_PER_SLOT * slots.len();
        while slots.iter().map(|slot| slot.arrivals.len()).sum::<usize>() < max {
            let Some(slot) = slots.iter_mut().min_by_key(|slot| slot.next()) else { break };
            if slot.next() == u64::MAX {
                break;
            }
            slot.step(&mut world);
        }
        let arrivals = slots.into_iter().map(Slot::finish).collect();
        (arrivals, world.happened)
    }
}

/// The state that the slots share, and the source of all decisions.
struct World {
    rules: Rules,
    schedule: Schedule,
    random: Random,
    queue: Queue,
    happened: Happened,
}

/// Jobs without content: the number of visible jobs, and when each hidden one becomes visible.
struct Queue {
    backlog: u64,
    returning: Vec<u64>,
}

impl Queue {
    fn take(&mut self, max: u64, now: u64) -> u64 {
        let before = self.returning.len();
        self.returning.retain(|&visible| visible > now);
        self.backlog += (before - self.returning.len()) as u64;
        let taken = max.min(self.backlog);
        self.backlog -= taken;
        taken
    }

    fn give_back(&mut self, jobs: u64, visible: u64) {
        self.returning.extend((0..jobs).map(|_| visible));
    }

    fn next(&self) -> u64 {
        self.returning.iter().copied().min().unwrap_or(u64::MAX)
    }
}

#[derive(Default)]
struct Slot {
    /// The clock of the current environment.
    clock: Clock,
    idle_until: u64,
    invocation: Option<Invocation>,
    arrivals: Vec<Sent>,
}

/// A send's possible arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) arrival: Arrival,
    /// Whether it started at the pace of the lower limit.
    pub(crate) slowed: bool,
}

struct Invocation {
    paced: Paced,
    jobs: u64,
    outstanding: Vec<Send>,
    /// When it next asks for a permit. `u64::MAX` while it waits for an attempt to end.
    asks_at: u64,
    closes_at: u64,
    /// Its timeout, or an earlier kill.
    dies_at: u64,
    /// When it looks for a lower limit. `u64::MAX` if it keeps it already, or if there is none.
    looks_at: u64,
    slowed: bool,
}

struct Send {
    permit: Permit,
    start: u64,
    end: u64,
    slowed: bool,
}

impl Slot {
    fn next(&self) -> u64 {
        self.invocation.as_ref().map_or(self.idle_until, Invocation::next)
    }

    fn step(&mut self, world: &mut World) {
        let now = self.next();
        let Some(mut invocation) = self.invocation.take() else {
            return self.begin(now, world);
        };
        if invocation.dies_at <= now {
            return self.die(invocation, now, world);
        }
        if invocation.looks_at <= now {
            invocation.look(now, world);
            self.invocation = Some(invocation);
            return;
        }
        let end = invocation.outstanding.iter().position(|send| send.end <= now);
        // At the same instant, either event may come first.
        let asks_first = invocation.asks_at <= now && world.random.chance(500);
        match end {
            Some(place) if !asks_first => self.end(&mut invocation, place, now, world),
            _ => self.ask(&mut invocation, now, world),
        }
        if invocation.is_over(world.rules) {
            self.leave(invocation, now, world);
        } else {
            self.invocation = Some(invocation);
        }
    }

    fn begin(&mut self, now: u64, world: &mut World) {
        let schedule = &world.schedule;
        let jobs = world.queue.take(schedule.batch_size, now);
        if jobs == 0 {
            self.idle_until = world.queue.next();
            return;
        }
        world.happened.invocations += 1;
        if world.random.chance(schedule.trouble.recycle) {
            world.happened.recycled += 1;
            self.clock = Clock { offset: world.random.within(0..=1 << 60), lost: 0 };
        }
        let timeout = schedule.timeout;
        let dies_after = if world.random.chance(schedule.trouble.kill) {
            world.happened.kills += 1;
            world.random.within(0..=timeout)
        } else {
            timeout
        };
        let reading = self.clock.read(now, world);
        let mut invocation = Invocation {
            paced: Paced::begin(world.schedule.share, world.rules, reading),
            looks_at: u64::MAX,
            slowed: false,
            jobs,
            outstanding: Vec::new(),
            asks_at: now,
            closes_at: now + timeout.saturating_sub(world.schedule.closes_before),
            dies_at: now + dies_after,
        };
        invocation.look(now, world);
        self.invocation = Some(invocation);
    }

    fn ask(&mut self, invocation: &mut Invocation, now: u64, world: &mut World) {
        if now > invocation.closes_at {
            world.queue.give_back(mem::take(&mut invocation.jobs), now);
            invocation.asks_at = u64::MAX;
            return;
        }
        let reading = self.clock.read(now, world);
        match invocation.paced.ask(reading) {
            Ok(permit) => self.send(invocation, permit, now, world),
            Err(Wait::Until(due)) => {
                let wait = nanos(due.since(reading));
                invocation.asks_at = now + world.lateness(wait);
            }
            Err(Wait::ForAttemptEnd) => {
                world.happened.waits_for_end += 1;
                invocation.asks_at = u64::MAX;
            }
        }
    }

    fn send(&mut self, invocation: &mut Invocation, permit: Permit, now: u64, world: &mut World) {
        let latency = world.latency();
        let slack = nanos(world.schedule.share.slack().get());
        world.happened.sends += 1;
        world.happened.slow_sends += u64::from(latency > slack);
        world.happened.overlapping += u64::from(!invocation.outstanding.is_empty());
        if !world.rules.keeps(3) && world.random.chance(300) {
            // The first of two attempts: it failed fast, and a library's hidden retry follows.
            self.arrivals.push(sent(now, now, invocation.slowed));
        }
        let slowed = invocation.slowed;
        world.happened.slowed_sends += u64::from(slowed);
        invocation.outstanding.push(Send { permit, start: now, end: now + latency, slowed });
        invocation.jobs -= 1;
        // The next job may be ready now or later.
        invocation.asks_at = now + world.lateness(0);
        if invocation.jobs == 0 {
            invocation.asks_at = u64::MAX;
        }
    }

    fn end(&mut self, invocation: &mut Invocation, place: usize, now: u64, world: &mut World) {
        let Send { permit, start, slowed, .. } = invocation.outstanding.swap_remove(place);
        self.arrivals.push(sent(start, now, slowed));
        let reading = self.clock.read(now, world);
        invocation.paced.end(permit, reading);
        if world.random.chance(world.schedule.trouble.throttle) {
            world.happened.throttles += 1;
            world.queue.give_back(mem::take(&mut invocation.jobs) + 1, now + SECOND);
        } else if world.random.chance(world.schedule.trouble.fail) {
            world.happened.redeliveries += 1;
            world.queue.give_back(1, now + 30 * SECOND);
        }
        invocation.asks_at = if invocation.jobs == 0 { u64::MAX } else { now };
    }

    /// The environment ends immediately, and its outstanding sends with it (rule 5).
    fn die(&mut self, invocation: Invocation, now: u64, world: &mut World) {
        world.happened.killed_sends += invocation.outstanding.len() as u64;
        let unfinished = invocation.jobs + invocation.outstanding.len() as u64;
        world.queue.give_back(unfinished, now + 6 * world.schedule.timeout);
        self.clock = Clock { offset: world.random.within(0..=1 << 60), lost: 0 };
        self.leave(invocation, now, world);
    }

    fn leave(&mut self, invocation: Invocation, now: u64, world: &mut World) {
        for Send { start, end, slowed, .. } in invocation.outstanding {
            let end = if world.rules.keeps(5) { end.min(now) } else { end };
            self.arrivals.push(sent(start, end, slowed));
        }
        self.idle_until = now + world.gap();
    }

    /// Sends that are outstanding when the simulation stops may arrive until their end.
    fn finish(mut self) -> Vec<Sent> {
        let outstanding = self.invocation.into_iter().flat_map(|it| it.outstanding);
        for Send { start, end, slowed, .. } in outstanding {
            self.arrivals.push(sent(start, end, slowed));
        }
        self.arrivals
    }
}

impl Invocation {
    fn next(&self) -> u64 {
        let ends = self.outstanding.iter().map(|send| send.end).min().unwrap_or(u64::MAX);
        ends.min(self.asks_at).min(self.dies_at).min(self.looks_at)
    }

    /// Looks whether the limit is lowered, and keeps the lower one if it is.
    fn look(&mut self, now: u64, world: &mut World) {
        let Some(lowering) = world.schedule.lowering else { return };
        if lowering.is_in_force(now) {
            self.paced.slow_to(lowering.share);
            self.slowed = true;
            self.looks_at = u64::MAX;
            world.happened.slowed += 1;
        } else {
            self.looks_at = lowering.is_found_at(now, &mut world.random);
        }
    }

    /// Rule 5: an invocation waits for its outstanding sends.
    fn is_over(&self, rules: Rules) -> bool {
        self.jobs == 0 && (self.outstanding.is_empty() || !rules.keeps(5))
    }
}

impl World {
    fn latency(&mut self) -> u64 {
        let slack = nanos(self.schedule.share.slack().get());
        let timeout = self.schedule.attempt_timeout;
        let random = &mut self.random;
        let latency = match self.schedule.provider {
            Provider::Calm => random.within(0..=slack),
            Provider::Borderline => slack.saturating_sub(1) + random.within(0..=2),
            Provider::Stalling if random.chance(900) => random.within(0..=slack),
            Provider::Stalling | Provider::Slow => random.within(MS..=timeout),
        };
        latency.min(timeout)
    }

    /// The real length of a wait. Asking too early must be harmless too.
    fn lateness(&mut self, wait: u64) -> u64 {
        if !self.random.chance(self.schedule.trouble.lateness) {
            return wait;
        }
        let interval = nanos(self.schedule.share.interval());
        match self.random.within(0..=3) {
            0 => self.random.within(0..=wait),
            1 => wait + self.random.within(0..=2 * MS),
            _ => wait + self.random.within(0..=4 * interval),
        }
    }

    fn gap(&mut self) -> u64 {
        let window = nanos(self.schedule.share.window().get());
        if self.random.chance(self.schedule.trouble.pause) {
            self.random.within(0..=2 * window)
        } else {
            self.random.one_of(&[0, 1, MS, 20 * MS])
        }
    }
}

/// A clock that should be monotonic: it may lose time, and never gains time.
#[derive(Default)]
struct Clock {
    offset: u64,
    lost: u64,
}

impl Clock {
    fn read(&mut self, now: u64, world: &mut World) -> Moment {
        if world.random.chance(world.schedule.trouble.clock) {
            world.happened.clock_steps += 1;
            self.lost += world.random.within(0..=3 * nanos(world.schedule.share.interval()));
        }
        Moment::from_nanos((self.offset + now).saturating_sub(self.lost))
    }
}

fn sent(start: u64, end: u64, slowed: bool) -> Sent {
    let (start, end) = (i64::try_from(start).unwrap(), i64::try_from(end).unwrap());
    Sent { arrival: Arrival::between(start, end).unwrap(), slowed }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
