//! One invocation's batch. Each message is handled by itself, several at a time:
//!
//! ```text
//! body ──parse──> event ──suppress──> ──record──> acknowledge
//!   │               │         │           │
//!   │ malformed     │ other   │ cannot be │ cannot be
//!   │               │ kind    │ written   │ written
//!   └ give back     │         └───────────┴ give back: it is delivered again
//!     until it is   └ acknowledge
//!     a dead letter
//! ```
//!
//! The suppressions come first: a crash in between repeats both, which is harmless.

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

/// The batch size in template.yaml: a whole batch is in progress concurrently.
pub const MAX_CONCURRENT_EVENTS: usize = 10;

/// A message of the queue.
#[derive(Debug, Clone)]
pub struct Received {
    pub sqs_message_id: String,
    pub body: String,
}

/// Why a message is given back.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The body is not an event. Final.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    #[error("a suppression was not written: {0}")]
    Suppressions(Unavailable),
    /// The recipients are suppressed already.
    #[error("the ledger was not written: {0}")]
    Ledger(Unavailable),
}

/// Takes SES's events.
#[derive(Debug)]
pub struct Receiver<L, S> {
    pub ledger: L,
    pub suppressions: S,
}

impl<L: RecordFeedback, S: Suppress> Receiver<L, S> {
    /// Handles a batch, and returns the SQS message ids of the batch item failures.
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
    /// `Err` gives the message back: the queue delivers it again after its visibility timeout, and moves it
    /// to the dead-letter queue after the last receive. Redelivery fixes a failed write. It does not
    /// fix a body that is not an event, which so becomes a dead letter for an operator. Taking an event
    /// twice is harmless, whatever was written before.
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
                "recipients were not suppressed: they have no valid address"
            );
        }
        Ok(())
    }

    /// Suppresses the recipients if the event requires it, and returns their number.
    async fn suppress(&self, feedback: &Feedback) -> Result<Option<usize>, Unavailable> {
        let Some(cause) = feedback.event.suppresses() else { return Ok(None) };
        for recipient in &feedback.recipients {
            self.suppressions.suppress(recipient, cause, feedback.at).await?;
        }
        Ok(Some(feedback.recipients.len()))
    }
}

/// The effect on the ledger, for the log.
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
