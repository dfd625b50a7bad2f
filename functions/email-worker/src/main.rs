//! Reads the configuration, builds the clients once, runs.

use email_worker::{Config, Worker, handler, pace::Pace, ses};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    let mail = ses::client(&sdk);
    let pace = Pace::new(config.settings.clone(), ses::account_rate(&mail).await);
    match pace.share() {
        Ok(share) => tracing::info!(
            limit = share.total(),
            window_seconds = share.window().get().as_secs_f64(),
            interval_ms = share.interval().as_secs_f64() * 1e3,
            "the effective limit, shared by all workers",
        ),
        Err(why) => tracing::error!(%why, "no email can be sent"),
    }
    let worker = Worker::new(&sdk, mail, config);
    lambda_runtime::run(service_fn(|event| handler::handle(&worker, &pace, event))).await
}
