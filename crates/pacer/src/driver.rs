//! The pacer on tokio: permits to await, for one invocation.
//!
//! A caller that runs its attempts by structured concurrency (a `FuturesUnordered`, a `join!`)
//! takes a [`Permit`] for each attempt and drops it when the attempt is over. A permit borrows its
//! [`Driver`], so it cannot leave the invocation that made it (rule 5). At most
//! [`Share::most_outstanding`] permits exist at once: rule 4 is the bound, no other is needed.
//!
//! # Precision
//!
//! tokio's timers tick in milliseconds, and fire late by about one; since lateness is never made up
//! for (rule 2), at `d = 40 ms` that wastes 3% of the limit. So a permit sleeps on tokio's timer until
//! shortly before it is due, and the rest on a thread of tokio's blocking pool, whose sleeps are late
//! by a tenth of that: 0.6% on a busy machine of two cores (the example `precision` measures it).
//! Nothing spins, and the runtime's own thread is never blocked. Under a paused clock
//! (`tokio::time::pause`) only tokio's timer is used.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{Attempt, Moment, Pacer, Share, Wait};

/// How long before a permit is due the coarse timer hands over to the fine one: more than tokio's
/// timer is usually late.
const FINE: Duration = Duration::from_millis(3);

/// Why there are no more permits. It is final: every later call gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// [`Driver::close`] was called.
    #[error("the pacer was closed")]
    ByCaller,
    /// Nothing can start any more by the moment the driver was told to close at.
    #[error("nothing can start before the pacer closes")]
    OutOfTime,
}

/// The pacer of one invocation. Make a new one for every invocation.
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
/// // At the invocation's start, before anything else:
/// let pacer = Driver::start(share, Instant::now() + Duration::from_secs(45));
/// // For each attempt, and once more for each retry:
/// let permit = pacer.permit().await?;
/// send().await;
/// drop(permit);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Driver {
    /// Where the pacer's moments are counted from: the invocation's start.
    origin: Instant,
    closes_at: Instant,
    state: Mutex<State>,
    /// Who waits for the next start: one at a time, in the order of asking.
    turn: tokio::sync::Mutex<()>,
    /// Something happened that whoever has the turn should look at.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    closed: Option<Closed>,
}

/// What whoever has the turn does next.
enum Step {
    Take(Attempt),
    /// Sleep until then, or until something changes.
    SleepUntil(Instant),
    /// Nothing starts until an attempt ends; after this moment that is no use any more.
    AwaitEnd(Instant),
}

impl Driver {
    /// The pacer of an invocation that starts now, and in which nothing starts after `closes_at`.
    ///
    /// Leave room between `closes_at` and the invocation's deadline for the last attempt's timeout:
    /// no send may outlive its invocation.
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
    /// Waiters are served in the order of asking. Dropping the future spends nothing. The answer is
    /// [`Closed`] as soon as it is known that nothing can start by `closes_at`, which can be long
    /// before.
    pub async fn permit(&self) -> Result<Permit<'_>, Closed> {
        let _turn = self.turn.lock().await;
        loop {
            match self.step()? {
                Step::Take(attempt) => return Ok(Permit { driver: self, attempt: Some(attempt) }),
                Step::SleepUntil(due) => self.sleep_until(due).await,
                Step::AwaitEnd(useless) => {
                    // Either way the next step knows what to do.
                    let _ = timeout_at(useless, self.changed.notified()).await;
                }
            }
        }
    }

    /// Starts nothing from now on: whoever waits or asks is told [`Closed`]. What has started goes
    /// on.
    pub fn close(&self) {
        self.state().closed.get_or_insert(Closed::ByCaller);
        self.changed.notify_one();
    }

    /// The share it keeps.
    pub fn share(&self) -> Share {
        self.state().pacer.share()
    }

    /// How many permits are out: at most [`Share::most_outstanding`].
    pub fn outstanding(&self) -> usize {
        self.state().pacer.outstanding()
    }

    fn step(&self) -> Result<Step, Closed> {
        let mut state = self.state();
        if let Some(closed) = state.closed {
            return Err(closed);
        }
        // Read under the lock, so that what the pacer records is in order.
        let now = Instant::now();
        let possible = match state.pacer.poll(self.moment(now)) {
            Ok(()) => now,
            Err(Wait::Until(moment)) => self.instant(moment),
            // Even if it ended at this very instant.
            Err(Wait::ForAnEnd) => now + state.pacer.share().interval(),
        };
        if possible > self.closes_at {
            state.closed = Some(Closed::OutOfTime);
            return Err(Closed::OutOfTime);
        }
        Ok(match state.pacer.start(self.moment(now)) {
            Ok(attempt) => Step::Take(attempt),
            Err(Wait::Until(moment)) => Step::SleepUntil(self.instant(moment)),
            // The first instant at which `possible` will be too late.
            Err(Wait::ForAnEnd) => {
                Step::AwaitEnd(now + (self.closes_at - possible) + Duration::from_nanos(1))
            }
        })
    }

    /// Sleeps until `due`, or until something changes before that.
    async fn sleep_until(&self, due: Instant) {
        if clock_is_paused() {
            let _ = timeout_at(due, self.changed.notified()).await;
            return;
        }
        let coarse = due.checked_sub(FINE).unwrap_or(due);
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

    /// A panic elsewhere leaves the state whole: nothing panics halfway through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt that may run: dropping it is the attempt's end.
///
/// Drop it when the attempt has arrived or never will, and neither sooner nor later. A permit that
/// is never dropped lets nothing start any more once it is older than the slack.
#[derive(Debug)]
#[must_use = "dropping a permit ends its attempt"]
pub struct Permit<'a> {
    driver: &'a Driver,
    /// Taken by the drop.
    attempt: Option<Attempt>,
}

impl Permit<'_> {
    /// When the attempt started.
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

/// Whether a test has paused tokio's clock: it stands still while the real one moves.
fn clock_is_paused() -> bool {
    let before = Instant::now();
    let real = std::time::Instant::now();
    while real.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    Instant::now() == before
}
