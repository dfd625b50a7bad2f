//! The clock: the only place that reads the system's time.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use time::OffsetDateTime;
use tokio::time::Instant;

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// For durations. Tests pause and advance it.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
