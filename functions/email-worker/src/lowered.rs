//! A limit that an operator has lowered, as a batch meets it: before its first permit, and while it is being sent.
//!
//! The pace of an invocation can only become slower (`Pacer::slow_to` in crates/pacer), so a limit that is raised again
//! applies from the next batch on. What then does not fit into the invocation is returned as a
//! [surplus](crate::surplus) is.

use email::hold::{Holds, LoweredLimit};
use lambda::log_events;
use pacer::{Invalid, SendLimit, Share, Window};

use crate::{
    in_progress::{BatchInProgress, HELD_FOR},
    worker::Parts,
};

/// Slows the batch to the lowered limit, if there is one.
pub(crate) fn apply<P: Parts>(batch: &BatchInProgress<'_, P>, holds: &Holds) {
    let invocation = batch.invocation;
    let Some(lowered) = holds.lowered_at(invocation.now()) else { return };
    let why = match share(lowered, invocation.pacer.share()) {
        Ok(slower) => {
            if !invocation.pacer.slow_to(slower) {
                return;
            }
            batch.slowed();
            tracing::warn!(
                event = log_events::LIMIT_LOWERED,
                limit = lowered.limit,
                window_seconds = lowered.window_seconds,
                interval_ms = slower.interval().as_secs_f64() * 1e3,
                "an operator has lowered the limit",
            );
            if invocation.max_sends() > 0 {
                return;
            }
            "no invocation is long enough for the interval".to_owned()
        }
        Err(why) => why.to_string(),
    };
    if batch.stopped().is_none() {
        tracing::error!(
            event = log_events::SENDING_IMPOSSIBLE,
            why,
            limit = lowered.limit,
            "no email can be sent at the lowered limit: `registrar limit` shows and resets it"
        );
        batch.stop(HELD_FOR);
    }
}

/// The share of each slot. The slots and the slack are the deployed ones.
fn share(lowered: &LoweredLimit, deployed: Share) -> Result<Share, Invalid> {
    let limit = SendLimit::new(lowered.limit.get())?;
    let window = Window::from_secs(lowered.window_seconds.get())?;
    Share::new(limit, window, deployed.slots(), deployed.slack())
}

#[cfg(test)]
mod tests;
