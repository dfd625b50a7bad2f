//! What the provider tells of an email after it accepted it.
//!
//! Telling is best effort: an event may come late, twice, out of order, or never. So nothing waits for
//! one, and the [ledger](crate::ledger) only ever moves on by them: a later one wins over an earlier
//! one by its kind, whichever comes first. One thing an event does settle: whatever it says, the
//! provider had accepted the email, so an attempt that had no answer was a send.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{EmailAddress, JobId, ledger::State, suppression::Cause};

/// The tag on every email that carries its job's id into the provider's events.
pub const JOB_ID_TAG: &str = "job_id";

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The email's job; `None` where the email was none of a job's.
    pub job_id: Option<JobId>,
    /// The provider's id of the email.
    pub message_id: String,
    /// When the provider accepted it.
    pub sent_at: OffsetDateTime,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Whom it is about.
    pub recipients: Vec<EmailAddress>,
    /// What happened.
    pub event: Event,
}

/// What happened to an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server refused it.
    Bounced {
        /// Whether for good: there is no such mailbox. The others may do better later.
        for_good: bool,
        /// The provider's words, such as `Permanent/General`.
        detail: String,
    },
    /// The provider found something in it that it does not send, such as a virus.
    Rejected {
        /// The provider's words.
        detail: String,
    },
    /// The recipient reported it as unwanted.
    Complained {
        /// The provider's words, such as `abuse`.
        detail: String,
    },
}

impl Event {
    /// The state of the job after it.
    pub fn state(&self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Bounced { .. } => State::Bounced,
            Self::Rejected { .. } => State::Rejected,
            Self::Complained { .. } => State::Complained,
        }
    }

    /// The provider's words, where it has any.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Bounced { detail, .. }
            | Self::Rejected { detail }
            | Self::Complained { detail } => Some(detail),
        }
    }

    /// Why nothing more may be sent to the recipients, if so.
    pub fn suppresses(&self) -> Option<Cause> {
        match self {
            Self::Bounced { for_good: true, .. } => Some(Cause::Bounce),
            Self::Complained { .. } => Some(Cause::Complaint),
            _ => None,
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The ledger has moved on.
    Moved,
    /// The ledger was as far as that, or further.
    Nothing,
    /// The ledger knows no such job: it is over its retention, or was never one.
    UnknownJob,
}

/// Writes events down in the ledger.
pub trait RecordFeedback {
    /// Moves the job on, if the event is later in kind than what the ledger has. `Err` means that the
    /// event is to be delivered again.
    fn record(
        &self,
        job_id: &JobId,
        feedback: &Feedback,
    ) -> impl Future<Output = Result<Recorded, Unavailable>> + Send;
}
