//! The deployed function: every part is an AWS adapter.

use adapters::{clients, event_source::WorkerEventSource, tables::HoldsTable};
use aws_config::SdkConfig;

use crate::{Config, Watch, provider::SendingAccount};

/// All clients share one configuration, and so one HTTP client.
pub fn watch(
    sdk: &SdkConfig,
    config: Config,
) -> Watch<HoldsTable, WorkerEventSource, SendingAccount> {
    Watch {
        record: HoldsTable::new(clients::dynamodb(sdk), config.holds_table),
        source: WorkerEventSource::new(clients::lambda(sdk), config.email_worker),
        provider: SendingAccount::new(sdk, config.sender),
    }
}
