//! The account's state at the provider, and the holds that it requires.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::cause::HoldCause;

/// The part of the daily quota that must be free before a hold for the quota ends. Without it, each
/// email that leaves the 24-hour window would end the hold, and the next send would start it again.
const QUOTA_ROOM: f64 = 0.05;

/// The configuration set of every email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationSet {
    Sends,
    Paused,
    Missing,
}

/// The state of the account and the sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub sending_enabled: bool,
    /// The provider has shut the account down.
    pub shut_down: bool,
    /// Emails per 24 hours. `None` if there is no quota.
    pub daily_quota: Option<f64>,
    pub sent_last_24_hours: f64,
    pub configuration_set: ConfigurationSet,
    pub sender_verified: bool,
}

impl Standing {
    /// Why the provider would refuse every email now. `None` if it would not.
    pub fn obstacle(&self) -> Option<HoldCause> {
        let quota_is_used_up = self
            .daily_quota
            .is_some_and(|quota| self.sent_last_24_hours > quota * (1.0 - QUOTA_ROOM));
        if self.shut_down {
            Some(HoldCause::AccountSuspended)
        } else if !self.sending_enabled || self.configuration_set == ConfigurationSet::Paused {
            Some(HoldCause::SendingPaused)
        } else if self.configuration_set == ConfigurationSet::Missing {
            Some(HoldCause::ConfigurationSetMissing)
        } else if !self.sender_verified {
            Some(HoldCause::SenderNotVerified)
        } else if quota_is_used_up {
            Some(HoldCause::DailyQuota)
        } else {
            None
        }
    }
}

/// A rate of the account, and the number of events that it is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Since when the rate has been near the provider's review threshold. `None` if it is not.
    pub high_since: Option<OffsetDateTime>,
    /// Since when there have been enough events to stop sending for. `None` if there are not: one complaint among a
    /// thousand emails is a high rate too.
    pub counts_since: Option<OffsetDateTime>,
}

impl Rate {
    /// Since when the rate is a reason to place a hold.
    fn since(&self) -> Option<OffsetDateTime> {
        Some(self.high_since?.max(self.counts_since?))
    }
}

/// The account's rates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    pub bounces: Rate,
    pub complaints: Rate,
}

impl Rates {
    /// The rate that became too high after an operator last ended a hold. A rate changes only by
    /// sending, so after an operator's release only a new rise counts.
    pub fn obstacle(&self, accepted_at: Option<OffsetDateTime>) -> Option<HoldCause> {
        let is_news = |since: OffsetDateTime| accepted_at.is_none_or(|at| since > at);
        if self.complaints.since().is_some_and(is_news) {
            Some(HoldCause::ComplaintRate)
        } else if self.bounces.since().is_some_and(is_news) {
            Some(HoldCause::BounceRate)
        } else {
            None
        }
    }

    /// Whether the rate of this cause is still near the threshold. The number of events does not matter: it falls
    /// with time, because nothing is sent.
    pub(super) fn is_high(&self, cause: HoldCause) -> bool {
        match cause {
            HoldCause::BounceRate => self.bounces.high_since.is_some(),
            HoldCause::ComplaintRate => self.complaints.high_since.is_some(),
            _ => false,
        }
    }
}

/// Asks the provider about the account.
pub trait Provider {
    fn standing(&self) -> impl Future<Output = Result<Standing, Unavailable>> + Send;

    fn rates(&self) -> impl Future<Output = Result<Rates, Unavailable>> + Send;
}
