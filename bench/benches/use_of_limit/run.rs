//! The sends of one system for one pattern of jobs, and what is computed from them.

use std::time::Duration;

use pacer::{
    SendLimit, Window,
    audit::{self, Worst},
};
use storm::{World, oracle};

/// The provider's latency.
pub(crate) const LATENCY: Duration = Duration::from_millis(60);

/// When jobs arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// There are always more jobs than can be sent.
    Backlog,
    /// One job arrives, and just before its window ends a backlog.
    OneThenBacklog,
}

impl Pattern {
    pub(crate) const ALL: [Self; 2] = [Self::Backlog, Self::OneThenBacklog];

    /// When the backlog arrives, counted from the first send.
    pub(crate) fn backlog_after(self, window: Window) -> Duration {
        match self {
            Self::Backlog => Duration::ZERO,
            Self::OneThenBacklog => window.get() * 9 / 10,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Backlog => "a backlog",
            Self::OneThenBacklog => "one job, then a backlog",
        }
    }
}

/// What a system is measured with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) limit: SendLimit,
    pub(crate) window: Window,
    pub(crate) pattern: Pattern,
    /// The number of windows that are measured, after one to warm up.
    pub(crate) windows: u32,
}

impl Task {
    /// When the measurement ends, counted from the first send.
    pub(crate) fn lasts(&self) -> Duration {
        self.measured_from() + self.window.get() * self.windows
    }

    /// More jobs than can be sent, even at twice the limit.
    pub(crate) fn jobs(&self) -> usize {
        self.limit.get() as usize * 2 * (self.windows as usize + 2)
    }

    fn measured_from(&self) -> Duration {
        self.pattern.backlog_after(self.window) + self.window.get()
    }

    /// Waits until the measurement ends.
    pub(crate) async fn watch(&self, world: &World) {
        first_send(world).await;
        tokio::time::sleep(self.lasts()).await;
    }

    /// Waits until the backlog is due.
    pub(crate) async fn until_backlog(&self, world: &World) {
        if self.pattern == Pattern::OneThenBacklog {
            first_send(world).await;
            tokio::time::sleep(self.pattern.backlog_after(self.window)).await;
        }
    }

    pub(crate) fn run(self, system: String, theory: Option<f64>, world: &World) -> Run {
        let arrivals = world.provider.arrivals();
        let first = arrivals.first().map_or(Duration::ZERO, |first| first.at);
        let sends: Vec<_> =
            arrivals.iter().map(|arrival| arrival.at.saturating_sub(first)).collect();
        let moments: Vec<_> = arrivals.iter().map(oracle::moment).collect();
        let worst = audit::worst_window(&moments, self.window);
        let max_in_window = worst.map_or(0, |Worst { count, .. }| count);
        Run { system, task: self, theory, sends, max_in_window, drawn: true }
    }
}

async fn first_send(world: &World) {
    while world.provider.count() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The result of a measurement.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) system: String,
    pub(crate) task: Task,
    /// How much of the limit the system should use, from 0 to 1.
    pub(crate) theory: Option<f64>,
    /// When each send arrived, counted from the first send.
    pub(crate) sends: Vec<Duration>,
    /// The maximum number of sends in any window, the first one included.
    pub(crate) max_in_window: usize,
    /// Whether the pictures show it.
    pub(crate) drawn: bool,
}

impl Run {
    /// How much of the limit was used during the backlog, over whole windows, from 0 to 1.
    pub(crate) fn use_of_limit(&self) -> f64 {
        let measured = self.task.measured_from()..self.task.lasts();
        let sent = self.sends.iter().filter(|&send| measured.contains(send)).count();
        let allowed = u64::from(self.task.limit.get()) * u64::from(self.task.windows);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let share = sent as f64 / allowed as f64;
        share
    }

    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let Task { limit, window, pattern, .. } = self.task;
        let percent = |share: f64| format!("{:.2}%", share * 100.0);
        format!(
            "| {} | {} | {limit} in {} s | {} | {} | {}{} |",
            self.system,
            pattern.name(),
            window.get().as_secs(),
            percent(self.use_of_limit()),
            self.theory.map_or_else(|| "–".to_owned(), percent),
            self.max_in_window,
            if self.max_in_window > limit.get() as usize { " **(over)**" } else { "" },
        )
    }
}

/// The header of the table.
pub(crate) const HEAD: &str = "\
| system | jobs | limit | use of the limit | theory | most in any window |
|---|---|---|---:|---:|---:|";
