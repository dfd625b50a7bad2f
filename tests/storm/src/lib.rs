//! The email worker, as it is deployed, against stand-ins of what it talks to.
//!
//! [`Fleet`] runs real worker processes, one for each slot; [`World`] is everything they can reach:
//! Lambda's runtime API, SQS, DynamoDB and SES, in memory and on loopback. `tests/storm.rs` kills
//! workers and checks what reached the provider; `benches/use_of_limit.rs` counts how fast it did.

pub mod fleet;
pub mod http;
pub mod oracle;
pub mod stand_in;
pub mod weather;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use fleet::{Fleet, Program};
pub use stand_in::World;

/// One monotonic clock for everything that is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that stands at zero now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since its start.
    pub fn now(self) -> Duration {
        self.origin.elapsed()
    }

    /// Waits until it stands there; not at all, if it does.
    pub async fn wait_until(self, then: Duration) {
        if self.now() < then {
            tokio::time::sleep_until((self.origin + then).into()).await;
        }
    }
}

/// No stand-in panics halfway through a change, so a panic elsewhere leaves what it guards whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
