//! Real worker processes in a storm. Each may be killed at any moment and is replaced at once, while the provider is
//! slow, stalls, throttles, fails and keeps silent, and the queue delivers messages twice. In spite of that, no
//! window at the provider may contain more than the limit, no invocation may attempt a job twice, no email may be
//! sent twice without an excuse, and no job may be lost.
//!
//! The same storms run against workers in which one of the pacer's rules is removed (`mutant_worker`). Each must be
//! detected, and the mutant worker with every rule must not be.
//!
//! A storm cannot show that the limit holds in every interleaving, or to the nanosecond. The model and the simulation
//! in `crates/pacer/tests` do that, with time as a number. A storm of some seconds only detects a mistake that adds a
//! send to a window that is otherwise almost full. It shows what the model and the simulation cannot: that the
//! binary, with its HTTP client, its timers and its runtime, follows the rules.
//!
//! `STORM_SEED=7 cargo test -p storm` runs another storm. The seed decides what happens to the n-th request, and which
//! slot is killed when. How threads and processes then interleave is up to the machine. No test depends on its speed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests too")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pacer::{SendLimit, Share, Slack, Slots, Window};
use sizing::WorkerSettings;
use storm::{
    Fleet, Program, World,
    oracle::{self, Findings},
    weather::{Reply, Weather},
};

/// The deadline of a storm. A storm needs this long only if the machine hangs.
const MAX_DURATION: Duration = Duration::from_mins(4);

/// 40 in any 2 s, by 4 slots. An attempt usually ends long before the next one starts.
fn separate_attempts() -> WorkerSettings {
    settings(40, 4, 100, 8)
}

/// 60 in any 2 s, by 2 slots. Up to 3 attempts of a slot are outstanding at the same time.
fn overlapping_attempts() -> WorkerSettings {
    settings(60, 2, 200, 24)
}

fn settings(limit: u32, slots: u32, slack: u32, batch_size: u32) -> WorkerSettings {
    WorkerSettings {
        limit: SendLimit::new(limit).unwrap(),
        window: Window::from_secs(2).unwrap(),
        slack: Slack::from_millis(slack).unwrap(),
        slots: Slots::new(slots).unwrap(),
        batch_size,
        timeout: Duration::from_secs(30),
    }
}

/// A fleet in rough weather.
struct Storm {
    seed: u64,
    random: Rng,
    share: Share,
    world: Arc<World>,
    put: Vec<String>,
    fleet: Fleet,
    kills: usize,
    began: Instant,
}

impl Storm {
    async fn begin(program: Program, settings: WorkerSettings) -> Self {
        let seed = std::env::var("STORM_SEED").map_or(1, |seed| seed.parse().unwrap());
        // Short enough for messages to become visible while they are still being handled.
        let world = World::new(Weather::rough(seed), Duration::from_secs(4));
        let put = messages(3_000);
        world.queue.put(put.iter().cloned());
        let fleet = Fleet::start(world.clone(), program, settings, Duration::ZERO).await.unwrap();
        let share = settings.check().unwrap();
        let (random, began) = (Rng::with_seed(seed), Instant::now());
        Self { seed, random, share, world, put, fleet, kills: 0, began }
    }

    /// Kills one worker after another until `is_over` returns true.
    async fn kill_workers_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        while !is_over(self) {
            assert!(self.began.elapsed() < MAX_DURATION, "{}", self.summary());
            // Several kills in quick succession, and then a pause in which windows can fill.
            let pause = if self.random.u8(0..4) == 0 { 2_000..4_000 } else { 10..300 };
            tokio::time::sleep(Duration::from_millis(self.random.u64(pause))).await;
            let slot = self.random.usize(0..self.fleet.slots());
            self.fleet.replace(slot).await.unwrap();
            self.kills += 1;
        }
    }

    fn max_in_window(&self) -> usize {
        oracle::max_in_window(self.world.provider.arrivals().iter(), self.share)
    }

    fn replies(&self, reply: Reply) -> usize {
        let arrivals = self.world.provider.arrivals();
        arrivals.iter().filter(|arrival| arrival.reply == reply).count()
    }

    fn summary(&self) -> String {
        format!(
            "STORM_SEED={}: {:?}, {} kills, {} redeliveries, {} arrivals, at most {} in a window; \
             the limit is {}",
            self.seed,
            self.began.elapsed(),
            self.kills,
            self.world.queue.redeliveries(),
            self.world.provider.count(),
            self.max_in_window(),
            self.share.total(),
        )
    }

    /// Kills all workers and judges the run.
    async fn end(self) -> Findings {
        let summary = self.summary();
        let environments = self.fleet.stop().await.unwrap();
        let findings = Findings::of(&self.world, &environments, self.share, &self.put);
        println!("{summary}; {} excused second emails", findings.excused_second_emails);
        let violations = findings.violations(self.share);
        assert!(violations.is_empty(), "{summary}: {violations:#?}");
        findings
    }
}

/// Messages for this many jobs. Some jobs have two messages, some jobs can never be sent, and some messages are not
/// jobs.
fn messages(jobs: usize) -> Vec<String> {
    let mut messages = Vec::new();
    for n in 0..jobs {
        let content = if n % 50 == 49 {
            r#""template":"novel","data":{}"#
        } else {
            r#""template":"enrollment-confirmation","data":{"student_name":"Ada","course_title":"Rust"}"#
        };
        let job = format!(r#"{{"v":1,"id":"job.{n}","to":"ada@example.com",{content}}}"#);
        if n % 20 == 19 {
            messages.push(job.clone());
        }
        if n % 50 == 25 {
            messages.push(format!("not a job: {n}"));
        }
        messages.push(job);
    }
    messages
}

/// Runs a storm until it has had many windows and every kind of fault, and fails if a rule was broken.
async fn keeps_the_rules(program: Program, settings: WorkerSettings, arrivals: usize) {
    let mut storm = Storm::begin(program, settings).await;
    storm
        .kill_workers_until(|storm| {
            storm.world.provider.count() >= arrivals
                && storm.kills >= 20
                && storm.world.queue.redeliveries() > 0
                && !storm.world.queue.dead_letters().is_empty()
                && [Reply::Throttle, Reply::Fail, Reply::AcceptAndFail, Reply::Reject]
                    .into_iter()
                    .all(|reply| storm.replies(reply) > 0)
        })
        .await;
    storm.end().await;
}

fn real_worker() -> Program {
    Program::new(env!("CARGO_BIN_EXE_worker-under-test"))
}

fn mutant_worker(mutation: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mutant-worker")).with_variable("MUTATION", mutation)
}

/// Runs a storm until some window contains more than the limit. Fails if none does by the deadline.
async fn exceeds_the_limit(mutation: &str) {
    is_detected(mutation, |storm| storm.max_in_window() as u64 > storm.share.total()).await;
}

async fn is_detected(mutation: &str, violation: impl Fn(&Storm) -> bool) {
    let mut storm = Storm::begin(mutant_worker(mutation), separate_attempts()).await;
    storm.kill_workers_until(violation).await;
    println!("{mutation} was detected. {}", storm.summary());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_in_a_storm_keeps_the_rules() {
    keeps_the_rules(real_worker(), separate_attempts(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_with_overlapping_attempts_keeps_the_rules() {
    keeps_the_rules(real_worker(), overlapping_attempts(), 300).await;
}

/// Each call takes nearly as long as an attempt of it may take, and SES's responses as long as the worker waits for
/// them. No worker is killed, so nothing excuses a second email.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_whose_calls_are_all_slow_ends_in_time_and_sends_no_email_twice() {
    let weather = Weather::calm(Duration::from_millis(9_700));
    let (hidden, call) = (Duration::from_mins(3), Duration::from_millis(1_800));
    let world = World::with_slow_calls(weather, hidden, call);
    let settings = separate_attempts();
    let put = messages(40);
    world.queue.put(put.iter().cloned());
    let fleet = Fleet::start(world.clone(), real_worker(), settings, Duration::ZERO).await.unwrap();
    let began = Instant::now();
    // Each slot sends one or two emails per invocation.
    while world.provider.count() < 3 * fleet.slots() {
        assert!(began.elapsed() < MAX_DURATION, "{} arrivals", world.provider.count());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let environments = fleet.stop().await.unwrap();
    let share = settings.check().unwrap();
    let findings = Findings::of(&world, &environments, share, &put);
    assert!(findings.violations(share).is_empty(), "{findings:#?}");
    assert_eq!(findings.excused_second_emails, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutant_worker_with_every_rule_keeps_the_rules() {
    keeps_the_rules(mutant_worker("none"), separate_attempts(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_rule_1_exceeds_the_limit() {
    exceeds_the_limit("rule-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_rule_2_exceeds_the_limit() {
    exceeds_the_limit("rule-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_rule_3_exceeds_the_limit() {
    exceeds_the_limit("rule-3").await;
}

/// The SDK waits for up to a second before its first retry, and meanwhile rule 4 lets nothing else start. The limit is
/// therefore mostly kept, and this mutation is detected by its repeated attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_with_the_retries_of_the_sdk_repeats_attempts_under_one_permit() {
    let repeated = |storm: &Storm| oracle::repeated_attempts(&storm.world.provider.arrivals());
    is_detected("sdk-retries", |storm| !repeated(storm).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_rule_4_exceeds_the_limit() {
    exceeds_the_limit("rule-4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_rule_5_exceeds_the_limit() {
    exceeds_the_limit("rule-5").await;
}
