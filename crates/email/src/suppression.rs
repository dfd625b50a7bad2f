//! Suppressed recipients: nothing is sent to them, because an email bounced for good or they complained.
//!
//! The provider's suppression list decides. It answers only about once per second, so a copy of the list
//! is kept here, and the provider is asked only about recipients in the copy.

use std::{fmt, future::Future};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{address::EmailAddress, dead_letter::Reason};

/// Why a recipient is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionCause {
    /// An email bounced for good: there is no such mailbox.
    Bounce,
    /// The recipient reported an email as unwanted.
    Complaint,
}

impl fmt::Display for SuppressionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounce => "an earlier email bounced for good",
            Self::Complaint => "the recipient complained about an earlier email",
        })
    }
}

impl From<SuppressionCause> for Reason {
    fn from(cause: SuppressionCause) -> Self {
        Self::new("suppressed", format!("the recipient is suppressed: {cause}"))
    }
}

/// Finds suppressed recipients.
pub trait Suppressions {
    /// `None` if the recipient is not suppressed. After an `Err` nothing may be sent: retry the job.
    fn find(
        &self,
        recipient: &EmailAddress,
    ) -> impl Future<Output = Result<Option<SuppressionCause>, Unavailable>> + Send;
}

/// Adds suppressed recipients.
pub trait Suppress {
    /// Repeating it is harmless, and a complaint stays after a later bounce.
    fn suppress(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
