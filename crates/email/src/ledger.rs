//! The delivery ledger: which job is being sent, by whom, and what became of it.
//!
//! ```text
//!             claim                    accepted            feedback, in any order
//!  (no entry) -----> sending(until) ----------------> sent ----------> delivered, bounced,
//!                     |   ^   |   |      hopeless              +-----> rejected, complained
//!             release |   |   |   +---------------> failed     |
//!          or it ends v   |   |     no answer, and             |
//!                     (claim over)  at most once  -> unknown --+
//!                         ^                             |
//!                         +------- redrive (failed, unknown)
//! ```
//!
//! A worker claims a job by a conditional write before it asks for a permit, so a duplicate delivery,
//! a resumed job or a redrive sends nothing twice. Only a crash between the provider's yes and the
//! ledger's write can, and an answer that was lost; a job that is to be sent at most once is
//! then `unknown` until an event or an operator settles it.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{JobId, dead_letter::Reason};

/// How long an entry is kept after its last change.
pub const RETENTION: Duration = Duration::from_hours(90 * 24);

/// How far the job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Claimed by a worker, or given back after a failed attempt.
    Sending,
    /// It can never be sent; the dead-letter queue has it with the reason.
    Failed,
    /// It may have been sent, and is not to be sent twice; the dead-letter queue has it.
    Unknown,
    /// The provider has accepted the email.
    Sent,
    /// The recipient's server has taken it.
    Delivered,
    /// The recipient's server has refused it.
    Bounced,
    /// The provider has accepted the email, and then thrown it away for what is in it.
    Rejected,
    /// The recipient has reported it as unwanted.
    Complained,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Sending,
        Self::Failed,
        Self::Unknown,
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::Rejected,
        Self::Complained,
    ];

    /// The state's name, as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Rejected => "rejected",
            Self::Complained => "complained",
        }
    }

    /// Whether the provider is known to have accepted the email.
    pub fn was_accepted(self) -> bool {
        self.rank() > 0
    }

    /// Which of two tells more: an answer or an event moves a job to a higher rank only, so the order
    /// in which they come does not matter.
    fn rank(self) -> u8 {
        match self {
            Self::Sending | Self::Failed | Self::Unknown => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            // A server can take an email and refuse it later.
            Self::Bounced | Self::Rejected => 3,
            Self::Complained => 4,
        }
    }

    /// The states that give way to this one, once the provider has told of it.
    pub fn outranks(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| other.rank() < self.rank())
    }
}

/// What the ledger knows of a job: the email's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How far it has come.
    pub state: State,
    /// How often it has been tried, with the attempt under way.
    pub attempts: u32,
    /// When it was first claimed.
    #[serde(with = "time::serde::rfc3339")]
    pub first_attempt_at: OffsetDateTime,
    /// When it was last claimed.
    #[serde(with = "time::serde::rfc3339")]
    pub last_attempt_at: OffsetDateTime,
    /// When the provider accepted it.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub sent_at: Option<OffsetDateTime>,
    /// The provider's id of the email.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When it was found that it can never be sent, or that nobody knows whether it was.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<OffsetDateTime>,
    /// Why it can never be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When what the last event told of happened: the delivery, the bounce, the complaint.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub feedback_at: Option<OffsetDateTime>,
    /// The provider's words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
}

/// A claim that a worker asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job_id: JobId,
    /// Names this claim alone. A write that the client repeats because its answer was lost finds
    /// its own token and so is not mistaken for another worker's.
    pub token: String,
    /// When the claim is made.
    pub at: OffsetDateTime,
    /// When the claim ends by itself; later than anything the claimer can still send.
    pub until: OffsetDateTime,
}

/// Whether a claim that is released was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// An attempt was made and failed: it stays counted.
    Attempted,
    /// Nothing was tried: the claim does not count as an attempt.
    NotTried,
}

/// The ledger's answer to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The job is the claimer's to send.
    Granted(Grant),
    /// The provider has accepted the email; there is nothing to do.
    AlreadySent,
    /// It is kept as a dead letter; there is nothing to do.
    AlreadyFailed,
    /// Another claim is in force until then.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
}

/// A claim that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many attempts there have been with this one; from 1.
    pub attempts: u32,
    /// When the first was.
    pub first_attempt_at: OffsetDateTime,
    /// An attempt that was [announced](Ledger::announce) has never been settled: nobody knows whether
    /// the email was sent.
    pub unsettled: bool,
}

/// Claims and their ends.
pub trait Ledger {
    /// Claims a job, if it has not been sent and no other claim on it is in force. After an `Err` nothing
    /// may be sent.
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, Unavailable>> + Send;

    /// Writes down that an attempt is about to be made, so that whoever claims the job after a crash
    /// knows. Needed only for what is to be sent at most once. After an `Err`, or `false` where
    /// the claim has ended, nothing may be sent.
    fn announce(&self, claim: &Claim) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Ends a claim so that the job can be claimed again at once. Call it only where it is certain
    /// that the provider did not accept the email. An `Err` costs time only: the claim ends by itself.
    fn release(
        &self,
        claim: &Claim,
        used: Used,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Writes down that the provider accepted the email, unless an event has told more already. After
    /// an `Err` the message is still to be acknowledged: its redelivery could only send the email
    /// again.
    fn mark_sent(
        &self,
        job_id: &JobId,
        message_id: &str,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Writes down that the job can never be sent, if the claim is still in force. Keep the dead
    /// letter first.
    fn mark_failed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Writes down that nobody knows whether the email was sent, if the claim is still in force. Keep
    /// the dead letter first.
    fn mark_unknown(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// What a job is after it was to be opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reopened {
    /// A worker may claim it.
    Ready,
    /// The provider has accepted the email meanwhile: there is nothing to send.
    Accepted(State),
    /// A claim is in force until then: it is being sent, or being settled. Ask again later.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
}

/// Opens jobs again that were given up, for a redrive.
pub trait Reopen {
    /// Lets a job be claimed again that is `failed` or `unknown`. Do it before the job is put on
    /// the queue again, or a worker takes it for done with. After an `Err` the job may or may not be
    /// open; a repetition is safe.
    fn reopen(
        &self,
        job_id: &JobId,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Reopened, Unavailable>> + Send;
}

/// Reads a job's timeline.
pub trait Timeline {
    /// The job's entry; `None` while no worker has claimed it yet.
    fn find(
        &self,
        job_id: &JobId,
    ) -> impl Future<Output = Result<Option<Entry>, Unavailable>> + Send;
}

/// Knows of email jobs.
pub trait KnowsEmail {
    /// Whether a worker has ever taken the job of that id.
    fn knows_email(&self, id: &JobId) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_stored() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn an_event_moves_a_job_on_and_never_back() {
        let outranked = |state: State| state.outranks().collect::<Vec<_>>();
        let unsettled = [State::Sending, State::Failed, State::Unknown];
        assert_eq!(outranked(State::Sent), unsettled);
        assert_eq!(outranked(State::Delivered), [&unsettled[..], &[State::Sent]].concat());
        assert!(outranked(State::Bounced).contains(&State::Delivered));
        assert!(!outranked(State::Bounced).contains(&State::Rejected));
        assert_eq!(outranked(State::Complained).len(), State::ALL.len() - 1);
        for state in unsettled {
            assert!(outranked(state).is_empty() && !state.was_accepted());
        }
    }
}
