//! Reads the configuration, builds the clients once, and runs.

use std::sync::Arc;

use enroll::{Config, deployed, router};
use lambda::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    lambda_http::run(router(Arc::new(deployed::ports(&sdk, config)))).await
}
