//! Reads the configuration, builds the clients once, runs.

use adapters::tables::{EmailsTable, SuppressionsTable};
use email_feedback::{Config, Receiver, handler};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let dynamodb = adapters::clients::dynamodb(&adapters::clients::load_config().await);
    let receiver = Receiver {
        ledger: EmailsTable::new(dynamodb.clone(), config.emails_table),
        suppressions: SuppressionsTable::new(dynamodb, config.suppressions_table),
    };
    lambda_runtime::run(service_fn(|event| handler::handle(&receiver, event))).await
}
