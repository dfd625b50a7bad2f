//! The one record of the holds, and its transitions.

use std::{fmt, future::Future};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

/// Why the machine holds sending.
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
    /// So many emails bounce that the provider would soon review the account.
    BounceRate,
    /// So many recipients complain that the provider would soon review the account.
    ComplaintRate,
}

impl HoldCause {
    /// The name in logs and in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::DailyQuota => "daily_quota",
            Self::SendingPaused => "sending_paused",
            Self::AccountSuspended => "account_suspended",
            Self::SenderNotVerified => "sender_not_verified",
            Self::BounceRate => "bounce_rate",
            Self::ComplaintRate => "complaint_rate",
        }
    }
}

impl fmt::Display for HoldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DailyQuota => "the account's daily quota is used up",
            Self::SendingPaused => "sending is paused for the account or the configuration set",
            Self::AccountSuspended => "the account is suspended",
            Self::SenderNotVerified => "the sender's identity is not verified",
            Self::BounceRate => "the bounce rate is near the provider's review threshold",
            Self::ComplaintRate => "the complaint rate is near the provider's review threshold",
        })
    }
}

/// A hold by the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineHold {
    pub cause: HoldCause,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// A hold by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorHold {
    /// In the operator's words.
    pub reason: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// The holds in force, and what remains to be done for those that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineHold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorHold>,
    /// When a hold has ended, while the event source may still be off for it.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ending_since: Option<OffsetDateTime>,
    /// When an operator last ended a hold. Rates that were too high before that time are accepted: they
    /// are not a cause for another hold.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub released_at: Option<OffsetDateTime>,
    /// The number of changes so far, which conditional writes compare.
    #[serde(default)]
    pub version: u64,
}

impl Holds {
    /// Whether sending is stopped.
    pub fn in_force(&self) -> bool {
        self.machine.is_some() || self.operator.is_some()
    }

    pub(super) fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// `None` if the machine already holds for that cause.
    pub(super) fn held(&self, cause: HoldCause, now: OffsetDateTime) -> Option<Self> {
        match &self.machine {
            Some(machine) if machine.cause == cause => None,
            machine => {
                let since = machine.as_ref().map_or(now, |machine| machine.since);
                let machine = Some(MachineHold { cause, since });
                Some(Self { machine, ending_since: None, ..self.next() })
            }
        }
    }

    pub(super) fn held_by_operator(&self, reason: &str, now: OffsetDateTime) -> Self {
        let operator = Some(OperatorHold { reason: reason.to_owned(), since: now });
        Self { operator, ending_since: None, ..self.next() }
    }

    /// Without the machine's hold; an operator's stays. `None` if there is none to end.
    pub(super) fn released_automatically(&self, now: OffsetDateTime) -> Option<Self> {
        self.machine.as_ref()?;
        let ending_since = self.operator.is_none().then_some(now);
        Some(Self { machine: None, ending_since, ..self.next() })
    }

    pub(super) fn released_by_operator(&self, now: OffsetDateTime) -> Option<Self> {
        self.in_force().then(|| Self {
            machine: None,
            operator: None,
            ending_since: Some(now),
            released_at: Some(now),
            ..self.next()
        })
    }
}

/// The one record of the holds.
pub trait HoldRecord {
    /// The current holds; the default if nothing was ever written.
    fn read(&self) -> impl Future<Output = Result<Holds, Unavailable>> + Send;

    /// Replaces the record if its version is one less than this one's; `false` if somebody else changed it
    /// first. After an `Err` it is unknown whether it was written.
    fn replace(&self, next: &Holds) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}
