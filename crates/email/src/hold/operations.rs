//! Placing and ending holds: first the record is written, then the event source is turned off or on.

use std::time::Duration;

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    cause::HoldCause,
    event_source::EventSource,
    lowered::LoweredLimit,
    record::{HoldRecord, Holds, MachineHold, OperatorHold},
};

/// How many times a change is attempted if other changes of the record come first.
const MAX_UPDATE_ATTEMPTS: usize = 5;

/// How long after a hold's end the event source is turned on again if it is off. A worker that read the
/// record before the end may turn the event source off after it. This is much longer than a worker takes for
/// that.
pub const ENDING: Duration = Duration::from_mins(5);

/// A hold could not be placed, ended or settled.
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
    /// No change was needed.
    Nothing(Holds),
}

impl Changed {
    /// The record, changed or not.
    pub fn into_holds(self) -> Holds {
        match self {
            Self::Done(holds) | Self::Nothing(holds) => holds,
        }
    }
}

/// Places an automatic hold. If one for this cause is in force, this does nothing.
///
/// If the event source is off without a hold, an operator has turned it off by other means. This is recorded
/// as an operator's hold. Otherwise the end of the automatic hold would turn the event source on.
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
    // If the call fails, the event source counts as on, so that the hold is recorded in any case.
    let found_off = source.is_on().await.is_ok_and(|on| !on);
    change(record, source, now, |holds| {
        let next = holds.held(cause, now)?;
        let turned_off_by_operator = found_off && !holds.in_force() && holds.ending_since.is_none();
        Some(if turned_off_by_operator {
            let reason = "the event source was found turned off".to_owned();
            let hold = OperatorHold { reason, since: now, until: None };
            Holds { version: next.version, ..next.held_by_operator(hold) }
        } else {
            next
        })
    })
    .await
}

/// Places an operator's hold, which begins now. It takes the place of one in force, with its reason and its end.
pub async fn hold_by_operator<R, S>(
    record: &R,
    source: &S,
    hold: &OperatorHold,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, hold.since, |holds| Some(holds.held_by_operator(hold.clone()))).await
}

/// Ends an operator's hold, the holds of templates and a lowered limit whose time is over.
pub async fn end_expired<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.without_expired(now)).await
}

/// Holds the jobs of a template. It takes the place of a hold of this template.
pub async fn hold_template<R: HoldRecord>(
    record: &R,
    template: &str,
    hold: &OperatorHold,
) -> Result<Changed, HoldError> {
    update(record, |holds| Some(holds.template_held(template, hold))).await
}

/// Ends the hold of a template.
pub async fn release_template<R: HoldRecord>(
    record: &R,
    template: &str,
) -> Result<Changed, HoldError> {
    update(record, |holds| holds.template_released(template)).await
}

/// Lowers the limit. Whether it is below the deployed one is for the caller to check: workers send at the lowest.
pub async fn lower_limit<R: HoldRecord>(
    record: &R,
    lowered: &LoweredLimit,
) -> Result<Changed, HoldError> {
    update(record, |holds| Some(holds.lowered_to(lowered))).await
}

/// Ends a lowered limit.
pub async fn reset_limit<R: HoldRecord>(record: &R) -> Result<Changed, HoldError> {
    update(record, Holds::limit_reset).await
}

/// Ends all holds, by an operator. If the provider still refuses, the next attempt places a new hold.
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

/// Ends this automatic hold. Another one, which has taken its place, stays in force; so does an operator's hold.
pub async fn end<R, S>(
    record: &R,
    source: &S,
    hold: &MachineHold,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.released_automatically(hold, now)).await
}

/// Records that the provider reports this cause of the hold.
pub(super) async fn report<R, S>(
    record: &R,
    source: &S,
    hold: &MachineHold,
    cause: HoldCause,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.reported(hold, cause)).await
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
    match update(record, next).await? {
        Changed::Done(_) => settle(record, source, now).await.map(Changed::Done),
        nothing @ Changed::Nothing(_) => Ok(nothing),
    }
}

/// Records the change.
async fn update<R: HoldRecord>(
    record: &R,
    next: impl Fn(&Holds) -> Option<Holds>,
) -> Result<Changed, HoldError> {
    for _ in 0..MAX_UPDATE_ATTEMPTS {
        let holds = record.read().await.map_err(HoldError::Record)?;
        let Some(next) = next(&holds) else { return Ok(Changed::Nothing(holds)) };
        if record.replace(&next).await.map_err(HoldError::Record)? {
            return Ok(Changed::Done(next));
        }
    }
    Err(HoldError::Contended)
}

/// Makes the event source match the record, and returns the record. The event source is turned off while a
/// hold is in force, turned on if one has just ended, and otherwise left unchanged. Safe to call at any time,
/// also concurrently.
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
            // The holds have changed in the meantime, so the event source may be in the wrong state.
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
