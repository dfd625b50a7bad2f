//! The clock: the only place that reads the system's time.

use time::OffsetDateTime;
use tokio::time::Instant;

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// For durations. Tests pause and advance it.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
