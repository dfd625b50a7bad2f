//! How much of the limit is used, and the maximum number of sends in any window, both counted at a stand-in for the
//! provider. The email worker runs in real processes, with each case sized by `sizing`. The limiter of
//! `bullmq` and a token bucket are measured for comparison. Prints the table of docs/benchmarks.md.
//!
//! ```text
//! cargo bench -p registrar-bench --bench use_of_limit -- [--minutes 5] [--only 300/60] [--no-peers]
//!     [--gap-ms 50] [--plots docs/img]
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

mod chart;
mod ours;
mod peers;
mod run;

use std::{
    error::Error,
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::try_join_all;
use pacer::{Invalid, SendLimit, Window};
use run::{HEAD, Pattern, Run, Task};
use sizing::HANDOVER;

/// Limits, as emails per seconds. The first is the template's default, at which the peers are compared.
const CASES: [(u32, u32); 4] = [(300, 60), (50, 10), (3_000, 60), (30_000, 60)];

/// A case with a limit above this number is measured alone.
const MAX_SHARED_LIMIT: u32 = 300;

/// Token buckets with a large burst, a small burst, and no burst.
const BURSTS: [u32; 3] = [300, 15, 1];

struct Options {
    /// How long a case is measured, after one window to warm up.
    minutes: u32,
    only: Option<String>,
    peers: bool,
    /// How long a slot is idle between two invocations.
    idle: Duration,
    plots: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { minutes: 5, only: None, peers: true, idle: HANDOVER, plots: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--minutes" => options.minutes = number(&value()?)?,
                "--only" => options.only = Some(value()?),
                "--gap-ms" => options.idle = Duration::from_millis(number(&value()?)?.into()),
                "--plots" => options.plots = Some(workspace().join(value()?)),
                "--no-peers" => options.peers = false,
                // Cargo passes this.
                "--bench" => {}
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, limit: u32, window: u32) -> bool {
        self.only.as_ref().is_none_or(|only| *only == format!("{limit}/{window}"))
    }

    fn compares(&self) -> bool {
        self.peers && self.wants(CASES[0].0, CASES[0].1)
    }

    fn task(&self, limit: u32, seconds: u32, pattern: Pattern) -> Result<Task, Invalid> {
        let (limit, window) = (SendLimit::new(limit)?, Window::from_secs(seconds)?);
        Ok(Task { limit, window, pattern, windows: self.minutes * 60 / seconds })
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let bullmq = if options.compares() { bullmq() } else { None };
    println!("{HEAD}");
    let (light, heavy): (Vec<_>, Vec<_>) = CASES
        .into_iter()
        .filter(|&(limit, window)| options.wants(limit, window))
        .partition(|&(limit, _)| limit <= MAX_SHARED_LIMIT);
    let backlog = |(limit, window)| options.task(limit, window, Pattern::Backlog);
    let light = light.into_iter().map(backlog).collect::<Result<Vec<_>, _>>()?;
    let (ours, compared) = tokio::try_join!(
        try_join_all(light.into_iter().map(|task| ours::worker(task, options.idle))),
        compare(&options, bullmq.as_ref())
    )?;
    print(&ours);
    for case in heavy {
        print(&[ours::worker(backlog(case)?, options.idle).await?]);
    }
    print(&compared);
    if let Some(directory) = options.plots {
        plot(&directory, ours.iter().chain(&compared))?;
    }
    Ok(())
}

fn bullmq() -> Option<peers::BullMq> {
    peers::BullMq::install().inspect_err(|why| eprintln!("BullMQ is skipped: {why}")).ok()
}

/// The comparisons, all at the same time: each needs little of the machine.
async fn compare(options: &Options, bullmq: Option<&peers::BullMq>) -> io::Result<Vec<Run>> {
    let (mut ours, mut queues, mut buckets) = (Vec::new(), Vec::new(), Vec::new());
    let [(limit, window), ..] = CASES;
    for pattern in Pattern::ALL.into_iter().filter(|_| options.compares()) {
        let task = options.task(limit, window, pattern).map_err(io::Error::other)?;
        if pattern != Pattern::Backlog {
            ours.push(ours::worker(task, options.idle));
        }
        queues.extend(bullmq.map(|bullmq| bullmq.run(task)));
        let bursts = BURSTS.into_iter().filter_map(NonZeroU32::new);
        buckets.extend(bursts.map(|burst| peers::token_bucket(task, burst)));
    }
    let (ours, queues, buckets) =
        tokio::try_join!(try_join_all(ours), try_join_all(queues), try_join_all(buckets))?;
    Ok([ours, queues, buckets].into_iter().flatten().collect())
}

fn print(runs: &[Run]) {
    for run in runs {
        println!("{}", run.row());
    }
}

/// One picture per pattern: our worker, `bullmq`, and the token bucket with a large burst.
fn plot<'a>(directory: &Path, runs: impl Iterator<Item = &'a Run> + Clone) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (pattern, name) in [
        (Pattern::Backlog, "pacing-backlog.svg"),
        (Pattern::OneThenBacklog, "pacing-late-backlog.svg"),
    ] {
        let limit = CASES[0].0;
        let drawn: Vec<_> = runs
            .clone()
            .filter(|run| run.drawn && run.task.pattern == pattern)
            .filter(|run| run.task.limit.get() == limit)
            .collect();
        let file = directory.join(name);
        fs::write(&file, chart::draw(&drawn).map_err(io::Error::other)?)?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}
