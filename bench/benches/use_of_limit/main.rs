//! How much of the limit is used, counted at a stand-in provider's door, and how much is ever in one
//! window: the email worker in real processes, each case as `sizing` plans it, beside
//! the limiter of `bullmq` and a token bucket. Prints the table of docs/benchmarks.md.
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

/// The first is the template's default, and what the peers are compared at.
const CASES: [(u32, u32); 4] = [(300, 60), (50, 10), (3_000, 60), (30_000, 60)];

/// Above this many a minute a case is measured by itself.
const LIGHT: u32 = 300;

/// A token bucket that may burst, one that hardly may, and one that may not.
const BURSTS: [u32; 3] = [300, 15, 1];

struct Options {
    /// How long a case is measured, after it has warmed up for a window.
    minutes: u32,
    only: Option<String>,
    peers: bool,
    gap: Duration,
    plots: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { minutes: 5, only: None, peers: true, gap: HANDOVER, plots: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--minutes" => options.minutes = number(&value()?)?,
                "--only" => options.only = Some(value()?),
                "--gap-ms" => options.gap = Duration::from_millis(number(&value()?)?.into()),
                "--plots" => options.plots = Some(workspace().join(value()?)),
                "--no-peers" => options.peers = false,
                // Cargo's own.
                "--bench" => {}
                other => return Err(format!("{other} is no option")),
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
    text.parse().map_err(|_| format!("{text} is no number"))
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
        .partition(|&(limit, _)| limit <= LIGHT);
    let backlog = |(limit, window)| options.task(limit, window, Pattern::Backlog);
    let light = light.into_iter().map(backlog).collect::<Result<Vec<_>, _>>()?;
    let (ours, compared) = tokio::try_join!(
        try_join_all(light.into_iter().map(|task| ours::worker(task, options.gap))),
        compare(&options, bullmq.as_ref())
    )?;
    print(&ours);
    for case in heavy {
        print(&[ours::worker(backlog(case)?, options.gap).await?]);
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

/// What is beside our worker's backlog, all at once: each sends little.
async fn compare(options: &Options, bullmq: Option<&peers::BullMq>) -> io::Result<Vec<Run>> {
    let (mut ours, mut queues, mut buckets) = (Vec::new(), Vec::new(), Vec::new());
    let [(limit, window), ..] = CASES;
    for pattern in Pattern::ALL.into_iter().filter(|_| options.compares()) {
        let task = options.task(limit, window, pattern).map_err(io::Error::other)?;
        if pattern != Pattern::Backlog {
            ours.push(ours::worker(task, options.gap));
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

/// One picture for each pattern: ours, `bullmq`'s, and the token bucket that may burst.
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
