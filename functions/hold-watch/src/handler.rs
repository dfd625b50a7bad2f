//! From the schedule's event to one run.

use email::hold::{EventSource, HoldRecord, Provider};
use lambda::clock;
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};

use crate::Watch;

/// Handles one event. Returns whether emails are held, or null if the run failed.
///
/// # Errors
///
/// Never: the next run, a minute later, repeats what failed.
pub async fn handle<R: HoldRecord, S: EventSource, P: Provider>(
    watch: &Watch<R, S, P>,
    _event: LambdaEvent<Value>,
) -> Result<Value, lambda_runtime::Error> {
    let held = watch.run(clock::now()).await;
    tracing::info!(held, "a run is over");
    Ok(json!({"emails_held": held}))
}

#[cfg(test)]
mod tests {
    use email::testing::{MemoryEventSource, MemoryHolds, MemoryProvider};
    use lambda_runtime::Context;

    use super::*;

    #[tokio::test]
    async fn sample_event_starts_a_run() {
        let payload = include_str!("../../../events/hold-watch.json");
        let payload = serde_json::from_str(payload).unwrap();
        let watch = Watch {
            record: MemoryHolds::default(),
            source: MemoryEventSource::default(),
            provider: MemoryProvider::default(),
        };
        let event = LambdaEvent { payload, context: Context::default() };
        assert_eq!(handle(&watch, event).await.unwrap(), json!({"emails_held": false}));
    }
}
