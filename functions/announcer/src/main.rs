//! Reads the configuration, builds the clients once, and runs.

use announcer::{Config, deployed, handler};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let announcer = deployed::announcer(&adapters::clients::load_config().await, config);
    lambda_runtime::run(service_fn(|event| handler::handle(&announcer, event))).await
}
