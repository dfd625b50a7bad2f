//! The clock of the functions: the one place that asks for the time. Everything else is given it.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use time::OffsetDateTime;
use tokio::time::Instant;

/// The wall clock.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The monotonic clock. In tests with paused time, tokio's.
pub fn instant() -> Instant {
    Instant::now()
}
