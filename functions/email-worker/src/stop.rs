//! Holds, as a batch meets them: before it begins, and while it is being sent.
//!
//! Lambda takes a while to turn the event source off, and until then it delivers batches. A batch takes up to the
//! function's timeout. So the record is read at the start of each batch, which is then returned, and every few seconds
//! during it: then no more permits are given, and the rest is returned without counting an attempt. The same reads bring
//! a [lowered limit](crate::lowered) and the holds of single templates.

use std::{pin::pin, time::Duration};

use email::hold::{HoldRecord, Holds};
use futures_util::future::{Either, select};
use lambda::clock;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::{
    in_progress::{BatchInProgress, HELD_FOR},
    lowered,
    worker::{Parts, Worker},
};

/// How often the record is read during a batch. Each worker makes one small read in this time, whatever the limit: 200
/// reads per second for 1,000 workers, far below what DynamoDB allows for one item (3,000 read units per second).
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Stops the batch if a hold is in force, and slows it if the limit is lowered.
pub(crate) async fn before<P: Parts>(batch: &BatchInProgress<'_, P>) {
    let holds = read(batch.worker).await;
    let probation = holds.as_ref().and_then(|holds| holds.probation(batch.invocation.now()));
    batch.worker.breaker.borrow_mut().begin(probation);
    if is_stopped(batch, holds.as_ref()) {
        batch.stop(HELD_FOR);
    }
}

/// Applies the record, and returns whether it stops the batch. What is only known from an earlier read does not stop it.
fn is_stopped<P: Parts>(batch: &BatchInProgress<'_, P>, holds: Option<&Holds>) -> bool {
    lowered::apply(batch, &batch.worker.last_holds.borrow());
    holds.is_some_and(|holds| holds.stops_sending(batch.invocation.now()))
}

/// Awaits the batch, and stops it when a hold is found.
///
/// Both are polled by one task, and nothing is spawned. The ticks are no wait of a send: no permit depends on them, and
/// the pacer's proof does not know of them.
pub(crate) async fn during<P: Parts, T>(
    batch: &BatchInProgress<'_, P>,
    sending: impl Future<Output = T>,
) -> T {
    let held = pin!(until_held(batch));
    match select(pin!(sending), held).await {
        Either::Left((done, _)) => done,
        Either::Right(((), sending)) => {
            tracing::warn!("a hold was found; the rest of the batch is returned");
            batch.stop(HELD_FOR);
            sending.await
        }
    }
}

async fn until_held<P: Parts>(batch: &BatchInProgress<'_, P>) {
    let mut checks = interval_at(clock::instant() + CHECK_EVERY, CHECK_EVERY);
    // After a stall, one read is enough.
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        checks.tick().await;
        let holds = read(batch.worker).await;
        if is_stopped(batch, holds.as_ref()) {
            return;
        }
    }
}

/// `None` if they cannot be read: then sending goes on, at the last known lowered limit and without the templates that were
/// last known to be held. If DynamoDB is down, the claims most likely fail too, and nothing
/// is sent; and a table that only the holds cannot be read from must not stop a platform.
async fn read<P: Parts>(worker: &Worker<P>) -> Option<Holds> {
    match worker.holds.read().await {
        Ok(holds) => {
            worker.last_holds.replace(holds.clone());
            Some(holds)
        }
        Err(error) => {
            tracing::error!(%error, "the holds could not be read; sending goes on");
            None
        }
    }
}

#[cfg(test)]
mod templates;
#[cfg(test)]
mod tests;
