//! The delivery ledger: the claim on each job, and the state of its email.
//!
//! ```text
//!             claim                 accepted, or `send` event    events, in any order
//!  (no entry) -----> sending(until) -----------------------> sent ------> delivered, bounced,
//!                     |   ^   |   |   hopeless, expired              |    rejected, complained
//!             release |   |   |   +------------------------> failed -+
//!             or end  v   |   |       no answer: at most once,       |
//!                     (claim over)    or six times --------> unknown +
//!                         ^                                  |
//!                         +----------------------------------+
//!                          redrive (failed, unknown), or a letter that is moved back
//! ```
//!
//! A claim whose recipient is suppressed ends as `suppressed`. Such a job can be claimed again: whoever enqueues
//! it again may have reached the recipient in the meantime.
//!
//! A worker claims a job by a conditional write before it asks for a permit, so a duplicate delivery,
//! a resumed job or a redrive sends nothing twice. The entry keeps the digest of the email: another email
//! under the same id is never granted a claim. Two things still can: a crash between the provider's
//! answer and the ledger's write, and a lost answer. The ledger counts such attempts. A job that is sent at
//! most once is then `unknown` until an event or an operator settles it, and every other job after
//! [`MAX_UNANSWERED`](crate::retry::MAX_UNANSWERED) of them.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    address::EmailAddress,
    dead_letter::Reason,
    job::{ContentDigest, JobId},
};

/// How long an entry is kept after its last change.
pub const LEDGER_RETENTION: Duration = Duration::from_hours(90 * 24);

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Claimed by a worker, or given back after a failed attempt.
    Sending,
    /// It can never be sent; the dead-letter queue has it, with the reason.
    Failed,
    /// It may have been sent, and must not be sent twice; the dead-letter queue has it.
    Unknown,
    /// Nothing was sent, because the recipient is suppressed. There is no dead letter.
    Suppressed,
    /// Nothing is sent, because the student is forgotten. There is no dead letter.
    Forgotten,
    /// The provider has accepted the email.
    Sent,
    /// The recipient's server has accepted it.
    Delivered,
    /// The recipient's server has refused it.
    Bounced,
    /// The provider has accepted the email, and then discarded it for its content.
    Rejected,
    /// The recipient has reported it as unwanted.
    Complained,
}

impl State {
    pub const ALL: [Self; 10] = [
        Self::Sending,
        Self::Failed,
        Self::Unknown,
        Self::Suppressed,
        Self::Forgotten,
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::Rejected,
        Self::Complained,
    ];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Suppressed => "suppressed",
            Self::Forgotten => "forgotten",
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

    /// An answer or an event moves a job to a higher rank only, so their order does not matter.
    fn rank(self) -> u8 {
        match self {
            Self::Sending | Self::Failed | Self::Unknown | Self::Suppressed | Self::Forgotten => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            // A server can accept an email and refuse it later.
            Self::Bounced | Self::Rejected => 3,
            Self::Complained => 4,
        }
    }

    /// The states that this one replaces when the provider reports it.
    pub fn outranks(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| other.rank() < self.rank())
    }
}

/// A job's entry in the ledger: the timeline of its email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub state: State,
    /// Including the attempt in progress.
    pub attempts: u32,
    /// Of these, the ones without a known outcome, including the attempt in progress.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u32,
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
    /// The provider's id of the email. Older entries have it as `message_id`.
    #[serde(default, alias = "message_id", skip_serializing_if = "Option::is_none")]
    pub ses_message_id: Option<String>,
    /// When the job became `failed`, `unknown` or `suppressed`.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<OffsetDateTime>,
    /// Why it became `failed`, `unknown` or `suppressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the last recorded event happened: the delivery, the bounce, the complaint.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub feedback_at: Option<OffsetDateTime>,
    /// The last event in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// The claim under which an attempt was [announced](Ledger::announce) and not settled: the email may have been
    /// sent, and must not be sent twice. Not part of the timeline.
    #[serde(default, skip_serializing)]
    pub announced: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A worker's request for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub job_id: JobId,
    /// Unique per claim. If the client repeats a write because its answer was lost, the repetition finds
    /// its own token and is not mistaken for another worker's.
    pub token: String,
    /// The queue's id of the message that the job came in.
    pub sqs_message_id: String,
    /// The email that is to be sent under this id.
    pub content: ContentDigest,
    /// Operators search for it. The ledger keeps no address, only a digest.
    pub recipient: EmailAddress,
    /// The name of the template, if the job has one. Operators search for it.
    pub template: Option<String>,
    pub at: OffsetDateTime,
    /// When the claim ends by itself: later than the worker can still send.
    pub until: OffsetDateTime,
}

/// Whether a released claim was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used<'a> {
    /// An attempt was made, and its failure is known: it counts. The ledger keeps the failure's code.
    Attempted(&'a str),
    /// No attempt was made: the claim does not count as one.
    NotTried,
}

/// The result of a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The worker may send the job.
    Granted(Grant),
    /// The provider has accepted the email, or its student is forgotten; there is nothing to do.
    AlreadySent,
    /// It became a dead letter.
    AlreadyFailed(Finished),
    /// Another claim is in force.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
    /// The id belongs to another email, whatever became of that one. An entry from before digests were
    /// kept belongs to any email.
    IdReused,
}

/// A job that became a dead letter. Whether the letter still exists is unknown: it may have been purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// [`State::Failed`] or [`State::Unknown`].
    pub state: State,
    /// The code of the dead letter's reason. `None` in an entry of an earlier version.
    pub code: Option<String>,
    /// The message that the job came in when its dead letter was stored. A redelivery of this one message changes
    /// nothing. `None` in an entry of an earlier version.
    pub sqs_message_id: Option<String>,
}

/// A claim that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Including this one; from 1.
    pub attempts: u32,
    pub first_attempt_at: OffsetDateTime,
    /// The first attempt, or the last time that the job was reopened.
    pub waiting_since: OffsetDateTime,
    /// The code of the last attempt that is known to have failed.
    pub last_failure: Option<String>,
    /// The number of earlier claims that ended by themselves: the provider gave no answer, or their worker died.
    /// Each may have sent the email.
    pub unanswered: u32,
    /// An [announced](Ledger::announce) attempt has never been settled: the email may have been sent.
    pub unsettled: bool,
}

/// Claims and their ends.
pub trait Ledger {
    /// Claims a job, unless it has been sent or another claim is in force. After an `Err` nothing may be
    /// sent.
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, Unavailable>> + Send;

    /// Records that an attempt follows, for the worker that claims the job after a crash. Needed only
    /// for jobs that are sent at most once. After an `Err`, or after `false` because the claim has
    /// ended, nothing may be sent.
    fn announce(&self, claim: &Claim) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Ends a claim, so that the job can be claimed again at once. Call it only if the provider certainly
    /// did not accept the email. An `Err` costs only time: the claim ends by itself.
    fn release(
        &self,
        claim: &Claim,
        used: Used<'_>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Records that the provider accepted the email, unless an event has reported more already. After an
    /// `Err` acknowledge the message all the same: its redelivery could only send the email again.
    fn mark_sent(
        &self,
        job_id: &JobId,
        ses_message_id: &str,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Records that the job can never be sent, if the claim is still in force. Keep the dead letter
    /// first.
    fn mark_failed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Records that the email may have been sent, if the claim is still in force. Keep the dead letter
    /// first.
    fn mark_unknown(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Records that nothing was sent because the recipient is suppressed, if the claim is still in force.
    /// Nothing else keeps the job, so after an `Err` the message must be returned to the queue.
    fn mark_suppressed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The result of reopening a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reopened {
    /// A worker may claim it.
    Ready,
    /// The provider has accepted the email in the meantime: there is nothing to send.
    Accepted(State),
    /// A claim is in force: the job is being sent or settled. Retry later.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
}

/// Reopens failed jobs for a redrive.
pub trait Reopen {
    /// Lets a `failed` or `unknown` job be claimed again, and lets it wait as long as a new one. Reopen it before it goes to the queue again, or
    /// a worker takes it for finished. After an `Err` the job may or may not be open; retrying is safe.
    fn reopen(
        &self,
        job_id: &JobId,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Reopened, Unavailable>> + Send;
}

/// The result of forgetting an email job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgot {
    Done,
    /// A claim is in force: the job is being sent or settled. Retry later.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
}

/// Forgets whom jobs were for.
pub trait ForgetEmail {
    /// Takes everything out of a job's entry that says whom it was for. A job that was not sent ends as
    /// [`State::Forgotten`], also one that no worker has seen: then a message of it that is still on the queue is not sent.
    /// Repeating it is harmless.
    fn forget_email(
        &self,
        job_id: &JobId,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Forgot, Unavailable>> + Send;
}

/// Reads a job's timeline.
pub trait Timeline {
    /// `None` until a worker claims the job.
    fn find(
        &self,
        job_id: &JobId,
    ) -> impl Future<Output = Result<Option<Entry>, Unavailable>> + Send;
}

/// Knows which email jobs workers have seen.
pub trait KnowsEmail {
    /// Whether a worker has ever claimed the job.
    fn knows_email(&self, id: &JobId) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_states_name_is_its_stored_form() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn entry_is_kept_for_90_days_and_has_no_count_that_is_zero() {
        assert_eq!(LEDGER_RETENTION.as_secs(), 7_776_000);
        let at = "1970-01-01T00:00:00Z";
        let stored = |unanswered: u32| {
            let entry = serde_json::json!({
                "state": "sending", "attempts": 2, "unanswered": unanswered,
                "first_attempt_at": at, "last_attempt_at": at,
            });
            let entry: Entry = serde_json::from_value(entry).unwrap();
            serde_json::to_value(entry).unwrap()
        };
        assert!(stored(0).get("unanswered").is_none());
        assert_eq!(stored(2)["unanswered"], 2);
    }

    #[test]
    fn an_event_moves_a_job_forward_and_never_back() {
        let outranked = |state: State| state.outranks().collect::<Vec<_>>();
        let unsettled =
            [State::Sending, State::Failed, State::Unknown, State::Suppressed, State::Forgotten];
        assert_eq!(outranked(State::Sent), unsettled);
        assert_eq!(outranked(State::Delivered), [&unsettled[..], &[State::Sent]].concat());
        assert!(outranked(State::Bounced).contains(&State::Delivered));
        assert!(!outranked(State::Bounced).contains(&State::Rejected));
        assert_eq!(outranked(State::Complained).len(), State::ALL.len() - 1);
        for state in State::ALL {
            let is_settled = !unsettled.contains(&state);
            assert_eq!(state.was_accepted(), is_settled, "{state:?}");
            assert_eq!(outranked(state).is_empty(), !is_settled, "{state:?}");
        }
    }
}
