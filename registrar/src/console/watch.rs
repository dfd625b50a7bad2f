//! What the console reads in the background: readings for the charts, and the status. The pages show the last
//! ones, so several tabs make no more calls than one.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use crate::{
    clock,
    live::{History, LiveStack},
    outcome::Failure,
    stack::Stack,
    status::{facts::Facts, gather::gather},
};

use super::frame::Notice;

/// SES allows one `GetAccount` per second, and others call it too.
const BETWEEN_READINGS: Duration = Duration::from_secs(3);
/// The status reads dead letters, which hides them from others for a moment.
const BETWEEN_STATUSES: Duration = Duration::from_secs(30);

/// The last readings.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) history: History,
    /// With notes on what is missing.
    pub(super) status: Option<(Facts, Vec<String>)>,
    /// Why there is no newer status.
    pub(super) problem: Option<Notice>,
}

#[derive(Default)]
pub(super) struct Watched {
    seen: Mutex<Seen>,
    changed: Notify,
}

impl Watched {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator changed something: the status is read again at once.
    pub(super) fn note_change(&self) {
        self.changed.notify_one();
    }
}

/// Never returns, unless the stack lacks an output.
pub(super) async fn watch(
    stack: &Stack,
    api_url: Option<&str>,
    watched: &Watched,
) -> Result<(), Failure> {
    let live = LiveStack::new(stack)?;
    join(keep_reading(live, watched), keep_status(stack, api_url, watched)).await;
    Ok(())
}

async fn keep_reading(mut live: LiveStack<'_>, watched: &Watched) {
    let mut ticks = interval(BETWEEN_READINGS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reading = live.read(clock::now()).await;
        watched.seen().history.push(reading);
    }
}

async fn keep_status(stack: &Stack, api_url: Option<&str>, watched: &Watched) {
    let mut ticks = interval(BETWEEN_STATUSES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = watched.changed.notified() => {}
        }
        let status = Box::pin(gather(stack, api_url, clock::now())).await;
        let mut seen = watched.seen();
        match status {
            Ok(status) => (seen.status, seen.problem) = (Some(status), None),
            Err(failure) => seen.problem = Some(Notice::from(&failure)),
        }
    }
}
