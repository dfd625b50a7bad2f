//! Real worker processes in a storm: killed at any instant and replaced at once, while the provider
//! is slow, stalls, throttles, fails and keeps silent, and the queue delivers twice. Whatever happens,
//! no window may hold more than the limit at the provider's door, no invocation may try a job twice,
//! no email may be sent twice without a lost answer, and no job may be lost.
//!
//! Then the same with workers in which one of the pacer's rules is removed (`mutant_worker.rs`):
//! each must be caught, and the same binary with none removed must not be.
//!
//! What this cannot show: that the limit holds in every interleaving, or to the nanosecond. The model
//! and the simulation of `crates/pacer/tests` do that, with time as a number; a storm of seconds only
//! notices a mistake that is worth a send in a window which is otherwise almost full. It shows what
//! they cannot: that the binary, with its HTTP client, its timers and its runtime, keeps the rules
//! that they are about.
//!
//! `STORM_SEED=7 cargo test -p storm` is another storm. The seed decides what
//! happens to the n-th request and which slot is killed when; how threads and processes then
//! interleave is the machine's to decide. Nothing here depends on how fast it is.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, in its helpers too")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pacer::{SendLimit, Share, Slack, Slots, Window, plan::Deployment};
use storm::{
    Fleet, Program, World,
    oracle::{self, Findings},
    stand_in::Reply,
    weather::Weather,
};

/// Before a storm is given up on. Only a machine at a standstill needs this long.
const PATIENCE: Duration = Duration::from_mins(4);

/// 40 in any 2 s, by 4 slots; an attempt usually ends long before the next one starts.
fn apart() -> Deployment {
    deployment(40, 4, 100, 8)
}

/// 60 in any 2 s, by 2 slots: up to 3 attempts of a slot are outstanding at once.
fn overlapping() -> Deployment {
    deployment(60, 2, 200, 24)
}

fn deployment(limit: u32, slots: u32, slack: u32, batch_size: u32) -> Deployment {
    Deployment {
        limit: SendLimit::new(limit).unwrap(),
        window: Window::from_secs(2).unwrap(),
        slack: Slack::from_millis(slack).unwrap(),
        slots: Slots::new(slots).unwrap(),
        batch_size,
        timeout: Duration::from_secs(20),
    }
}

/// A fleet in bad weather.
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
    async fn begin(program: Program, deployment: Deployment) -> Self {
        let seed = std::env::var("STORM_SEED").map_or(1, |seed| seed.parse().unwrap());
        // Short enough for messages to come back while they are still being handled.
        let world = World::new(Weather::rough(seed), Duration::from_secs(4));
        let put = messages(3_000);
        world.queue.put(put.iter().cloned());
        let fleet = Fleet::start(world.clone(), program, deployment, Duration::ZERO).await.unwrap();
        let share = deployment.check().unwrap();
        let (random, began) = (Rng::with_seed(seed), Instant::now());
        Self { seed, random, share, world, put, fleet, kills: 0, began }
    }

    /// Kills one worker after another until `enough` is true.
    async fn rage_until(&mut self, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            assert!(self.began.elapsed() < PATIENCE, "{}", self.so_far());
            // Quick ones, and then a calm in which windows can fill.
            let pause = if self.random.u8(0..4) == 0 { 2_000..4_000 } else { 10..300 };
            tokio::time::sleep(Duration::from_millis(self.random.u64(pause))).await;
            let slot = self.random.usize(0..self.fleet.slots());
            self.fleet.replace(slot).await.unwrap();
            self.kills += 1;
        }
    }

    fn worst(&self) -> usize {
        oracle::worst(self.world.provider.arrivals().iter(), self.share)
    }

    fn replies(&self, reply: Reply) -> usize {
        let arrivals = self.world.provider.arrivals();
        arrivals.iter().filter(|arrival| arrival.reply == reply).count()
    }

    fn so_far(&self) -> String {
        format!(
            "STORM_SEED={}: after {:?}, {} kills, {} redeliveries and {} arrivals, at most {} in a \
             window for {}",
            self.seed,
            self.began.elapsed(),
            self.kills,
            self.world.queue.redelivered(),
            self.world.provider.count(),
            self.worst(),
            self.share.total(),
        )
    }

    /// Kills all and judges.
    async fn end(self) -> Findings {
        let so_far = self.so_far();
        let lives = self.fleet.stop().await.unwrap();
        let findings = Findings::of(&self.world, &lives, self.share, &self.put);
        println!("{so_far}; {} excused second emails", findings.sent_twice);
        let violations = findings.violations(self.share);
        assert!(violations.is_empty(), "{so_far}: {violations:#?}");
        findings
    }
}

/// Jobs; now and then one comes twice, one can never be sent, and one is none.
fn messages(jobs: usize) -> Vec<String> {
    let mut messages = Vec::new();
    for n in 0..jobs {
        let content = if n % 50 == 49 {
            r#""template":"novel","data":{}"#
        } else {
            r#""template":"enrollment-confirmation","data":{"student_name":"Ada","course_title":"Rust"}"#
        };
        let job = format!(r#"{{"v":1,"id":"job-{n}","to":"ada@example.com",{content}}}"#);
        if n % 20 == 19 {
            messages.push(job.clone());
        }
        if n % 50 == 25 {
            messages.push(format!("no job: {n}"));
        }
        messages.push(job);
    }
    messages
}

/// Long enough for many windows, and for everything to have happened.
async fn survives(program: Program, deployment: Deployment, arrivals: usize) {
    let mut storm = Storm::begin(program, deployment).await;
    storm
        .rage_until(|storm| {
            storm.world.provider.count() >= arrivals
                && storm.kills >= 20
                && storm.world.queue.redelivered() > 0
                && !storm.world.queue.dead_letters().is_empty()
                && [Reply::Throttle, Reply::Fail, Reply::Reject]
                    .into_iter()
                    .all(|reply| storm.replies(reply) > 0)
        })
        .await;
    storm.end().await;
}

fn real_worker() -> Program {
    Program::new(env!("CARGO_BIN_EXE_worker-under-test"))
}

fn mutant(mutation: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mutant-worker")).with("MUTATION", mutation)
}

/// Until some window holds more than the limit.
async fn is_caught(mutation: &str) {
    is_caught_by(mutation, |storm| storm.worst() as u64 > storm.share.total()).await;
}

async fn is_caught_by(mutation: &str, found: impl Fn(&Storm) -> bool) {
    let mut storm = Storm::begin(mutant(mutation), apart()).await;
    storm.rage_until(found).await;
    println!("{mutation} is caught. {}", storm.so_far());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_keeps_the_limit() {
    survives(real_worker(), apart(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_keeps_the_limit_when_attempts_overlap() {
    survives(real_worker(), overlapping(), 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutant_with_every_rule_is_not_caught() {
    survives(mutant("none"), apart(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rule_1_it_is_caught() {
    is_caught("rule-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rule_2_it_is_caught() {
    is_caught("rule-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rule_3_it_is_caught() {
    is_caught("rule-3").await;
}

/// The SDK waits before it tries again, up to a second the first time, and rule 4 meanwhile holds
/// everything else: the limit mostly survives it. So this one is caught by its attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_sdks_own_retries_it_is_caught() {
    let tried_again = |storm: &Storm| oracle::tried_again(&storm.world.provider.arrivals());
    is_caught_by("sdk-retries", |storm| !tried_again(storm).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rule_4_it_is_caught() {
    is_caught("rule-4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rule_5_it_is_caught() {
    is_caught("rule-5").await;
}
