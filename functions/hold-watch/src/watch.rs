//! One run: see [`email::hold::watch`].

use email::hold::{self, EventSource, HoldRecord, Holds, Provider, Watched};
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
    /// Looks after the holds, and logs what failed. Returns whether emails are held, or `None` if that is not known.
    pub async fn run(&self, now: OffsetDateTime) -> Option<bool> {
        let Watched { holds, problems } =
            hold::watch(&self.record, &self.source, &self.provider, now).await;
        for error in problems {
            tracing::error!(event = log_events::HOLDS_UNATTENDED, %error, "the holds could not be checked or enforced");
        }
        let holds = holds?;
        log(&holds);
        Some(holds.in_force())
    }
}

/// A metric is made of these lines, also of those without a hold. A run that does not know the holds logs none: it must
/// not end the alarm.
fn log(holds: &Holds) {
    let cause = holds.machine.as_ref().map(|machine| machine.cause.name());
    // The operator's reason is not logged: it may contain anything.
    let by_operator = holds.operator.is_some();
    tracing::info!(
        event = log_events::HOLDS_CHECKED,
        held = u8::from(holds.in_force()),
        cause,
        by_operator,
        "the holds were read"
    );
}
