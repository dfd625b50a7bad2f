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
        log(&holds, now);
        Some(holds.in_force())
    }
}

/// A metric is made of these lines, also of those without a hold. A run that does not know the holds logs none: it must
/// not end the alarm.
fn log(holds: &Holds, now: OffsetDateTime) {
    let cause = holds.machine.as_ref().map(|machine| machine.cause.name());
    // The operator's reason is not logged: it may contain anything.
    let by_operator = holds.operator.is_some();
    tracing::info!(
        event = log_events::HOLDS_CHECKED,
        held = u8::from(holds.in_force()),
        cause,
        by_operator,
        // 0 if there is none, or if it ends by itself.
        limit_lowered_seconds = holds.lowered_without_end(now).unwrap_or_default().as_secs(),
        template_held_seconds = holds.template_held_without_end(now).unwrap_or_default().as_secs(),
        "the holds were read"
    );
}
