//! Looking after the holds, once per minute.

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    event_source::EventSource,
    operations::{Changed, HoldError, place, release, settle},
    provider::Provider,
    record::{HoldRecord, Holds},
};

/// Looking after the holds failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Provider(Unavailable),
}

/// Looks after the holds: makes one if a rate has risen, ends the machine's if the provider would accept
/// emails again, records a change of its cause, and finishes what a crash left half done. Returns the
/// resulting holds.
pub async fn watch<R, S, P>(
    record: &R,
    source: &S,
    provider: &P,
    now: OffsetDateTime,
) -> Result<Holds, WatchError>
where
    R: HoldRecord,
    S: EventSource,
    P: Provider,
{
    // First everything that does not need the provider.
    let holds = settle(record, source, now).await?;
    let mut obstacle = match holds.machine {
        // The next attempt shows whether the account may send; it does not show the rates.
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
