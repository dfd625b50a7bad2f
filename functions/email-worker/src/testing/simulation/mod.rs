//! The worker, simulated: its slots, a queue that counts receives as SQS does, and a provider that refuses emails as a
//! test says. Time is tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

mod backlog;
mod days;
mod fairness;
mod queue;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use email::{hold, mailer::Outcome, testing::MemoryProvider};
use futures_util::future::join_all;
use sizing::WorkerSettings;
use tokio::time::{Instant, sleep, sleep_until};

use self::queue::{MAX_IN_FLIGHT, Queue};
use super::world::{MIDNIGHT, World, invocation, job_to_its_own_recipient, settings, world};
use crate::worker::{Postponed, Received};

/// A worker, its queue, and the emails that the provider has accepted.
struct Simulation {
    began: Instant,
    world: World,
    settings: WorkerSettings,
    queue: Mutex<Queue>,
    /// When each job was accepted, since the start.
    accepted: Arc<Mutex<BTreeMap<String, Vec<Duration>>>>,
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
        let accepted = Arc::new(Mutex::new(BTreeMap::<_, Vec<_>>::new()));
        let (counted, requests) = (accepted.clone(), AtomicU64::new(0));
        let world = world().deciding(move |job| {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            let outcome = weather(began.elapsed(), number);
            if matches!(outcome, Outcome::Accepted { .. }) {
                counted.lock().unwrap().entry(job.to_string()).or_default().push(began.elapsed());
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

    /// Runs all slots until the queue is empty.
    async fn slots(&self) {
        join_all((0..self.settings.slots.get()).map(|_| self.slot())).await;
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
        assert!(accepted.values().all(|times| times.len() == 1), "{what}: one was sent twice");
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
        self.queue.lock().unwrap().put(None, all);
        tokio::select! {
            () = self.slots() => {}
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
