//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The time after which [`eventually`] fails. The slowest step of a healthy stack is the end of a worker's claim: a
/// second worker that receives a claimed job gives it back until then.
const MAX_WAIT: Duration = Duration::from_mins(3);

/// Polls until there is a value, and returns it. Fails after three minutes.
pub async fn eventually<T>(what: &str, poll: impl AsyncFnMut() -> Option<T>) -> T {
    within(MAX_WAIT, what, poll).await
}

/// Polls until there is a value, and returns it. Fails after `max_wait`.
pub async fn within<T>(
    max_wait: Duration,
    what: &str,
    mut poll: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + max_wait;
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out after {max_wait:?} waiting for {what}");
        sleep(Duration::from_millis(100)).await;
    }
}
