//! What a run of hold-watch decides. Each hold ends with its own cause, and only if that is known: a service that does
//! not respond neither ends a hold nor keeps one of another cause.

use time::OffsetDateTime;

use super::{
    cause::HoldCause,
    provider::{Rates, Standing},
    record::Holds,
};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Nothing,
    /// Place a hold, or replace the cause of the one in force.
    Place(HoldCause),
    /// Record that the provider reports this cause of the hold in force.
    Report(HoldCause),
    /// End the hold in force.
    Release,
}

/// Decides by the holds, and by what the provider reports: `None` if it is not known.
pub(super) fn decide(
    holds: &Holds,
    standing: Option<&Standing>,
    rates: Option<&Rates>,
    now: OffsetDateTime,
) -> Decision {
    let rate = rates.and_then(|rates| rates.obstacle(holds.released_at));
    let rate_or = |otherwise| rate.map_or(otherwise, Decision::Place);
    let Some(hold) = &holds.machine else { return rate_or(Decision::Nothing) };
    if hold.cause.is_rate() {
        return match (
            rates.map(|rates| rates.is_high(hold.cause)),
            standing.and_then(Standing::obstacle),
        ) {
            (None | Some(true), _) => Decision::Nothing,
            (Some(false), Some(cause)) => Decision::Report(cause),
            (Some(false), None) => rate_or(Decision::Release),
        };
    }
    match standing.map(Standing::obstacle) {
        Some(Some(cause)) if hold.cause != cause || !hold.reported => Decision::Report(cause),
        Some(None) if hold.is_over(now) => rate_or(Decision::Release),
        _ => Decision::Nothing,
    }
}
