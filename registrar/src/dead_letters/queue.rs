//! The two queues, as the commands use them.

use std::time::Duration;

use crate::aws_call::CallFailed;

use super::letter::{Letter, Receipt};

/// SQS's maximum number of entries for a batched call, and of messages for a receive.
pub(crate) const MAX_ENTRIES_PER_CALL: usize = 10;
/// How long a received letter is hidden from other consumers. A command extends it in time; after a
/// crash, the letters are visible again when it ends.
pub(crate) const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(5);

/// Approximate numbers of letters, as SQS counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) visible: u64,
    /// Received by a consumer, within its visibility timeout.
    pub(crate) hidden: u64,
}

/// One entry of a batched call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) message_id: String,
    pub(crate) why: String,
}

pub(crate) trait DeadLetterQueue {
    async fn count(&self) -> Result<Count, CallFailed>;

    /// Receives up to [`MAX_ENTRIES_PER_CALL`] letters, and hides them for [`VISIBILITY_TIMEOUT`]. Returns
    /// none if no letter is visible.
    async fn receive(&self) -> Result<Vec<Letter>, CallFailed>;

    /// Sets the visibility timeout of up to [`MAX_ENTRIES_PER_CALL`] letters, counted from now. Zero makes
    /// them visible. Returns the letters for which it failed.
    async fn hide(
        &self,
        letters: &[Receipt],
        duration: Duration,
    ) -> Result<Vec<Refused>, CallFailed>;

    /// Deletes up to [`MAX_ENTRIES_PER_CALL`] letters. Returns the letters for which it failed.
    async fn delete(&self, letters: &[Receipt]) -> Result<Vec<Refused>, CallFailed>;
}

pub(crate) trait EmailQueue {
    /// Sends a job to the queue, unchanged. After an `Err` the job may or may not be on the queue.
    async fn send(&self, body: &str) -> Result<(), CallFailed>;
}
