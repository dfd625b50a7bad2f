//! One invocation's batch. Messages are handled each by itself, several at a time:
//!
//! ```text
//! body ──parse──> event ──suppress──> ──record──> acknowledge
//!   │               │         │           │
//!   │ malformed     │ other   │ cannot    │ cannot be written
//!   └ give back     │ kind    └───────────┴ give back: it is delivered again
//!     until the     └ acknowledge
//!     queue has enough of it
//! ```
//!
//! The suppressions come first: a crash in between repeats both, and neither minds.

use std::panic::AssertUnwindSafe;

use email::{
    JobId,
    feedback::{Feedback, RecordFeedback, Recorded},
    suppression::Suppress,
};
use futures_util::{FutureExt, StreamExt, stream};
use lambda::batch::panic_text;
use unavailable::Unavailable;

use crate::event::{self, MalformedEvent, Parsed};

/// How many messages are under way at once: a whole batch of template.yaml's size.
pub const MAX_CONCURRENT_EVENTS: usize = 10;

/// A message, as it came from the queue.
#[derive(Debug, Clone)]
pub struct Received {
    /// The queue's id of it.
    pub sqs_message_id: String,
    /// Its body.
    pub body: String,
}

/// Why a message is given back.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is no event and will never be one.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    /// A recipient could not be suppressed.
    #[error("a suppression was not written: {0}")]
    Suppressions(Unavailable),
    /// The recipients are suppressed, and the ledger could not be written.
    #[error("the ledger was not written: {0}")]
    Ledger(Unavailable),
}

/// Takes events.
#[derive(Debug)]
pub struct Receiver<L, S> {
    /// Where they are recorded.
    pub ledger: L,
    /// Where recipients are suppressed.
    pub suppressions: S,
}

impl<L: RecordFeedback, S: Suppress> Receiver<L, S> {
    /// Handles a batch and returns the ids of the messages to give back.
    pub async fn handle(&self, batch: Vec<Received>) -> Vec<String> {
        stream::iter(batch)
            .map(|message| self.guarded(message))
            .buffer_unordered(MAX_CONCURRENT_EVENTS)
            .filter_map(async |given_back| given_back)
            .collect()
            .await
    }

    /// The message's id if it is given back. A panic gives back its own message and no other.
    async fn guarded(&self, Received { sqs_message_id, body }: Received) -> Option<String> {
        match AssertUnwindSafe(self.take(&body)).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::error!(event = "email_feedback_failed", sqs_message_id, %error, "an event is given back");
                Some(sqs_message_id)
            }
            Err(panic) => {
                let panic = panic_text(&*panic);
                tracing::error!(
                    event = "email_feedback_failed",
                    sqs_message_id,
                    panic,
                    "an event's handling panicked; it is given back"
                );
                Some(sqs_message_id)
            }
        }
    }

    /// Takes the event of one message's body.
    ///
    /// # Errors
    ///
    /// `Err` gives the message back to the queue, which delivers it again after its visibility timeout, and
    /// after the last of its receives keeps it as a dead letter. That mends what could not be
    /// written. A body that is no event it does not, and that is how such a body is kept for a
    /// person to see. Taking an event again is harmless, whatever was written of it before.
    pub async fn take(&self, body: &str) -> Result<(), NotTaken> {
        match event::parse(body)? {
            Parsed::Ignored => {
                tracing::info!(event = "email_feedback", kind = "ignored");
                Ok(())
            }
            Parsed::Feedback { feedback, unreadable } => self.note(&feedback, unreadable).await,
        }
    }

    async fn note(&self, feedback: &Feedback, unreadable: usize) -> Result<(), NotTaken> {
        let suppressed = self.suppress(feedback).await.map_err(NotTaken::Suppressions)?;
        let recorded = match &feedback.job_id {
            Some(job_id) => {
                Some(self.ledger.record(job_id, feedback).await.map_err(NotTaken::Ledger)?)
            }
            None => None,
        };
        let unreadable = if suppressed.is_some() { unreadable } else { 0 };
        tracing::info!(
            event = "email_feedback",
            kind = feedback.event.state().name(),
            job_id = feedback.job_id.as_ref().map(JobId::as_str),
            ses_message_id = feedback.ses_message_id,
            ledger = ledger_word(recorded),
            suppressed,
        );
        if unreadable > 0 {
            tracing::warn!(
                ses_message_id = feedback.ses_message_id,
                unreadable,
                "recipients were not suppressed: they have no address that we could write to"
            );
        }
        Ok(())
    }

    /// Suppresses the recipients, if the event asks for it, and returns how many there were.
    async fn suppress(&self, feedback: &Feedback) -> Result<Option<usize>, Unavailable> {
        let Some(cause) = feedback.event.suppresses() else { return Ok(None) };
        for recipient in &feedback.recipients {
            self.suppressions.suppress(recipient, cause, feedback.at).await?;
        }
        Ok(Some(feedback.recipients.len()))
    }
}

/// What became of the ledger, for the log.
fn ledger_word(recorded: Option<Recorded>) -> &'static str {
    match recorded {
        Some(Recorded::Moved) => "moved",
        Some(Recorded::Nothing) => "unchanged",
        Some(Recorded::UnknownJob) => "unknown_job",
        None => "no_job",
    }
}

#[cfg(test)]
mod tests;
