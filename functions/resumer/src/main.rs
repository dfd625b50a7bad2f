//! Reads configuration, builds clients once, runs.

use std::time::Duration;

use aws::{Environment, World, WorldConfig};
use lambda_runtime::{LambdaEvent, service_fn};
use resumer::sweep::{LONGEST_STEP, sweep};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::telemetry::start();
    let config = WorldConfig::read(&Environment::process())?;
    let sdk = aws::clients::load_config().await;
    let world = World::new(&sdk, config, |courses| courses);
    let handle = async |event: LambdaEvent<Value>| {
        let deadline = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline);
        let now = OffsetDateTime::now_utc();
        let left = Duration::try_from(deadline - now).unwrap_or_default();
        let report = sweep(&world, now, Instant::now() + left.saturating_sub(LONGEST_STEP)).await;
        tracing::info!(?report, "a run is over");
        Ok::<_, lambda_runtime::Error>(report)
    };
    lambda_runtime::run(service_fn(handle)).await
}
