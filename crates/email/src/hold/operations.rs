//! Making and ending holds: first the record, then the event source.

use std::time::Duration;

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    event_source::EventSource,
    record::{HoldCause, HoldRecord, Holds},
};

/// Attempts to change the record when somebody else keeps changing it first.
const MAX_UPDATE_ATTEMPTS: usize = 5;

/// How long after a hold's end the event source is still turned on if it is found off. Somebody who read
/// the record before the end may turn it off too late; this is much longer than that can take.
pub const ENDING: Duration = Duration::from_mins(5);

/// A hold could not be made, ended or settled.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The record could not be read or written. The change may or may not have been made.
    #[error(transparent)]
    Record(Unavailable),
    /// The record is written, but the event source does not match it yet. The next [`settle`] fixes
    /// that.
    #[error(transparent)]
    EventSource(Unavailable),
    #[error("the holds keep changing")]
    Contended,
}

/// The result of a change to the holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The record was changed to this.
    Done(Holds),
    /// The record was so already.
    Nothing(Holds),
}

/// Makes a hold by the machine. If it already holds for that cause, does nothing.
///
/// If the event source is off without a hold, an operator has turned it off by other means. That becomes
/// an operator's hold; otherwise the machine would turn it on when its own hold ends.
pub async fn place<R, S>(
    record: &R,
    source: &S,
    cause: HoldCause,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    // If this is unknown it counts as on: the hold must be recorded all the same.
    let found_off = source.is_on().await.is_ok_and(|on| !on);
    change(record, source, now, |holds| {
        let next = holds.held(cause, now)?;
        let turned_off_by_operator = found_off && !holds.in_force() && holds.ending_since.is_none();
        Some(if turned_off_by_operator {
            let reason = "the event source was found turned off";
            Holds { version: next.version, ..next.held_by_operator(reason, now) }
        } else {
            next
        })
    })
    .await
}

/// Makes a hold by an operator. A second one replaces the first one's reason.
pub async fn hold_by_operator<R, S>(
    record: &R,
    source: &S,
    reason: &str,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| Some(holds.held_by_operator(reason, now))).await
}

/// Ends every hold, on an operator's decision. If the provider still refuses, the next attempt holds again.
pub async fn release_by_operator<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.released_by_operator(now)).await
}

/// Ends the machine's hold; an operator's stays in force.
pub async fn release<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.released_automatically(now)).await
}

/// Records the change, then carries it out.
async fn change<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
    next: impl Fn(&Holds) -> Option<Holds>,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    for _ in 0..MAX_UPDATE_ATTEMPTS {
        let holds = record.read().await.map_err(HoldError::Record)?;
        let Some(next) = next(&holds) else { return Ok(Changed::Nothing(holds)) };
        if record.replace(&next).await.map_err(HoldError::Record)? {
            return settle(record, source, now).await.map(Changed::Done);
        }
    }
    Err(HoldError::Contended)
}

/// Makes the event source match the record, and returns the record: off while a hold is in force, on if
/// one has just ended, otherwise unchanged. Safe to call at any time, concurrently too.
pub async fn settle<R, S>(record: &R, source: &S, now: OffsetDateTime) -> Result<Holds, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    for _ in 0..MAX_UPDATE_ATTEMPTS {
        let holds = record.read().await.map_err(HoldError::Record)?;
        let on = match holds.ending_since {
            _ if holds.in_force() => false,
            Some(_) => true,
            None => return Ok(holds),
        };
        source.turn(on).await.map_err(HoldError::EventSource)?;
        if record.read().await.map_err(HoldError::Record)? != holds {
            // Held or released in the meantime: it must be turned again.
            continue;
        }
        if holds.ending_since.is_none_or(|since| now - since < ENDING) {
            return Ok(holds);
        }
        let ended = Holds { ending_since: None, ..holds.next() };
        if record.replace(&ended).await.map_err(HoldError::Record)? {
            return Ok(ended);
        }
    }
    Err(HoldError::Contended)
}
