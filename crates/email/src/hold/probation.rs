//! How long a hold lasts whose cause only a refused email shows.
//!
//! The provider's reports about the account do not show every cause: not a withdrawn permission, for example.
//! Such a hold cannot wait for a report, and if it ended at once, it would begin again with the next email, each
//! minute. So it ends on probation, after a time that doubles with each relapse.

use std::time::Duration;

/// The minimum duration of the first such hold.
pub const FIRST_PROBATION: Duration = Duration::from_mins(5);
/// The maximum of the minimum: how often a refusal that nobody ends is looked for again.
pub const MAX_PROBATION: Duration = Duration::from_hours(1);
/// A hold that begins within this time after the last one ended is a relapse. Emails that the last hold stopped
/// come back after up to 19 minutes, so one of them decides.
pub const RELAPSE: Duration = Duration::from_hours(2);

/// The minimum duration of a hold without a report, after this many relapses: 5 minutes, doubling, at most 1 hour.
pub(super) fn probation(relapses: u32) -> Duration {
    FIRST_PROBATION.saturating_mul(1 << relapses.min(16)).min(MAX_PROBATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probation_doubles_from_5_minutes_to_an_hour() {
        let minutes: Vec<u64> = (0..7).map(|n| probation(n).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(probation(u32::MAX), MAX_PROBATION);
    }
}
