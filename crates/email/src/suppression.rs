//! Suppressed recipients: nothing is sent to them, because an email bounced permanently or they
//! complained.
//!
//! The provider's suppression list decides. The provider allows only about one lookup per second, so
//! Registrar keeps a copy of the list, and asks the provider only about recipients in the copy.

use std::{fmt, future::Future};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{address::EmailAddress, dead_letter::Reason};

/// Why a recipient is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionCause {
    /// An email bounced permanently: the mailbox does not exist.
    Bounce,
    /// The recipient reported an email as unwanted.
    Complaint,
}

impl SuppressionCause {
    /// The name in logs, and its stored form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
        }
    }
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

/// Finds suppressed recipients, in two steps: the first is quick, and the second is needed only for those that the
/// first one finds. After an `Err` of either, the email must not be sent: retry the job.
pub trait Suppressions {
    /// What the copy says. `None` if the recipient is not in it.
    fn find(
        &self,
        recipient: &EmailAddress,
    ) -> impl Future<Output = Result<Option<SuppressionCause>, Unavailable>> + Send;

    /// Whether the provider still suppresses a recipient of the copy. It may be slow, and allows about one lookup per
    /// second.
    fn confirm(
        &self,
        recipient: &EmailAddress,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// Adds suppressed recipients.
pub trait Suppress {
    /// Repeating it is harmless. A bounce does not replace an earlier complaint.
    fn suppress(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
        at: OffsetDateTime,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_is_stored_by_its_name_and_is_the_reason_that_people_read() {
        for (cause, name, text) in [
            (
                SuppressionCause::Bounce,
                "bounce",
                "the recipient is suppressed: an earlier email bounced for good",
            ),
            (
                SuppressionCause::Complaint,
                "complaint",
                "the recipient is suppressed: the recipient complained about an earlier email",
            ),
        ] {
            assert_eq!(cause.name(), name);
            assert_eq!(serde_json::to_value(cause).unwrap(), name);
            assert_eq!(Reason::from(cause), Reason::new("suppressed", text));
        }
    }
}
