//! The pacer on tokio: one invocation awaits its permits.
//!
//! The caller runs its attempts with structured concurrency (a `FuturesUnordered`, a `join!`). It
//! takes one [`Permit`] per attempt and drops it when the attempt is over. A permit borrows its
//! [`Driver`], so it cannot outlive the invocation (rule 5). At most [`Share::max_outstanding`]
//! permits exist at a time: rule 4 limits the concurrency, so no other limit is needed.
//!
//! # Precision
//!
//! tokio's timers have a resolution of one millisecond and fire about one millisecond late. A late
//! start delays all following ones (rule 2), so at `d = 40 ms` that wastes 3% of the limit.
//! Therefore a permit waits on tokio's timer until shortly before it is due, and for the rest on a
//! thread of tokio's blocking pool. That wastes 0.6% on a busy machine with two cores (the example
//! `precision` measures it). Nothing spins, and the runtime's own thread is never blocked. Under a
//! paused clock (`tokio::time::pause`), only tokio's timer is used.
#![expect(clippy::disallowed_methods, reason = "the one place that waits, and its clock")]

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{Attempt, Moment, Pacer, Share, Wait};

/// The length of the fine wait before a permit is due: longer than tokio's timer is usually late.
const FINE_WAIT: Duration = Duration::from_millis(3);

/// Why there are no more permits. It is final: every later call returns the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// [`Driver::close`] was called.
    #[error("the pacer was closed")]
    ByCaller,
    /// No attempt can start before the driver's closing time.
    #[error("no attempt can start before the pacer closes")]
    OutOfTime,
}

/// The pacer of one invocation. Make a new driver for every invocation.
///
/// ```
/// # use send_pacer::{SendLimit, Share, Slack, Slots, Window, driver::Driver};
/// # use std::time::Duration;
/// # use tokio::time::Instant;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let share = Share::new(
/// #     SendLimit::new(300)?, Window::from_secs(60)?, Slots::new(2)?, Slack::from_millis(250)?)?;
/// # async fn send() {}
/// // First of all, at the invocation's start:
/// let pacer = Driver::start(share, Instant::now() + Duration::from_secs(45));
/// // Per attempt. A retry is an attempt of its own:
/// let permit = pacer.permit().await?;
/// send().await;
/// drop(permit);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Driver {
    /// The origin of the pacer's moments: the invocation's start.
    origin: Instant,
    closes_at: Instant,
    state: Mutex<State>,
    /// Held by the caller that waits for the next start. The others queue, first come, first
    /// served.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the caller that has the turn: an attempt has ended, or the driver was slowed or closed.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    closed: Option<Closed>,
}

/// The next step of the caller that has the turn.
enum Step {
    Take(Attempt),
    /// Sleep until this instant, or until something changes.
    SleepUntil(Instant),
    /// Wait for the end of an attempt, but not after this instant: then it would be too late to
    /// start.
    AwaitEnd(Instant),
}

impl Driver {
    /// The pacer of an invocation that starts now. No attempt starts after `closes_at`.
    ///
    /// Leave enough time for the last attempt's timeout between `closes_at` and the invocation's
    /// deadline: no send may outlive its invocation (rule 5).
    pub fn start(share: Share, closes_at: Instant) -> Self {
        Self {
            origin: Instant::now(),
            closes_at,
            state: Mutex::new(State { pacer: Pacer::new(share, Moment::ORIGIN), closed: None }),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
        }
    }

    /// Waits until an attempt may start, and starts it.
    ///
    /// Callers are served in order. Dropping the future uses up nothing.
    ///
    /// # Errors
    ///
    /// The driver was closed, or no attempt can start by `closes_at`. The method returns the error
    /// once that is known, which can be long before `closes_at`.
    pub async fn permit(&self) -> Result<Permit<'_>, Closed> {
        let _turn = self.turn.lock().await;
        loop {
            match self.step()? {
                Step::Take(attempt) => return Ok(Permit { driver: self, attempt: Some(attempt) }),
                Step::SleepUntil(due) => self.sleep_until(due).await,
                Step::AwaitEnd(too_late) => {
                    // In both cases the next step decides.
                    let _ = timeout_at(too_late, self.changed.notified()).await;
                }
            }
        }
    }

    /// Lowers the pace from now on, and returns whether it did: see [`Pacer::slow_to`]. It applies to
    /// callers that wait already. If no attempt can start in time at the lower pace, they get
    /// [`Closed::OutOfTime`] at once.
    pub fn slow_to(&self, slower: Share) -> bool {
        let slows = self.state().pacer.slow_to(slower);
        if slows {
            self.changed.notify_one();
        }
        slows
    }

    /// Starts no more attempts: every waiting or later call of [`Driver::permit`] returns
    /// [`Closed`]. Attempts that have started continue.
    pub fn close(&self) {
        self.state().closed.get_or_insert(Closed::ByCaller);
        self.changed.notify_one();
    }

    /// The share that this driver keeps: that of its start, or the last one that it slowed to.
    pub fn share(&self) -> Share {
        self.state().pacer.share()
    }

    /// The number of outstanding permits: at most [`Share::max_outstanding`].
    pub fn outstanding(&self) -> usize {
        self.state().pacer.outstanding()
    }

    fn step(&self) -> Result<Step, Closed> {
        let mut state = self.state();
        if let Some(closed) = state.closed {
            return Err(closed);
        }
        // Read under the lock, so that the pacer sees the readings in order.
        let now = Instant::now();
        let possible = match state.pacer.poll(self.moment(now)) {
            Ok(()) => now,
            Err(Wait::Until(moment)) => self.instant(moment),
            // An end at this very instant would still delay the start by one interval.
            Err(Wait::ForAttemptEnd) => now + state.pacer.share().interval(),
        };
        if possible > self.closes_at {
            state.closed = Some(Closed::OutOfTime);
            return Err(Closed::OutOfTime);
        }
        Ok(match state.pacer.start(self.moment(now)) {
            Ok(attempt) => Step::Take(attempt),
            Err(Wait::Until(moment)) => Step::SleepUntil(self.instant(moment)),
            // The first instant at which an end would be too late for a start.
            Err(Wait::ForAttemptEnd) => {
                Step::AwaitEnd(now + (self.closes_at - possible) + Duration::from_nanos(1))
            }
        })
    }

    /// Sleeps until `due`, or until something changes.
    async fn sleep_until(&self, due: Instant) {
        if clock_is_paused() {
            let _ = timeout_at(due, self.changed.notified()).await;
            return;
        }
        let coarse = due.checked_sub(FINE_WAIT).unwrap_or(due);
        if Instant::now() < coarse && timeout_at(coarse, self.changed.notified()).await.is_ok() {
            return;
        }
        let rest = due.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return;
        }
        if tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await.is_err() {
            sleep_until(due).await;
        }
    }

    fn moment(&self, instant: Instant) -> Moment {
        Moment::after_origin(instant.saturating_duration_since(self.origin))
    }

    fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since_origin()
    }

    /// A poisoned lock is harmless: no panic can occur halfway through a change of the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt that may run. Dropping the permit ends the attempt.
///
/// Drop it when the send has arrived or never will, neither earlier nor later. If a permit is never
/// dropped, no other attempt can start once the permit is older than the slack.
#[derive(Debug)]
#[must_use = "dropping a permit ends its attempt"]
pub struct Permit<'a> {
    driver: &'a Driver,
    /// `None` only during the drop.
    attempt: Option<Attempt>,
}

impl Permit<'_> {
    /// The attempt's start.
    pub fn started_at(&self) -> Instant {
        let moment = self.attempt.as_ref().map_or(Moment::ORIGIN, Attempt::started_at);
        self.driver.instant(moment)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            let mut state = self.driver.state();
            let now = self.driver.moment(Instant::now());
            state.pacer.end(attempt, now);
        }
        self.driver.changed.notify_one();
    }
}

/// Whether a test has paused tokio's clock: it stands still while the real clock moves.
fn clock_is_paused() -> bool {
    let before = Instant::now();
    let real = std::time::Instant::now();
    while real.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    Instant::now() == before
}
