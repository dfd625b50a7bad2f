//! Reads the configuration, builds the clients once, and runs.

use lambda::Environment;
use lambda_runtime::service_fn;
use reconciler::{Config, deployed, handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let days = config.days;
    let books = deployed::books(&adapters::clients::load_config().await, config);
    lambda_runtime::run(service_fn(|event| handler::handle(books.as_ref(), days, event))).await
}
