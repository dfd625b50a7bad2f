//! Looking after the holds, once per minute.

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    decision::{Decision, decide},
    event_source::EventSource,
    operations::{Changed, HoldError, end, end_expired, place, report, settle},
    provider::Provider,
    record::{HoldRecord, Holds},
};

/// Looking after the holds failed, in whole or in part.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Provider(#[from] Unavailable),
}

/// The result of a run.
#[derive(Debug)]
pub struct Watched {
    /// The record after the run. `None` if it could not be read.
    pub holds: Option<Holds>,
    /// Everything that failed. The next run repeats it.
    pub problems: Vec<WatchError>,
}

/// Looks after the holds: places an automatic hold if a rate has risen, ends one if its cause is over, records what
/// the provider reports about it, ends what an operator has given an end, and finishes a change that a crash
/// interrupted.
///
/// Whatever fails, the rest is done: a hold is recorded although the event source cannot be turned off, because
/// workers read the record.
pub async fn watch<R, S, P>(record: &R, source: &S, provider: &P, now: OffsetDateTime) -> Watched
where
    R: HoldRecord,
    S: EventSource,
    P: Provider,
{
    let mut problems = Vec::new();
    let settled = match settle(record, source, now).await {
        Ok(holds) if holds.without_expired(now).is_none() => Ok(holds),
        // Also if the event source could not be turned: the record has to say what is over.
        _ => end_expired(record, source, now).await.map(Changed::into_holds),
    };
    let before = match settled {
        Ok(holds) => Some(holds),
        Err(error) => {
            problems.push(error.into());
            record.read().await.ok()
        }
    };
    let Some(before) = before else { return Watched { holds: None, problems } };
    // Without a hold, the next attempt shows whether the account may send. It does not show the rates.
    let standing = match before.machine {
        Some(_) => known(provider.standing().await, &mut problems),
        None => None,
    };
    let rates = known(provider.rates().await, &mut problems);
    let changed = match (decide(&before, standing.as_ref(), rates.as_ref(), now), &before.machine) {
        (Decision::Place(cause), _) => place(record, source, cause, now).await,
        (Decision::Report(cause), Some(hold)) => report(record, source, hold, cause, now).await,
        (Decision::Release, Some(hold)) => end(record, source, hold, now).await,
        (Decision::Nothing | Decision::Report(_) | Decision::Release, _) => {
            return Watched { holds: Some(before), problems };
        }
    };
    let holds = match changed {
        Ok(changed) => Some(changed.into_holds()),
        Err(error) => {
            problems.push(error.into());
            record.read().await.ok()
        }
    };
    Watched { holds, problems }
}

fn known<T>(reported: Result<T, Unavailable>, problems: &mut Vec<WatchError>) -> Option<T> {
    reported.map_err(|error| problems.push(error.into())).ok()
}
