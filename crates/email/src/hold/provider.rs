//! What the provider says of the account, and what follows for the holds.

use std::future::Future;

use time::OffsetDateTime;

use super::{Cause, Changed, EventSource, HoldError, HoldRecord, Holds, place, release, settle};

/// How much of the daily quota must be free again before a hold for it ends, so that sending does not
/// go on and off with every email that leaves the rolling 24 hours.
const QUOTA_ROOM: f64 = 0.05;

/// What the provider says of the account, the sender and the rates.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a yes or no of the provider's")]
pub struct Standing {
    /// Whether the account may send at all.
    pub sending_enabled: bool,
    /// Whether the provider has shut the account down.
    pub shut_down: bool,
    /// Emails that the account may send in a rolling 24 hours; `None` where there is no quota.
    pub daily_quota: Option<f64>,
    /// Emails that it has sent in the last 24 hours.
    pub sent_last_24_hours: f64,
    /// Whether the configuration set may send.
    pub configuration_set_enabled: bool,
    /// Whether the sender's identity is verified.
    pub sender_verified: bool,
}

impl Standing {
    /// What would make the provider refuse an email now; `None` if nothing does.
    pub fn obstacle(&self) -> Option<Cause> {
        let quota_is_used_up = self
            .daily_quota
            .is_some_and(|quota| self.sent_last_24_hours > quota * (1.0 - QUOTA_ROOM));
        if self.shut_down {
            Some(Cause::AccountSuspended)
        } else if !self.sending_enabled || !self.configuration_set_enabled {
            Some(Cause::SendingPaused)
        } else if !self.sender_verified {
            Some(Cause::SenderNotVerified)
        } else if quota_is_used_up {
            Some(Cause::DailyQuota)
        } else {
            None
        }
    }
}

/// Since when rates are near the provider's review line, if they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// The bounce rate.
    pub bounces_since: Option<OffsetDateTime>,
    /// The complaint rate.
    pub complaints_since: Option<OffsetDateTime>,
}

impl Rates {
    /// What is too high, and became so after an operator last ended a hold. A rate changes only by
    /// sending, so once an operator has decided to go on, only a new rise is news.
    pub fn obstacle(&self, accepted_at: Option<OffsetDateTime>) -> Option<Cause> {
        let is_news = |since: &OffsetDateTime| accepted_at.is_none_or(|at| *since > at);
        if self.complaints_since.as_ref().is_some_and(is_news) {
            Some(Cause::ComplaintRate)
        } else if self.bounces_since.as_ref().is_some_and(is_news) {
            Some(Cause::BounceRate)
        } else {
            None
        }
    }
}

/// Asks the provider.
pub trait Provider {
    /// What can go wrong; nothing is known then, and nothing is changed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What it says of the account and the sender.
    fn standing(&self) -> impl Future<Output = Result<Standing, Self::Error>> + Send;

    /// What it says of the rates.
    fn rates(&self) -> impl Future<Output = Result<Rates, Self::Error>> + Send;
}

/// Looking after the holds failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError<R, S, P> {
    /// The holds could not be read, changed or seen to.
    #[error(transparent)]
    Hold(#[from] HoldError<R, S>),
    /// The provider could not be asked.
    #[error(transparent)]
    Provider(P),
}

/// Looks after the holds, as hold-watch does each minute: makes one where a rate has risen, ends the
/// machine's where the provider would take emails again, says so where its cause has changed, and
/// finishes what a crash left half done. Answers the holds as they are then.
pub async fn watch<R, S, P>(
    record: &R,
    source: &S,
    provider: &P,
    now: OffsetDateTime,
) -> Result<Holds, WatchError<R::Error, S::Error, P::Error>>
where
    R: HoldRecord,
    S: EventSource,
    P: Provider,
{
    // First what needs no provider.
    let holds = settle(record, source, now).await?;
    let mut obstacle = match holds.machine {
        // Whether the account may send shows at the next attempt; only rates do not.
        None => None,
        Some(_) => provider.standing().await.map_err(WatchError::Provider)?.obstacle(),
    };
    if obstacle.is_none() {
        let rates = provider.rates().await.map_err(WatchError::Provider)?;
        obstacle = rates.obstacle(holds.released_at);
    }
    let changed = match (&holds.machine, obstacle) {
        (_, Some(cause)) => place(record, source, cause, now).await?,
        (Some(_), None) => release(record, source, now).await?,
        (None, None) => Changed::Nothing(holds),
    };
    let (Changed::Done(holds) | Changed::Nothing(holds)) = changed;
    Ok(holds)
}
