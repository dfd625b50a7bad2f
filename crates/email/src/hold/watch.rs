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
    let mut before = match settle(record, source, now).await {
        Ok(holds) => Some(holds),
        Err(error) => {
            problems.push(error.into());
            record.read().await.ok()
        }
    };
    if before.as_ref().is_some_and(|holds| holds.without_expired(now).is_some()) {
        before = known_after(end_expired(record, source, now).await, record, &mut problems).await;
    }
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
    let holds = known_after(changed, record, &mut problems).await;
    Watched { holds, problems }
}

/// The record after a change, also if the change failed in part.
async fn known_after<R: HoldRecord>(
    changed: Result<Changed, HoldError>,
    record: &R,
    problems: &mut Vec<WatchError>,
) -> Option<Holds> {
    match changed {
        Ok(changed) => Some(changed.into_holds()),
        Err(error) => {
            problems.push(error.into());
            record.read().await.ok()
        }
    }
}

fn known<T>(reported: Result<T, Unavailable>, problems: &mut Vec<WatchError>) -> Option<T> {
    reported.map_err(|error| problems.push(error.into())).ok()
}
