//! The causes of automatic holds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The cause of an automatic hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// The quota for the last 24 hours is used up.
    DailyQuota,
    /// Sending is paused for the account or the configuration set.
    SendingPaused,
    /// The account is suspended.
    AccountSuspended,
    /// The sender's domain or address is not verified: a fault of the deployment, not of a job.
    SenderNotVerified,
    /// The configuration set of every email does not exist: a fault of the deployment, not of a job.
    ConfigurationSetMissing,
    /// The worker lacks the permission to send: a policy, or a sending authorization, denies it.
    NotPermitted,
    /// The provider has rejected several emails in a row with one error code, to different recipients, and has
    /// accepted none in between: most likely it rejects every email.
    RejectedInARow,
    /// The bounce rate is so high that the provider would soon review the account.
    BounceRate,
    /// The complaint rate is so high that the provider would soon review the account.
    ComplaintRate,
}

impl HoldCause {
    pub const ALL: [Self; 9] = [
        Self::DailyQuota,
        Self::SendingPaused,
        Self::AccountSuspended,
        Self::SenderNotVerified,
        Self::ConfigurationSetMissing,
        Self::NotPermitted,
        Self::RejectedInARow,
        Self::BounceRate,
        Self::ComplaintRate,
    ];

    /// The name in logs and in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::DailyQuota => "daily_quota",
            Self::SendingPaused => "sending_paused",
            Self::AccountSuspended => "account_suspended",
            Self::SenderNotVerified => "sender_not_verified",
            Self::ConfigurationSetMissing => "configuration_set_missing",
            Self::NotPermitted => "not_permitted",
            Self::RejectedInARow => "rejected_in_a_row",
            Self::BounceRate => "bounce_rate",
            Self::ComplaintRate => "complaint_rate",
        }
    }

    /// Whether it is a rate of the account, which changes only by sending.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::BounceRate | Self::ComplaintRate)
    }
}

impl fmt::Display for HoldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DailyQuota => "the account's daily quota is used up",
            Self::SendingPaused => "sending is paused for the account or the configuration set",
            Self::AccountSuspended => "the account is suspended",
            Self::SenderNotVerified => "the sender's identity is not verified",
            Self::ConfigurationSetMissing => "the configuration set does not exist",
            Self::NotPermitted => "the worker is not permitted to send",
            Self::RejectedInARow => "the provider rejects one email after the other",
            Self::BounceRate => "the bounce rate is near the provider's review threshold",
            Self::ComplaintRate => "the complaint rate is near the provider's review threshold",
        })
    }
}
