//! The places of a batch: how many of its jobs are handled at the same time.
//!
//! Most jobs need a few milliseconds before their permit. A job whose recipient may be suppressed needs an answer of
//! SES, which allows one such lookup per second for a whole account. So it leaves its place to a job that can use a
//! permit, and takes one of a few places for lookups. A thousand suppressed recipients then cost no permit.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many jobs are claimed ahead of their permits. Enough that no permit waits for the few
/// milliseconds of a claim, and few enough that little must be returned when the batch stops.
pub(crate) const CLAIMS_AHEAD: usize = 4;

/// How many jobs of a batch wait for a lookup at SES. The others are returned and retried.
pub(crate) const MAX_LOOKUPS: usize = 4;

/// The places of one batch.
#[derive(Debug)]
pub(crate) struct Places {
    sending: Semaphore,
    lookups: Semaphore,
}

/// A job's place. Dropping it makes room for another job.
#[derive(Debug)]
pub(crate) struct Place<'a>(
    #[expect(dead_code, reason = "held, not read")] Option<SemaphorePermit<'a>>,
);

impl Places {
    /// The places of a batch of which at most `outstanding` attempts run at the same time.
    pub(crate) fn new(outstanding: usize) -> Self {
        let sending = CLAIMS_AHEAD.saturating_add(outstanding).min(Semaphore::MAX_PERMITS);
        Self { sending: Semaphore::new(sending), lookups: Semaphore::new(MAX_LOOKUPS) }
    }

    /// Waits for a place. First come, first served.
    pub(crate) async fn take(&self) -> Place<'_> {
        // It is never closed.
        Place(self.sending.acquire().await.ok())
    }

    /// A place for a lookup, unless all are taken.
    pub(crate) fn take_for_lookup(&self) -> Option<Place<'_>> {
        self.lookups.try_acquire().ok().map(|permit| Place(Some(permit)))
    }
}
