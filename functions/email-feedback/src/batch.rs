//! One invocation's batch. The messages are handled independently and concurrently:
//!
//! ```text
//! body ──parse──> event ──suppress──> ──record──> acknowledge
//!   │               │         │           │
//!   │ malformed     │ other   │ cannot be │ cannot be
//!   │               │ kind    │ written   │ written
//!   └ return until  │         └───────────┴ return: SQS delivers it again
//!     it is a dead  └ acknowledge
//!     letter
//! ```
//!
//! Suppressions are written before the ledger. After a crash in between, redelivery repeats both, which is
//! harmless.

use std::panic::AssertUnwindSafe;

use email::{
    JobId,
    feedback::{Feedback, RecordFeedback, Recorded},
    request_time::requested_at,
    suppression::Suppress,
};
use futures_util::{FutureExt, StreamExt, stream};
use lambda::{batch::panic_text, clock::milliseconds, log_events};
use time::OffsetDateTime;
use tracing::Instrument;
use unavailable::Unavailable;

use crate::event::{self, MalformedEvent, Parsed};

/// The batch size in template.yaml: all events of a batch are handled concurrently.
pub const MAX_CONCURRENT_EVENTS: usize = 10;

/// A message of the queue.
#[derive(Debug, Clone)]
pub struct Received {
    pub sqs_message_id: String,
    pub body: String,
}

/// Why a message is returned to the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotHandled {
    /// The body is not an event. A retry does not help.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    #[error("a suppression was not written: {0}")]
    Suppressions(Unavailable),
    /// The recipients have been suppressed before this.
    #[error("the ledger was not written: {0}")]
    Ledger(Unavailable),
}

/// Handles SES's events.
#[derive(Debug)]
pub struct Receiver<L, S> {
    pub ledger: L,
    pub suppressions: S,
}

impl<L: RecordFeedback, S: Suppress> Receiver<L, S> {
    /// Handles a batch, and returns the SQS message ids of the batch item failures.
    pub async fn handle(&self, batch: Vec<Received>, now: OffsetDateTime) -> Vec<String> {
        stream::iter(batch)
            .map(|message| {
                let span = tracing::info_span!("event", sqs_message_id = message.sqs_message_id);
                self.guarded(message, now).instrument(span)
            })
            .buffer_unordered(MAX_CONCURRENT_EVENTS)
            .filter_map(async |returned| returned)
            .collect()
            .await
    }

    /// Handles a message, and returns its id if it is a batch item failure. A panic returns this message
    /// only.
    async fn guarded(
        &self,
        Received { sqs_message_id, body }: Received,
        now: OffsetDateTime,
    ) -> Option<String> {
        match AssertUnwindSafe(self.handle_body(&body, now)).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::error!(event = log_events::EMAIL_FEEDBACK_FAILED, sqs_message_id, %error, "an event was not handled; it is returned to the queue");
                Some(sqs_message_id)
            }
            Err(panic) => {
                let panic = panic_text(&*panic);
                tracing::error!(
                    event = log_events::EMAIL_FEEDBACK_FAILED,
                    sqs_message_id,
                    panic,
                    "handling an event panicked; it is returned to the queue"
                );
                Some(sqs_message_id)
            }
        }
    }

    /// Handles the event in a message's body.
    ///
    /// # Errors
    ///
    /// `Err` returns the message to the queue, which delivers it again after its visibility timeout, and
    /// moves it to the dead-letter queue after the last receive. A redelivery retries a failed write. A body
    /// that is not an event fails every time, and becomes a dead letter for an operator. Handling an event
    /// twice is harmless, also if the first time was interrupted.
    pub async fn handle_body(&self, body: &str, now: OffsetDateTime) -> Result<(), NotHandled> {
        match event::parse(body, now)? {
            Parsed::Ignored => {
                tracing::info!(event = log_events::EMAIL_FEEDBACK, kind = "ignored");
                Ok(())
            }
            Parsed::Feedback { feedback, unreadable } => {
                self.record(&feedback, unreadable, now).await
            }
        }
    }

    async fn record(
        &self,
        feedback: &Feedback,
        unreadable: usize,
        now: OffsetDateTime,
    ) -> Result<(), NotHandled> {
        let suppressed = self.suppress(feedback).await.map_err(NotHandled::Suppressions)?;
        let recorded = match &feedback.job_id {
            Some(job_id) => {
                Some(self.ledger.record(job_id, feedback, now).await.map_err(NotHandled::Ledger)?)
            }
            None => None,
        };
        let unreadable = if suppressed.is_some() { unreadable } else { 0 };
        let requested_at = feedback.job_id.as_ref().and_then(requested_at);
        tracing::info!(
            event = log_events::EMAIL_FEEDBACK,
            kind = feedback.event.state().name(),
            job_id = feedback.job_id.as_ref().map(JobId::as_str),
            ses_message_id = feedback.ses_message_id,
            ledger = ledger_word(recorded),
            suppressed,
            since_accepted_ms = milliseconds(feedback.sent_at, feedback.at),
            since_request_ms = requested_at.map(|at| milliseconds(at, feedback.at)),
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
