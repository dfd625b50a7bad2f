//! From the schedule's event to one run.

use std::time::Duration;

use enrollment::{
    Adapters, Ports,
    unfinished::{FindOverdue, PutOff, ReadOverdue},
};
use lambda::{clock, log_events};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};

use crate::{
    report::Report,
    sweep::{LAST_PART, TIMEOUT, sweep},
};

/// Handles one event. Returns the run's report.
///
/// # Errors
///
/// Never: the next run takes up what this one could not finish.
pub async fn handle<A>(
    ports: &Ports<A>,
    event: LambdaEvent<Value>,
) -> Result<Value, lambda_runtime::Error>
where
    A: Adapters<Enrollments: FindOverdue + ReadOverdue + PutOff>,
{
    let (now, started_at) = (clock::now(), clock::instant());
    let deadline = lambda::deadline(event.context.deadline, now, TIMEOUT);
    let left = Duration::try_from(deadline - now).unwrap_or_default();
    let report = sweep(ports, now, started_at + left.saturating_sub(LAST_PART)).await;
    let Report { finished, later, refused, stuck, unreadable, failed, left } = report;
    tracing::info!(
        event = log_events::RESUMER_RUN,
        finished,
        later,
        refused,
        stuck,
        unreadable,
        failed,
        // A metric filter can publish a number, and not a truth value.
        left = u8::from(left),
        "a run is over",
    );
    Ok(json!({"enrollments": report}))
}

#[cfg(test)]
mod tests {
    use enrollment::testing::{Bank, World};
    use lambda_runtime::Context;

    use super::*;

    #[tokio::test]
    async fn sample_event_starts_a_run() {
        let payload = include_str!("../../../events/resume.json");
        let payload = serde_json::from_str(payload).unwrap();
        let event = LambdaEvent { payload, context: Context::default() };
        let response = handle(&World::new([], Bank::Accepts).ports(), event).await.unwrap();
        assert_eq!(response["enrollments"]["finished"], 0);
    }
}
