//! Reads the configuration, builds the clients once, and runs.

use hold_watch::{Config, Watch};
use lambda::Environment;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use time::OffsetDateTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let watch = Watch::deployed(&adapters::clients::load_config().await, config);
    let handle = async |_: LambdaEvent<Value>| {
        let held = watch.run(OffsetDateTime::now_utc()).await;
        tracing::info!(held, "a run is over");
        Ok::<_, lambda_runtime::Error>(json!({"emails_held": held}))
    };
    lambda_runtime::run(service_fn(handle)).await
}
