//! The clock of the functions. Only this module reads the time; everywhere else it is an argument.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// The wall clock.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The milliseconds from one time to a later one; 0 if a clock says that it is an earlier one.
pub fn milliseconds(from: OffsetDateTime, to: OffsetDateTime) -> f64 {
    Duration::try_from(to - from).unwrap_or_default().as_secs_f64() * 1e3
}

/// The monotonic clock. In tests with paused time, it is tokio's paused clock.
pub fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "both are exact")]
    fn time_is_never_negative() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(milliseconds(now, now + Duration::from_millis(1_500)), 1_500.0);
        assert_eq!(milliseconds(now + Duration::from_secs(1), now), 0.0);
    }
}
