//! The provider's view of the account, and what it means for holds.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::record::HoldCause;

/// The part of the daily quota that must be free before a hold for it ends, so that sending does not go
/// on and off with every email that leaves the last 24 hours.
const QUOTA_ROOM: f64 = 0.05;

/// The state of the account and the sender.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the provider answers each with yes or no")]
pub struct Standing {
    pub sending_enabled: bool,
    /// The provider has shut the account down.
    pub shut_down: bool,
    /// Emails per 24 hours; `None` if there is no quota.
    pub daily_quota: Option<f64>,
    pub sent_last_24_hours: f64,
    pub configuration_set_enabled: bool,
    pub sender_verified: bool,
}

impl Standing {
    /// Why the provider would refuse every email now; `None` if it would not.
    pub fn obstacle(&self) -> Option<HoldCause> {
        let quota_is_used_up = self
            .daily_quota
            .is_some_and(|quota| self.sent_last_24_hours > quota * (1.0 - QUOTA_ROOM));
        if self.shut_down {
            Some(HoldCause::AccountSuspended)
        } else if !self.sending_enabled || !self.configuration_set_enabled {
            Some(HoldCause::SendingPaused)
        } else if !self.sender_verified {
            Some(HoldCause::SenderNotVerified)
        } else if quota_is_used_up {
            Some(HoldCause::DailyQuota)
        } else {
            None
        }
    }
}

/// Since when each rate has been near the provider's review threshold; `None` if it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    pub bounces_since: Option<OffsetDateTime>,
    pub complaints_since: Option<OffsetDateTime>,
}

impl Rates {
    /// The rate that became too high after an operator last ended a hold. A rate changes only by sending:
    /// if an operator has decided to go on, only a new rise counts.
    pub fn obstacle(&self, accepted_at: Option<OffsetDateTime>) -> Option<HoldCause> {
        let is_news = |since: &OffsetDateTime| accepted_at.is_none_or(|at| *since > at);
        if self.complaints_since.as_ref().is_some_and(is_news) {
            Some(HoldCause::ComplaintRate)
        } else if self.bounces_since.as_ref().is_some_and(is_news) {
            Some(HoldCause::BounceRate)
        } else {
            None
        }
    }
}

/// Asks the provider about the account.
pub trait Provider {
    fn standing(&self) -> impl Future<Output = Result<Standing, Unavailable>> + Send;

    fn rates(&self) -> impl Future<Output = Result<Rates, Unavailable>> + Send;
}
