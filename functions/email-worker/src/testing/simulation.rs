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
    JobId,
    dead_letter::Reason,
    feedback::{Event, Feedback, RecordFeedback},
    hold::{self, HoldCause, MAX_REJECTIONS, MAX_REJECTIONS_ON_PROBATION},
    ledger::State,
    mailer::Outcome,
    retry::{MAX_RECEIVES, MAX_UNANSWERED},
    testing::{MemoryProvider, mailer::accepted},
};
use futures_util::future::join_all;
use pacer::{SendLimit, Window};
use sizing::{DEFAULT_LATENCY, Plan, WorkerSettings};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until};

use super::world::{MIDNIGHT, World, invocation, job, job_to_its_own_recipient, settings, world};
use crate::worker::{Postponed, Received};

const DAY: Duration = Duration::from_hours(24);
/// template.yaml's, as a multiple of `WorkerTimeout`.
const VISIBILITY_TIMEOUTS: u32 = 6;

/// SQS's quota of messages that were received and are not deleted. Beyond it, SQS delivers nothing.
const MAX_IN_FLIGHT: usize = 120_000;

/// An SQS queue, which delivers messages in no particular order.
struct Queue {
    began: Instant,
    visible: Vec<usize>,
    /// The hidden messages.
    waiting: BTreeSet<(Instant, usize)>,
    max_in_flight: usize,
    messages: HashMap<usize, Message>,
    /// The number of messages that were ever put on it.
    put: usize,
    /// Moved to the dead-letter queue after too many receives.
    dead: Vec<usize>,
    max_receives: u32,
    /// The state of a simple random number generator.
    draws: DefaultHasher,
}

struct Message {
    job: Received,
    sent_at: Instant,
    visible_at: Instant,
    receives: u32,
    first_received_at: Option<OffsetDateTime>,
}

impl Queue {
    fn new(began: Instant) -> Self {
        Self {
            began,
            visible: Vec::new(),
            waiting: BTreeSet::new(),
            max_in_flight: 0,
            messages: HashMap::new(),
            put: 0,
            dead: Vec::new(),
            max_receives: 0,
            draws: DefaultHasher::new(),
        }
    }

    fn put(&mut self, jobs: impl IntoIterator<Item = Received>) {
        let visible_at = Instant::now();
        for job in jobs {
            let id = self.put;
            self.put += 1;
            self.visible.push(id);
            let message = Message {
                job,
                sent_at: visible_at,
                visible_at,
                receives: 0,
                first_received_at: None,
            };
            self.messages.insert(id, message);
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
                sent_at: Some(MIDNIGHT + message.sent_at.duration_since(self.began)),
                first_received_at: Some(*message.first_received_at.get_or_insert(at)),
                ..message.job.clone()
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
    /// How many jobs may become dead letters.
    max_letters: usize,
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
            queue: Mutex::new(Queue::new(began)),
            accepted,
            invocations: AtomicU64::new(0),
            obeys_holds: true,
            max_letters: 0,
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
            let Some(machine) = self.world.holds.now().machine else { continue };
            hold::end(&self.world.holds, &self.world.event_source, &machine, now).await.unwrap();
        }
    }

    /// Looks after the holds once per minute, as hold-watch does. SES reports nothing unusual.
    async fn watch_holds(&self) {
        let provider = MemoryProvider::default();
        loop {
            sleep(Duration::from_mins(1)).await;
            let now = MIDNIGHT + self.began.elapsed();
            let World { holds, event_source, .. } = &self.world;
            assert!(hold::watch(holds, event_source, &provider, now).await.problems.is_empty());
        }
    }

    /// Runs until the queue is empty, asserts that every job was sent once, and returns the simulated
    /// duration and the maximum receive count of a message.
    async fn run(self, what: &str, jobs: usize, hold: Duration) -> (Duration, u32) {
        let ends = self.end_holds_after(hold);
        self.run_with(what, jobs, ends).await
    }

    async fn run_with(
        &self,
        what: &str,
        jobs: usize,
        ends: impl Future<Output = ()>,
    ) -> (Duration, u32) {
        let took = self.run_until_empty(what, jobs, ends).await;
        let letters = self.world.letters().len();
        assert!(letters <= self.max_letters, "{what}: {letters} dead letters");
        let accepted = self.accepted.lock().unwrap();
        assert_eq!(accepted.len() + letters, jobs, "{what}: not all were sent");
        assert!(accepted.values().all(|&times| times == 1), "{what}: one was sent twice");
        took
    }

    /// Runs until the queue is empty.
    async fn run_to_the_end(&self, what: &str, jobs: usize, hold: Duration) -> Duration {
        self.run_until_empty(what, jobs, self.end_holds_after(hold)).await.0
    }

    async fn run_until_empty(
        &self,
        what: &str,
        jobs: usize,
        ends: impl Future<Output = ()>,
    ) -> (Duration, u32) {
        let all = (0..jobs).map(|n| job_to_its_own_recipient(&format!("job-{n}")));
        self.queue.lock().unwrap().put(all);
        tokio::select! {
            _ = join_all((0..self.settings.slots.get()).map(|_| self.slot())) => {}
            () = ends => unreachable!("it never ends"),
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

/// SES rejects every email for a day, and reports nothing. Each probation costs a few dead letters, not the queue.
#[tokio::test(start_paused = true)]
async fn after_a_day_of_rejections_all_but_a_few_jobs_are_sent_once() {
    let rejection = Reason::new("MessageRejected", "The sender is broken.");
    let mut simulation = Simulation::new(for_a_day(Outcome::Rejected(rejection)));
    // 28 probations in 24 hours: after 5, 10, 20 and 40 minutes, and then each hour.
    simulation.max_letters = MAX_REJECTIONS - 1 + 28 * (MAX_REJECTIONS_ON_PROBATION - 1);
    let ends = simulation.watch_holds();
    let (took, _) = simulation.run_with("a day's rejections", 2_000, ends).await;
    assert!(took < DAY + Duration::from_hours(2), "{took:?}");
}

/// SES refuses everything for a day, and does not report why.
#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_without_a_report_every_job_is_sent_once() {
    let simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::NotPermitted)));
    simulation.run_with("a day's denial", 2_000, simulation.watch_holds()).await;
    let attempts = simulation.world.sent().len();
    assert!(attempts < 2_000 + 28 * 10, "{attempts} attempts");
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

/// A brown-out: the provider accepts emails and gives no answer.
fn for_two_hours_without_answers() -> impl Fn(Duration, u64) -> Outcome {
    move |now, _| if now < Duration::from_hours(2) { Outcome::Ambiguous } else { accepted() }
}

#[tokio::test(start_paused = true)]
async fn two_hours_without_answers_cost_one_copy_if_events_arrive() {
    let simulation = Simulation::new(for_two_hours_without_answers());
    let settle = async {
        loop {
            sleep(Duration::from_secs(5)).await;
            let unsettled: Vec<JobId> = {
                let rows = simulation.world.ledger.rows();
                let rows = rows.iter().filter(|(_, row)| row.state == State::Sending);
                rows.map(|(id, _)| id.parse().unwrap()).collect()
            };
            for id in unsettled {
                if simulation.world.sent().iter().any(|sent| sent == id.as_str()) {
                    simulation.world.ledger.record(&id, &sent(&id), MIDNIGHT).await.unwrap();
                }
            }
        }
    };
    tokio::select! {
        _ = simulation.run_to_the_end("no answers, but events", 200, Duration::ZERO) => {}
        () = settle => unreachable!("it never ends"),
    }
    let mut attempts = simulation.world.sent();
    assert_eq!(attempts.len(), 200, "one attempt per job");
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), 200);
    assert!(simulation.world.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_hours_without_answers_or_events_cost_at_most_six_copies() {
    let simulation = Simulation::new(for_two_hours_without_answers());
    simulation.run_to_the_end("no answers and no events", 200, Duration::ZERO).await;
    let mut copies: BTreeMap<String, u32> = BTreeMap::new();
    for job in simulation.world.sent() {
        *copies.entry(job).or_insert(0) += 1;
    }
    assert_eq!(copies.len(), 200);
    assert!(copies.values().all(|&copies| copies <= MAX_UNANSWERED), "{copies:?}");
    let letters = simulation.world.letters();
    assert!(letters.iter().all(|letter| letter.reason.code == "outcome_unknown"));
    let known = simulation.accepted.lock().unwrap().len() + letters.len();
    assert_eq!(known, 200, "no job is lost");
}

/// The provider's event about an email that it has accepted.
fn sent(id: &JobId) -> Feedback {
    Feedback {
        job_id: Some(id.clone()),
        ses_message_id: "m".to_owned(),
        sent_at: MIDNIGHT,
        at: MIDNIGHT,
        recipients: Vec::new(),
        event: Event::Sent,
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_of_thirteen_days_no_login_code_and_no_week_old_email_is_sent() {
    let hold = 13 * DAY;
    let weather = move |now, _| match now {
        now if now < hold => Outcome::Held(HoldCause::AccountSuspended),
        _ => accepted(),
    };
    let mut simulation = Simulation::new(weather);
    simulation.obeys_holds = false;
    let code = |n: usize| {
        let job = job(&format!("code-{n}"));
        let deadline = r#","deadline":"1970-01-01T00:10:00Z"}"#;
        Received { body: job.body.replace('}', deadline), ..job }
    };
    simulation.queue.lock().unwrap().put((0..20).map(code));
    let sent_late = async {
        sleep(12 * DAY).await;
        simulation.queue.lock().unwrap().put((0..20).map(|n| job(&format!("late-{n}"))));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = simulation.run_to_the_end("a hold of 13 days", 20, hold) => {}
        () = sent_late => unreachable!("it never ends"),
    }
    let accepted = simulation.accepted.lock().unwrap();
    assert_eq!(accepted.len(), 20);
    assert!(accepted.keys().all(|job| job.starts_with("late-")), "{accepted:?}");
    let letters = simulation.world.letters();
    assert_eq!(letters.len(), 40, "codes, and emails that had waited for more than a week");
    assert!(letters.iter().all(|letter| letter.reason.code == "expired"));
    let rows = simulation.world.ledger.rows();
    let failed = rows.iter().filter(|(_, row)| row.state == State::Failed).count();
    assert_eq!(failed, 40);
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_of_six_days_every_job_is_sent_once() {
    let weather = |now, _| match now {
        now if now < 6 * DAY => Outcome::Held(HoldCause::AccountSuspended),
        _ => accepted(),
    };
    let mut simulation = Simulation::new(weather);
    simulation.obeys_holds = false;
    simulation.run("six days' hold", 40, 6 * DAY).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_that_does_not_end_every_job_is_a_dead_letter_within_a_week() {
    let refusal = Outcome::Transient { code: "ServiceUnavailable".to_owned() };
    let simulation = Simulation::new(move |_, _| refusal.clone());
    let took = simulation.run_to_the_end("an endless outage", 50, Duration::ZERO).await;
    // A message with more than 100 receives is hidden for half an hour at least.
    assert!(took < 7 * DAY + Duration::from_mins(45), "{took:?}");
    let letters = simulation.world.letters();
    assert_eq!(letters.len(), 50);
    for letter in letters {
        assert_eq!(letter.reason.code, "expired");
        assert!(letter.reason.text.ends_with("its last attempt failed: ServiceUnavailable"));
    }
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
