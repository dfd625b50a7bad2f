//! Looking after the holds, once a run: see [`email::hold::watch`].

use adapters::{clients, event_source::WorkerEventSource, tables::HoldsTable};
use aws_config::SdkConfig;
use email::hold::{self, EventSource, HoldRecord, Holds, Provider};
use lambda::{Environment, env::InvalidVariable};
use time::OffsetDateTime;

use crate::provider::{SenderConfig, SendingAccount};

/// What the hold of emails is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldsConfig {
    /// `HOLDS_TABLE`: the record.
    pub table: String,
    /// `EMAIL_WORKER_FUNCTION`: whose event source is turned off and on.
    pub worker: String,
    /// Whom to ask.
    pub sender: SenderConfig,
}

impl HoldsConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            table: environment.required("HOLDS_TABLE")?,
            worker: environment.required("EMAIL_WORKER_FUNCTION")?,
            sender: SenderConfig::read(environment)?,
        })
    }
}

/// The record, the event source, and whom to ask.
#[derive(Debug)]
pub struct Watch<R, S, P> {
    record: R,
    source: S,
    provider: P,
}

impl Watch<HoldsTable, WorkerEventSource, SendingAccount> {
    /// Clients over one configuration, and so over one HTTP client.
    pub fn deployed(sdk: &SdkConfig, config: HoldsConfig) -> Self {
        Self {
            record: HoldsTable::new(clients::dynamodb(sdk), config.table),
            source: WorkerEventSource::new(clients::lambda(sdk), config.worker),
            provider: SendingAccount::new(sdk, config.sender),
        }
    }
}

impl<R: HoldRecord, S: EventSource, P: Provider> Watch<R, S, P> {
    /// Looks after the holds, and says in the log what is in force: an alarm counts these lines.
    /// Answers whether emails are held; `None` where that could not be told or seen to, and the next
    /// run tries again.
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
