//! Days of the worker, simulated: two slots, a queue that counts receives as SQS does, and a provider that
//! refuses emails for a day. Time is tokio's paused clock.
//!
//! Each job must be sent once, and no message may reach the maximum receive count, no matter how many times
//! it was returned. `-- --nocapture` prints the number of receives per simulated day.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use email::{
    hold::{self, HoldCause},
    mailer::Outcome,
    retry::MAX_RECEIVES,
    testing::mailer::accepted,
};
use futures_util::future::join_all;
use pacer::{SendLimit, Window};
use sizing::{DEFAULT_LATENCY, Plan, WorkerSettings};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until};

use super::world::{MIDNIGHT, World, invocation, job, settings, world};
use crate::worker::{Postponed, Received};

const DAY: Duration = Duration::from_hours(24);
/// template.yaml's, as a multiple of `WorkerTimeout`.
const VISIBILITY_TIMEOUTS: u32 = 6;

/// SQS's quota of messages that were received and are not deleted. Beyond it, SQS delivers nothing.
const MAX_IN_FLIGHT: usize = 120_000;

/// An SQS queue, which delivers messages in no particular order.
#[derive(Default)]
struct Queue {
    visible: Vec<usize>,
    /// The hidden messages.
    waiting: BTreeSet<(Instant, usize)>,
    max_in_flight: usize,
    messages: HashMap<usize, Message>,
    /// Moved to the dead-letter queue after too many receives.
    dead: Vec<usize>,
    max_receives: u32,
    /// The state of a simple random number generator.
    draws: DefaultHasher,
}

struct Message {
    job: String,
    visible_at: Instant,
    receives: u32,
    first_received_at: Option<OffsetDateTime>,
}

impl Queue {
    fn put(&mut self, jobs: impl IntoIterator<Item = String>) {
        let visible_at = Instant::now();
        for job in jobs {
            let id = self.messages.len();
            self.visible.push(id);
            self.messages
                .insert(id, Message { job, visible_at, receives: 0, first_received_at: None });
        }
    }

    fn receive(&mut self, settings: &WorkerSettings, at: OffsetDateTime) -> Vec<(usize, Received)> {
        let batch_size = settings.batch_size as usize;
        let now = Instant::now();
        while let Some(&(at, id)) = self.waiting.first().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, id));
            self.visible.push(id);
        }
        let room = MAX_IN_FLIGHT - self.waiting.len();
        let mut batch = Vec::new();
        for _ in 0..batch_size.min(room).min(self.visible.len()) {
            // A random one: SQS keeps no order.
            self.draws.write_u8(0);
            let draw = usize::try_from(self.draws.finish() >> 32).unwrap_or(0);
            let id = self.visible.swap_remove(draw % self.visible.len());
            self.hide(id, settings.timeout * VISIBILITY_TIMEOUTS);
            let Some(message) = self.messages.get_mut(&id) else { continue };
            message.receives += 1;
            self.max_receives = self.max_receives.max(message.receives);
            if message.receives > MAX_RECEIVES {
                self.dead.push(id);
                self.delete(id);
                continue;
            }
            let received = Received {
                sqs_message_id: id.to_string(),
                receives: message.receives,
                first_received_at: Some(*message.first_received_at.get_or_insert(at)),
                ..job(&message.job)
            };
            batch.push((id, received));
        }
        self.max_in_flight = self.max_in_flight.max(self.waiting.len());
        batch
    }

    fn hide(&mut self, id: usize, delay: Duration) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        self.waiting.remove(&(message.visible_at, id));
        message.visible_at = Instant::now() + delay;
        self.waiting.insert((message.visible_at, id));
    }

    fn delete(&mut self, id: usize) {
        if let Some(message) = self.messages.remove(&id) {
            self.waiting.remove(&(message.visible_at, id));
        }
    }

    fn next(&self) -> Option<Instant> {
        if self.visible.is_empty() {
            self.waiting.first().map(|&(at, _)| at)
        } else {
            Some(Instant::now())
        }
    }
}

/// A worker, its queue, and the emails that the provider has accepted.
struct Simulation {
    began: Instant,
    world: World,
    settings: WorkerSettings,
    queue: Mutex<Queue>,
    accepted: Arc<Mutex<BTreeMap<String, u32>>>,
    invocations: AtomicU64,
    /// Whether turning the event source off has an effect. Lambda may take a while.
    obeys_holds: bool,
}

impl Simulation {
    /// `weather` decides the provider's outcome by the time since the start and the number of the request.
    fn new(weather: impl Fn(Duration, u64) -> Outcome + Send + Sync + 'static) -> Self {
        let began = Instant::now();
        let accepted = Arc::new(Mutex::new(BTreeMap::new()));
        let (counted, requests) = (accepted.clone(), AtomicU64::new(0));
        let world = world().deciding(move |job| {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            let outcome = weather(began.elapsed(), number);
            if matches!(outcome, Outcome::Accepted { .. }) {
                *counted.lock().unwrap().entry(job.to_string()).or_insert(0) += 1;
            }
            outcome
        });
        Self {
            began,
            world,
            settings: settings(),
            queue: Mutex::default(),
            accepted,
            invocations: AtomicU64::new(0),
            obeys_holds: true,
        }
    }

    /// Runs one slot until the queue is empty.
    async fn slot(&self) {
        loop {
            let off = self.obeys_holds && !self.world.event_source.is_on_now();
            let batch = if off { Vec::new() } else { self.receive() };
            if batch.is_empty() {
                let Some(next) = self.queue.lock().unwrap().next() else { return };
                let soon = Instant::now() + Duration::from_secs(1);
                sleep_until(next.max(soon)).await;
                continue;
            }
            let (ids, messages): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            self.invoke(ids, messages).await;
        }
    }

    fn receive(&self) -> Vec<(usize, Received)> {
        let at = MIDNIGHT + self.began.elapsed();
        self.queue.lock().unwrap().receive(&self.settings, at)
    }

    async fn invoke(&self, ids: Vec<usize>, messages: Vec<Received>) {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let now = MIDNIGHT + self.began.elapsed();
        let share = self.settings.check().unwrap();
        let id = format!("request-{number}");
        let invocation = invocation(&id, share, now, self.settings.timeout);
        let failed = self.world.handle(&invocation, messages).await;
        let mut queue = self.queue.lock().unwrap();
        let postponed: Vec<Postponed> = {
            let mut all = self.world.queue.0.lock().unwrap();
            all.extract_if(.., |message| failed.contains(&message.sqs_message_id)).collect()
        };
        for Postponed { sqs_message_id, after, .. } in postponed {
            queue.hide(sqs_message_id.parse().unwrap(), after);
        }
        for id in ids.into_iter().filter(|id| !failed.contains(&id.to_string())) {
            queue.delete(id);
        }
    }

    /// Ends holds, once per minute, after their cause has lasted for this duration.
    async fn end_holds_after(&self, duration: Duration) {
        sleep(duration).await;
        loop {
            sleep(Duration::from_mins(1)).await;
            let now = MIDNIGHT + self.began.elapsed();
            hold::release(&self.world.holds, &self.world.event_source, now).await.unwrap();
        }
    }

    /// Runs until the queue is empty, asserts that every job was sent once, and returns the simulated
    /// duration and the maximum receive count of a message.
    async fn run(self, what: &str, jobs: usize, hold: Duration) -> (Duration, u32) {
        self.queue.lock().unwrap().put((0..jobs).map(|n| format!("job-{n}")));
        tokio::select! {
            _ = join_all((0..self.settings.slots.get()).map(|_| self.slot())) => {}
            () = self.end_holds_after(hold) => unreachable!("it never ends"),
        }
        let took = self.began.elapsed();
        let queue = self.queue.lock().unwrap();
        println!(
            "{what}: {jobs} jobs in {:.2} h, {} invocations, at most {} receives per message and {} \
             in flight",
            took.as_secs_f64() / 3600.0,
            self.invocations.load(Ordering::Relaxed),
            queue.max_receives,
            queue.max_in_flight,
        );
        assert!(queue.max_in_flight < MAX_IN_FLIGHT, "{what}: SQS delivers nothing more");
        assert!(queue.dead.is_empty(), "{what}: {} became dead letters", queue.dead.len());
        assert!(self.world.letters().is_empty(), "{what}: dead letters");
        let accepted = self.accepted.lock().unwrap();
        assert_eq!(accepted.len(), jobs, "{what}: not all were sent");
        assert!(accepted.values().all(|&times| times == 1), "{what}: one was sent twice");
        (took, queue.max_receives)
    }
}

/// Refuses for a day, and then accepts.
fn for_a_day(refusal: Outcome) -> impl Fn(Duration, u64) -> Outcome {
    move |now, _| if now < DAY { refusal.clone() } else { accepted() }
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_every_job_is_sent_once() {
    let simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::DailyQuota)));
    let (took, _) = simulation.run("a day's hold", 2_000, DAY).await;
    assert!(took < DAY + Duration::from_mins(45), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_that_lambda_ignores_every_job_is_sent_once() {
    let mut simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::SendingPaused)));
    simulation.obeys_holds = false;
    simulation.run("a day's hold, ignored", 2_000, DAY).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_outage_every_job_is_sent_once() {
    let refusal = Outcome::Transient { code: "ServiceUnavailable".to_owned() };
    let (took, _) = Simulation::new(for_a_day(refusal)).run("a day's outage", 500, DAY).await;
    assert!(took < DAY + Duration::from_hours(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_throttling_every_job_is_sent_once() {
    Simulation::new(for_a_day(Outcome::Throttled)).run("a day's throttling", 1_000, DAY).await;
}

#[tokio::test(start_paused = true)]
async fn with_occasional_failures_every_job_is_sent_once() {
    let weather = |_, number: u64| match number % 97 {
        0..20 => Outcome::Transient { code: "500".to_owned() },
        20..23 => Outcome::Throttled,
        23 => Outcome::Unknown { code: "Novel".to_owned() },
        _ => accepted(),
    };
    Simulation::new(weather).run("bad weather", 3_000, Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_flood_every_job_is_sent_once() {
    let mut simulation = Simulation::new(|_, _| accepted());
    // Most of each batch is returned without an attempt: the limit was lowered, and nothing else.
    simulation.settings.limit = SendLimit::new(60).unwrap();
    let (took, receives) = simulation.run("a flood", 20_000, Duration::ZERO).await;
    assert!(took < Duration::from_secs(20_000 * 11 / 10), "{took:?}");
    assert!(receives < 50, "{receives}");
}

#[tokio::test(start_paused = true)]
async fn with_batches_a_thousand_times_too_large_every_job_is_sent_once() {
    let mut simulation = Simulation::new(|_, _| accepted());
    // Two per minute: an invocation sends one, and returns 999.
    simulation.settings.limit = SendLimit::new(2).unwrap();
    simulation.settings.batch_size = 1_000;
    simulation.settings.timeout = Duration::from_secs(90);
    let (took, receives) = simulation.run("far too large batches", 1_500, Duration::ZERO).await;
    // One email per interval and slot, and the time until the next one is visible.
    assert!(took < Duration::from_mins(66 * 1_500 / 60 / 2), "{took:?}");
    assert!(receives < 50, "{receives}");
}

/// A backlog with the plan for this limit per minute, while the provider refuses everything for a while.
async fn large_plan(limit: u32, jobs: usize, refusal: Outcome) {
    const OUTAGE: Duration = Duration::from_secs(100);
    let what = format!("{limit} per minute, {}", refusal.name());
    let weather = move |now, _| if now < OUTAGE { refusal.clone() } else { accepted() };
    let mut simulation = Simulation::new(weather);
    let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(60).unwrap());
    simulation.settings = Plan::new(limit, window, DEFAULT_LATENCY).unwrap().settings();
    let (took, _) = simulation.run(&what, jobs, OUTAGE).await;
    // Few jobs have several attempts behind them, and wait for the longest back-off.
    assert!(took < OUTAGE + Duration::from_mins(10), "{what}: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn plan_for_30_000_per_minute_stays_below_the_in_flight_quota() {
    large_plan(30_000, 40_000, Outcome::Throttled).await;
    large_plan(30_000, 40_000, Outcome::Transient { code: "503".to_owned() }).await;
}

#[tokio::test(start_paused = true)]
async fn plan_for_100_000_per_minute_stays_below_the_in_flight_quota() {
    large_plan(100_000, 130_000, Outcome::Throttled).await;
}
