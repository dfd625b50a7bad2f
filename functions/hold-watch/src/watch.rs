//! One run: see [`email::hold::watch`].

use email::hold::{self, EventSource, HoldRecord, Holds, Provider};
use lambda::log_events;
use time::OffsetDateTime;

/// The record of the holds, the worker's event source, and the sending account.
#[derive(Debug)]
pub struct Watch<R, S, P> {
    pub record: R,
    pub source: S,
    pub provider: P,
}

impl<R: HoldRecord, S: EventSource, P: Provider> Watch<R, S, P> {
    /// Looks after the holds, and logs the holds in force: an alarm counts these lines. Returns whether
    /// emails are held, or `None` if the run failed. The next run repeats what failed.
    pub async fn run(&self, now: OffsetDateTime) -> Option<bool> {
        match hold::watch(&self.record, &self.source, &self.provider, now).await {
            Ok(holds) => {
                log(&holds);
                Some(holds.in_force())
            }
            Err(error) => {
                tracing::error!(event = log_events::HOLDS_UNATTENDED, %error, "the holds could not be checked or enforced");
                None
            }
        }
    }
}

fn log(holds: &Holds) {
    if holds.in_force() {
        let machine = holds.machine.as_ref().map(|machine| machine.cause.name());
        // The operator's reason is not logged: it may contain anything.
        let by_operator = holds.operator.is_some();
        tracing::warn!(
            event = log_events::EMAIL_HELD,
            cause = machine,
            by_operator,
            "emails are held"
        );
    }
}
