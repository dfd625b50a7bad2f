//! The clock of the functions. Only this module reads the time; everywhere else it is an argument.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use time::OffsetDateTime;
use tokio::time::Instant;

/// The wall clock.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The monotonic clock. In tests with paused time, it is tokio's paused clock.
pub fn instant() -> Instant {
    Instant::now()
}
