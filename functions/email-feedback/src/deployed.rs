//! The deployed function: every part is an AWS adapter.

use adapters::{
    clients,
    tables::{EmailsTable, SuppressionsTable},
};
use aws_config::SdkConfig;

use crate::{Config, Receiver};

/// All clients share one configuration, and so one HTTP client.
pub fn receiver(sdk: &SdkConfig, config: Config) -> Receiver<EmailsTable, SuppressionsTable> {
    let dynamodb = clients::dynamodb(sdk);
    Receiver {
        ledger: EmailsTable::new(dynamodb.clone(), config.emails_table),
        suppressions: SuppressionsTable::new(dynamodb, config.suppressions_table),
    }
}
