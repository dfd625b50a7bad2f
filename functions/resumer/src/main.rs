//! Reads the configuration, builds the clients once, and runs.

use lambda::Environment;
use lambda_runtime::service_fn;
use resumer::{Config, deployed, handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let ports = deployed::ports(&adapters::clients::load_config().await, config);
    lambda_runtime::run(service_fn(|event| handler::handle(&ports, event))).await
}
