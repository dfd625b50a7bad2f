//! A backlog of any size leaves in the time that the limit takes for it, and the worker's memory does not grow with it.
//!
//! The jobs that wait are not in memory: as on AWS, they are elsewhere until they are received. What is over is checked once
//! per window and then forgotten, so that what grows is the worker's.
//!
//! `BACKLOG=1000000 BACKLOG_LIMIT=3000 cargo test -p email-worker backlog -- --nocapture` drains a million.
#![expect(clippy::cast_precision_loss, reason = "numbers to print")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read the environment, and wait on the paused clock"
)]

use std::{env, fs, pin::pin, process::Command, time::Duration};

use email::{ledger::State, testing::mailer::accepted};
use pacer::{SendLimit, Window};
use sizing::{DEFAULT_LATENCY, Plan};
use tokio::{runtime::Builder, select, time::sleep};

use super::Simulation;
use crate::testing::world::job_to_its_own_recipient;

const WINDOW: Duration = Duration::from_mins(1);
/// Enough to notice 200 bytes per job.
const JOBS_OF_THE_GUARD: &str = "30000";
/// From the end of the first quarter to the end, or a fiftieth if that is more.
const MAX_GROWTH: u64 = 4_000_000;

/// What became of the jobs, which are put on the queue as it empties.
struct Progress {
    put: usize,
    sent: Vec<bool>,
    last_sent_at: Duration,
}

impl Progress {
    /// The queue has several batches of each slot, so that no slot finds it empty.
    fn refill(&mut self, simulation: &Simulation) {
        let in_progress = simulation.settings.slots.get() * simulation.settings.batch_size;
        let mut queue = simulation.queue.lock().unwrap();
        let room = (4 * in_progress as usize).saturating_sub(queue.len());
        let end = self.sent.len().min(self.put + room);
        queue.put(None, (self.put..end).map(|n| job_to_its_own_recipient(&n.to_string())));
        self.put = end;
    }

    /// Checks what was accepted since the last time, forgets it, and returns how many jobs are sent.
    fn check(&mut self, simulation: &Simulation) -> usize {
        let accepted = std::mem::take(&mut *simulation.accepted.lock().unwrap());
        let limit = simulation.settings.limit.get() as usize;
        assert!(accepted.len() <= limit, "{} in a window", accepted.len());
        for (job, times) in accepted {
            let sent = &mut self.sent[job.parse::<usize>().unwrap()];
            assert!(!*sent && times.len() == 1, "{job} is sent twice");
            *sent = true;
            self.last_sent_at = self.last_sent_at.max(times[0]);
        }
        simulation.world.mailer.take_attempts();
        simulation.world.ledger.rows().retain(|row| row.state != State::Sent);
        self.sent.iter().filter(|sent| **sent).count()
    }
}

/// The memory that the process has of the machine, in bytes.
fn resident_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

async fn drain(jobs: usize, plan: &Plan) {
    let mut simulation = Simulation::new(|_, _| accepted());
    simulation.settings = plan.settings();
    let mut progress = Progress { put: 0, sent: vec![false; jobs], last_sent_at: Duration::ZERO };
    progress.refill(&simulation);
    let mut after_a_quarter = None;
    let mut slots = pin!(simulation.slots());
    loop {
        let is_over = select! {
            () = &mut slots => true,
            () = sleep(WINDOW) => false,
        };
        let sent = progress.check(&simulation);
        progress.refill(&simulation);
        if sent >= jobs / 4 {
            after_a_quarter.get_or_insert_with(resident_memory);
        }
        if is_over {
            assert_eq!(sent, jobs, "each is sent");
            break;
        }
    }
    let (took, end) = (progress.last_sent_at, resident_memory());
    let quarter = after_a_quarter.unwrap();
    let ideal = WINDOW.mul_f64(jobs as f64 / f64::from(plan.settings().limit.get()));
    println!(
        "backlog: {jobs} jobs at {} per minute in {:.2} h, N/L is {:.2} h; resident memory {:.1} MB after a quarter of \
         them, {:.1} MB at the end",
        plan.settings().limit,
        took.as_secs_f64() / 3_600.0,
        ideal.as_secs_f64() / 3_600.0,
        quarter as f64 / 1e6,
        end as f64 / 1e6,
    );
    // The clock of the simulation has whole milliseconds, so a start is late by one at most. The last batches are not
    // full, and their slots not even.
    let interval = plan.share().interval().as_secs_f64();
    let late = (interval + 0.001) / interval;
    let last = 2 * plan.settings().timeout;
    assert!(took < ideal.mul_f64(late / plan.usable().fraction()) + last, "{took:?}");
    assert!(took + WINDOW > ideal, "{took:?} is faster than the limit");
    let max = quarter + MAX_GROWTH.max(quarter / 50);
    assert!(end < max, "the memory grows with the jobs: {quarter} to {end}");
}

fn number_from(variable: &str) -> Option<u32> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number")))
}

/// The drain is in a process of its own, because other tests need memory too.
#[test]
fn backlog_leaves_as_fast_as_the_limit_allows_and_in_constant_memory() {
    const NAME: &str = "testing::simulation::backlog::backlog_leaves_as_fast_as_the_limit_allows_and_in_constant_memory";
    let Some(jobs) = number_from("BACKLOG") else {
        let mut test = Command::new(env::current_exe().unwrap());
        test.args(["--exact", NAME, "--nocapture"]).env("BACKLOG", JOBS_OF_THE_GUARD);
        assert!(test.status().unwrap().success());
        return;
    };
    let limit = SendLimit::new(number_from("BACKLOG_LIMIT").unwrap_or(3_000)).unwrap();
    let plan = Plan::new(limit, Window::new(WINDOW).unwrap(), DEFAULT_LATENCY).unwrap();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(drain(jobs as usize, &plan));
}
