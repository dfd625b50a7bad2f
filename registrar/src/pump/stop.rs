//! The end of the pump: polling stops, and the invocations in progress have a grace period.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock;

/// Invocations that take longer are abandoned. `docker stop` and most supervisors kill a process after ten seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once polling is to stop.
    pub(crate) async fn requested(&self) {
        // There is a sender as long as there is a `self`.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }

    /// Returns once invocations are to be abandoned.
    pub(crate) async fn expired(&self) {
        self.requested().await;
        clock::pause(GRACE).await;
    }
}
