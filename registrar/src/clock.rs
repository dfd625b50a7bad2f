//! The clock: the only place that reads the system's time, and that waits.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// For durations. Tests pause and advance it.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Waits. No command that uses it sends emails: only the pacer waits between those.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
