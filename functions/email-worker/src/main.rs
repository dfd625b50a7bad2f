//! Reads configuration, builds clients once, runs.

use aws::{Environment, tables::EmailsTable};
use email_worker::{
    Config, Worker, dead_letter_queue::DeadLetterQueue, handler, ses, visibility::Visibility,
};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::telemetry::start();
    let config = Config::read(&Environment::process())?;
    let sdk = aws::clients::load_config().await;
    let (mail, sqs) = (ses::client(&sdk), aws::clients::sqs(&sdk));
    let share = config.share(ses::account_rate(&mail).await)?;
    tracing::info!(
        limit = share.total(),
        window_seconds = share.window().get().as_secs_f64(),
        interval_ms = share.interval().as_secs_f64() * 1e3,
        "the effective limit, of all workers together",
    );
    let worker = Worker {
        ledger: EmailsTable::new(aws::clients::dynamodb(&sdk), config.emails_table),
        mailer: ses::Ses::new(mail, config.sender, config.configuration_set),
        dead_letters: DeadLetterQueue::new(sqs.clone(), config.dead_letter_queue_url),
        queue: Visibility::new(sqs, config.email_queue_url),
    };
    lambda_runtime::run(service_fn(|event| handler::handle(&worker, share, event))).await
}
