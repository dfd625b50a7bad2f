//! Times of a delivery.

use std::time::Duration;

use time::OffsetDateTime;

use crate::in_progress::Verdict;

/// The verdict, with a delay that ends at the deadline at the latest.
pub(super) fn until(deadline: OffsetDateTime, now: OffsetDateTime, verdict: Verdict) -> Verdict {
    let left = time_to(deadline, now);
    match verdict {
        Verdict::Acknowledge => Verdict::Acknowledge,
        Verdict::GiveBack(after) => Verdict::GiveBack(after.min(left)),
        Verdict::LeftOver(after) => Verdict::LeftOver(after.min(left)),
    }
}

pub(super) fn time_to(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default()
}

pub(super) fn in_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}
