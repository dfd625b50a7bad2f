//! Recipients to whom nothing is sent any more: emails to them bounced for good, or they complained.
//!
//! The provider keeps the list and the last word. What is kept here is a copy of it, by which a
//! worker knows without asking the provider, which answers once a second, that a recipient is worth
//! asking about.

use std::{fmt, future::Future};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{EmailAddress, dead_letter::Reason};

/// Why a recipient is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An email bounced for good: there is no such mailbox.
    Bounce,
    /// The recipient reported an email as unwanted.
    Complaint,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounce => "an earlier email bounced for good",
            Self::Complaint => "the recipient complained about an earlier email",
        })
    }
}

impl From<Cause> for Reason {
    fn from(cause: Cause) -> Self {
        Self::new("suppressed", format!("the recipient is suppressed: {cause}"))
    }
}

/// Knows the suppressed recipients.
pub trait Suppressions {
    /// Why the recipient is suppressed; `None` if it is not. After an `Err` nothing may be sent: the job
    /// is to be retried.
    fn find(
        &self,
        recipient: &EmailAddress,
    ) -> impl Future<Output = Result<Option<Cause>, Unavailable>> + Send;
}

/// Adds to the suppressed recipients.
pub trait Suppress {
    /// Writes down that a recipient is suppressed. Doing it twice is harmless, and a complaint stays
    /// where a bounce comes after it.
    fn suppress(
        &self,
        recipient: &EmailAddress,
        cause: Cause,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
