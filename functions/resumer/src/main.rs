//! Reads configuration, builds clients once, runs.

use std::time::Duration;

use adapters::{World, WorldConfig};
use lambda::Environment;
use lambda_runtime::{LambdaEvent, service_fn};
use resumer::{
    holds::{HoldsConfig, Watch},
    sweep::{LONGEST_STEP, TIMEOUT, sweep},
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let environment = Environment::process();
    let config = WorldConfig::read(&environment)?;
    let holds = HoldsConfig::read(&environment)?;
    let sdk = adapters::clients::load_config().await;
    let world = World::new(&sdk, config, |courses| courses);
    let watch = Watch::deployed(&sdk, holds);
    let handle = async |event: LambdaEvent<Value>| {
        let now = OffsetDateTime::now_utc();
        let deadline = lambda::deadline(event.context.deadline, now, TIMEOUT);
        let left = Duration::try_from(deadline - now).unwrap_or_default();
        let until = Instant::now() + left.saturating_sub(LONGEST_STEP);
        // Neither waits for the other: an outage of SES is none of the enrollments'.
        let (report, held) = tokio::join!(sweep(&world, now, until), watch.run(now));
        tracing::info!(?report, held, "a run is over");
        Ok::<_, lambda_runtime::Error>(json!({"enrollments": report, "emails_held": held}))
    };
    lambda_runtime::run(service_fn(handle)).await
}
