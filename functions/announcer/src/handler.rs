//! From an event to a partial batch response.

use std::time::Duration;

use lambda::{clock, log_events};
use lambda_runtime::LambdaEvent;

use crate::{
    announcer::{Announcer, until},
    bus::Bus,
    record::{Batch, Response},
};

/// The function's timeout (template.yaml).
const TIMEOUT: Duration = Duration::from_mins(1);

/// Handles one batch of one shard.
///
/// # Errors
///
/// `Err` repeats the whole batch, and nothing of it was announced.
pub async fn handle<B: Bus>(
    announcer: &Announcer<B>,
    event: LambdaEvent<Batch>,
) -> Result<Response, lambda_runtime::Error> {
    let (now, started_at) = (clock::now(), clock::instant());
    let deadline = lambda::deadline(event.context.deadline, now, TIMEOUT);
    let until = until(now, deadline, started_at);
    let records = event.payload.records;
    let outcome = announcer.announce(&records, until, clock::instant).await?;
    tracing::info!(
        event = log_events::ANNOUNCED,
        received = records.len(),
        announced = outcome.announced,
        unreadable = outcome.unreadable,
        // A metric filter can publish a number, and not a truth value.
        left = u8::from(outcome.first_left.is_some()),
        "a batch is over",
    );
    Ok(Response::until(outcome.first_left))
}
