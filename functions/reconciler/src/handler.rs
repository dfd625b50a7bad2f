//! From an event to one run.

use std::time::Duration;

use enrollment::{ports::FindEnrollment, reconcile::ListPayments};
use lambda::{clock, log_events::RECONCILIATION_RUN};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};

use crate::{
    request::{Days, Request},
    run::Books,
};

/// The function's timeout (template.yaml).
const TIMEOUT: Duration = Duration::from_mins(15);

/// A run begins no page in its last part: a page may take 10 s for Stripe's response, be requested three times, and then
/// be compared.
pub const LAST_PART: Duration = Duration::from_mins(1);

/// Handles one event. Returns the run's report; `{"payments":"not configured"}` if there is nothing to compare.
///
/// # Errors
///
/// The event asks for something that does not exist. A run that could not finish is a report and not an error, so that
/// Lambda does not repeat what was done.
pub async fn handle<P, E>(
    books: Option<&Books<P, E>>,
    configured: Days,
    event: LambdaEvent<Value>,
) -> Result<Value, lambda_runtime::Error>
where
    P: ListPayments + Sync,
    E: FindEnrollment + Sync,
{
    let request = Request::read(&event.payload, configured)?;
    let Some(books) = books else { return Ok(json!({"payments": "not configured"})) };
    let (now, started_at) = (clock::now(), clock::instant());
    let deadline = lambda::deadline(event.context.deadline, now, TIMEOUT);
    let left = Duration::try_from(deadline - now).unwrap_or_default();
    let until = started_at + left.saturating_sub(LAST_PART);
    // On the heap: otherwise the futures of `main` are nested too deeply for the compiler.
    let report = Box::pin(books.compare(&request, now, until)).await;
    tracing::info!(
        event = RECONCILIATION_RUN,
        payments = report.payments,
        foreign = report.foreign,
        in_progress = report.in_progress,
        differences = report.differences,
        // A metric filter can publish a number, and not a truth value.
        unfinished = u8::from(!report.finished),
        continue_after = report.continue_after,
        "a run is over",
    );
    Ok(json!(report))
}
