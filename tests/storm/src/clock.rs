//! The clock of a run.

use std::time::{Duration, Instant};

/// One monotonic clock for all times that are recorded.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that is at zero now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since the start.
    pub fn now(self) -> Duration {
        self.origin.elapsed()
    }

    /// Waits until the clock reaches `then`. If it already has, this returns at once.
    pub async fn wait_until(self, then: Duration) {
        if self.now() < then {
            tokio::time::sleep_until((self.origin + then).into()).await;
        }
    }
}
