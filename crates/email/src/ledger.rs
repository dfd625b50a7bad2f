//! The delivery ledger: which job is being sent, by whom, and what became of it.
//!
//! ```text
//!            claim                  accepted
//! (no entry) -----> sending(until) ----------> sent
//!                    |   ^     |    hopeless
//!            release |   |     +-------------> failed
//!         or it ends v   | claim
//!                   (claim over)
//! ```
//!
//! A worker claims a job by a conditional write before it asks for a permit, so a duplicate delivery,
//! a resumed job or a redrive sends nothing twice. Only a crash between the provider's yes and the
//! ledger's write can.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{JobId, dead_letter::Reason};

/// How long an entry is kept after its last change.
pub const RETENTION: Duration = Duration::from_hours(90 * 24);

/// How far the job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Claimed by a worker, or given back after a failed attempt.
    Sending,
    /// The provider has accepted the email.
    Sent,
    /// It can never be sent; the dead-letter queue has it with the reason.
    Failed,
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
    /// When it was found that it can never be sent.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<OffsetDateTime>,
    /// Why it can never be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    Granted {
        /// How many attempts there have been with this one; from 1.
        attempts: u32,
    },
    /// It has been sent; there is nothing to do.
    AlreadySent,
    /// It can never be sent and is kept as a dead letter; there is nothing to do.
    AlreadyFailed,
    /// Another claim is in force until then.
    InProgress {
        /// When that claim ends by itself.
        until: OffsetDateTime,
    },
}

/// Claims and their ends.
pub trait Ledger {
    /// What can go wrong. For [`Ledger::claim`] it means that nothing may be sent.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Claims a job, if it has not been sent and no other claim on it is in force.
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, Self::Error>> + Send;

    /// Ends a claim so that the job can be claimed again at once. Call it only where it is certain
    /// that the provider did not accept the email. An `Err` costs time only: the claim ends by itself.
    fn release(
        &self,
        claim: &Claim,
        used: Used,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes down that the provider accepted the email. After an `Err` the message is still to be
    /// acknowledged: its redelivery could only send the email again.
    fn mark_sent(
        &self,
        job_id: &JobId,
        message_id: &str,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes down that the job can never be sent. Keep the dead letter first.
    fn mark_failed(
        &self,
        job_id: &JobId,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Reads a job's timeline.
pub trait Timeline {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The job's entry; `None` while no worker has claimed it yet.
    fn find(
        &self,
        job_id: &JobId,
    ) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;
}
