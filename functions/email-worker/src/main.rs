//! Reads the configuration, builds the clients once, runs.

use email_worker::{Config, Worker, deployed, handler, pace::Pace, ses};
use lambda::Environment;
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    let mail = ses::client(&sdk);
    let (pace, ()) = tokio::join!(
        Pace::start(config.settings.clone(), ses::Account::new(&sdk)),
        deployed::open_connections(&sdk, &config),
    );
    let worker = Worker::new(&sdk, mail, config);
    lambda_runtime::run(service_fn(|event| handler::handle(&worker, &pace, event))).await
}
