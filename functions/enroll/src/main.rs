//! Reads the configuration, builds the clients once, and runs.

use std::sync::Arc;

use enroll::{Config, deployed, handler, router};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    deployed::open_connections(&sdk, &config).await;
    let access = config.access_after_refund;
    let router = router(Arc::new(deployed::ports(&sdk, config)), access);
    lambda_runtime::run(service_fn(|event| handler::handle(&router, event))).await
}
