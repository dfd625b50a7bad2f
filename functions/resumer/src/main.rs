//! Reads the configuration, builds the clients once, and runs.

use std::time::Duration;

use adapters::{World, WorldConfig};
use lambda::Environment;
use lambda_runtime::{LambdaEvent, service_fn};
use resumer::sweep::{LONGEST_STEP, TIMEOUT, sweep};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = WorldConfig::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    let world = World::new(&sdk, config, |courses| courses);
    let handle = async |event: LambdaEvent<Value>| {
        let now = OffsetDateTime::now_utc();
        let deadline = lambda::deadline(event.context.deadline, now, TIMEOUT);
        let left = Duration::try_from(deadline - now).unwrap_or_default();
        let until = Instant::now() + left.saturating_sub(LONGEST_STEP);
        let report = sweep(&world, now, until).await;
        tracing::info!(?report, "a run is over");
        Ok::<_, lambda_runtime::Error>(json!({"enrollments": report}))
    };
    lambda_runtime::run(service_fn(handle)).await
}
