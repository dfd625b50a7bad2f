//! The deployed worker: every part is an AWS adapter.

use std::cell::RefCell;

use adapters::{
    clients,
    event_source::WorkerEventSource,
    opening,
    tables::{EmailsTable, HoldsTable, SuppressionsTable},
};
use aws_config::SdkConfig;

use crate::{
    config::Config,
    dead_letter_queue::DeadLetterQueue,
    ses::{Envelope, Mail, Ses},
    suppression::KnownSuppressions,
    visibility::Visibility,
    worker::{Parts, Worker},
};

/// Opens the connection to DynamoDB. Those to SES are opened by each invocation, and SQS is called only if a message is
/// returned.
pub async fn open_connections(sdk: &SdkConfig, config: &Config) {
    let dynamodb = clients::dynamodb(sdk);
    let call = opening::dynamodb(&dynamodb, &config.suppressions_table, "recipient");
    opening::while_initialising(call).await;
}

/// The parts on AWS.
#[derive(Debug)]
pub struct Deployed;

impl Parts for Deployed {
    type Ledger = EmailsTable;
    type Suppressions = KnownSuppressions;
    type Mailer = Ses;
    type DeadLetters = DeadLetterQueue;
    type Queue = Visibility;
    type Holds = HoldsTable;
    type EventSource = WorkerEventSource;
}

impl Worker<Deployed> {
    /// All clients share one configuration, and so one HTTP client, except `mail`, which is
    /// [`ses::client`](crate::ses::client).
    pub fn new(sdk: &SdkConfig, mail: Mail, config: Config) -> Self {
        let (dynamodb, sqs) = (clients::dynamodb(sdk), clients::sqs(sdk));
        let envelope = Envelope {
            sender: config.sender,
            reply_to: config.reply_to,
            configuration_set: config.configuration_set,
            tenant: config.tenant,
        };
        let copy = SuppressionsTable::new(dynamodb.clone(), config.suppressions_table);
        Self {
            ledger: EmailsTable::new(dynamodb.clone(), config.emails_table),
            suppressions: KnownSuppressions::new(copy, aws_sdk_sesv2::Client::new(sdk)),
            mailer: Ses::new(mail, envelope),
            dead_letters: DeadLetterQueue::new(sqs.clone(), config.dead_letter_queue_url),
            queue: Visibility::new(sqs, config.email_queue_url),
            holds: HoldsTable::new(dynamodb, config.holds_table),
            event_source: WorkerEventSource::new(clients::lambda(sdk), config.function),
            guarantees: config.guarantees,
            default_language: config.default_language,
            breaker: RefCell::default(),
            last_holds: RefCell::default(),
        }
    }
}
