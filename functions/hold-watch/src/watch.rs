//! One run: see [`email::hold::watch`].

use adapters::{clients, event_source::WorkerEventSource, tables::HoldsTable};
use aws_config::SdkConfig;
use email::hold::{self, EventSource, HoldRecord, Holds, Provider};
use time::OffsetDateTime;

use crate::{config::Config, provider::SendingAccount};

/// The record of the holds, the worker's event source, and the sending account.
#[derive(Debug)]
pub struct Watch<R, S, P> {
    record: R,
    source: S,
    provider: P,
}

impl Watch<HoldsTable, WorkerEventSource, SendingAccount> {
    /// Clients over one configuration, and so over one HTTP client.
    pub fn deployed(sdk: &SdkConfig, config: Config) -> Self {
        Self {
            record: HoldsTable::new(clients::dynamodb(sdk), config.holds_table),
            source: WorkerEventSource::new(clients::lambda(sdk), config.email_worker),
            provider: SendingAccount::new(sdk, config.sender),
        }
    }
}

impl<R: HoldRecord, S: EventSource, P: Provider> Watch<R, S, P> {
    /// Looks after the holds, and logs the holds in force: an alarm counts these lines. Returns
    /// whether emails are held, or `None` if the run failed; the next run repeats it.
    pub async fn run(&self, now: OffsetDateTime) -> Option<bool> {
        match hold::watch(&self.record, &self.source, &self.provider, now).await {
            Ok(holds) => {
                log(&holds);
                Some(holds.in_force())
            }
            Err(error) => {
                tracing::error!(event = "holds_unattended", %error, "the holds could not be looked after");
                None
            }
        }
    }
}

fn log(holds: &Holds) {
    if holds.in_force() {
        let machine = holds.machine.as_ref().map(|machine| machine.cause.name());
        // Not the operator's words: nobody knows what is in them.
        let by_hand = holds.operator.is_some();
        tracing::warn!(event = "email_held", cause = machine, by_hand, "emails are held");
    }
}
