//! Reads the configuration, builds the clients once, and runs.

use lambda::Environment;
use lambda_runtime::{LambdaEvent, service_fn};
use resumer::{
    Config, deployed, handler,
    holds::{HoldsConfig, Watch},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let environment = Environment::process();
    let config = Config::read(&environment)?;
    let holds = HoldsConfig::read(&environment)?;
    let sdk = adapters::clients::load_config().await;
    let ports = deployed::ports(&sdk, config);
    let watch = Watch::deployed(&sdk, holds);
    let handle = async |event: LambdaEvent<Value>| {
        // Concurrently: an outage of SES must not delay enrollments.
        let run = handler::handle(&ports, event);
        let (response, held) = tokio::join!(run, watch.run(OffsetDateTime::now_utc()));
        let mut response = response?;
        response["emails_held"] = json!(held);
        Ok::<_, lambda_runtime::Error>(response)
    };
    lambda_runtime::run(service_fn(handle)).await
}
