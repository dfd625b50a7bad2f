//! The deadline of an invocation.

use std::time::Duration;

use time::OffsetDateTime;

/// The deadline of an invocation that begins `now`. `reported` is the deadline that the runtime API reports,
/// in milliseconds since 1970. `timeout` is the function's timeout.
///
/// If the reported deadline has already passed, the timeout is used: `cargo lambda watch` reports a time in
/// 1970 (`lambda-runtime-deadline-ms: 600000`, version 1.9.2), and a clock may be wrong.
pub fn deadline(reported: u64, now: OffsetDateTime, timeout: Duration) -> OffsetDateTime {
    let reported = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(reported);
    if reported > now { reported } else { now + timeout }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_deadline_is_used_unless_it_has_passed() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let minute = Duration::from_mins(1);
        let soon = 1_800_000_000_000 + 7_000;
        assert_eq!(deadline(soon, now, minute), now + Duration::from_secs(7));
        for passed in [0, 600_000, 1_800_000_000_000] {
            assert_eq!(deadline(passed, now, minute), now + minute);
        }
    }
}
