//! Reads the configuration, builds the clients once, runs.

use email_worker::{Config, Worker, handler, handler::Pace, ses};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    let mail = ses::client(&sdk);
    let share = config.share(ses::account_rate(&mail.client).await)?;
    tracing::info!(
        limit = share.total(),
        window_seconds = share.window().get().as_secs_f64(),
        interval_ms = share.interval().as_secs_f64() * 1e3,
        "the effective limit, shared by all workers",
    );
    let pace = Pace { share, timeout: config.settings.timeout };
    let worker = Worker::new(&sdk, mail, config);
    lambda_runtime::run(service_fn(|event| handler::handle(&worker, pace, event))).await
}
