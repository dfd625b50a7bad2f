//! When an invocation is over at the latest.

use std::time::Duration;

use time::OffsetDateTime;

/// The deadline that the runtime API tells, in milliseconds since 1970, of an invocation that begins
/// now and may last for `timeout`.
///
/// A deadline that is over when the invocation begins is none: `cargo lambda watch` tells of a moment
/// in 1970 (`lambda-runtime-deadline-ms: 600000`, version 1.9.2), and a clock may be wrong. Then the
/// function's own timeout counts.
pub fn deadline(told: u64, now: OffsetDateTime, timeout: Duration) -> OffsetDateTime {
    let told = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(told);
    if told > now { told } else { now + timeout }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_counts_unless_it_is_over() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let minute = Duration::from_mins(1);
        let soon = 1_800_000_000_000 + 7_000;
        assert_eq!(deadline(soon, now, minute), now + Duration::from_secs(7));
        for over in [0, 600_000, 1_800_000_000_000] {
            assert_eq!(deadline(over, now, minute), now + minute);
        }
    }
}
