//! The event source mapping between the email queue and the worker, which a hold turns off.

use aws_sdk_lambda::{Client, types::EventSourceMappingConfiguration};
use email::hold::EventSource;
use unavailable::Unavailable;

/// The worker's event source. Needs `lambda:ListEventSourceMappings`, which names no resource, and
/// `lambda:UpdateEventSourceMapping` on the mapping.
///
/// It is found by the function's name: the function's configuration cannot contain the mapping's id,
/// because the mapping is deployed after the function.
#[derive(Debug, Clone)]
pub struct WorkerEventSource {
    client: Client,
    function: String,
}

impl WorkerEventSource {
    /// The only event source of the function with this name.
    pub fn new(client: Client, function: String) -> Self {
        Self { client, function }
    }

    async fn find(&self) -> Result<EventSourceMappingConfiguration, Unavailable> {
        const FIND: &str = "finding the worker's event source";
        let found = self
            .client
            .list_event_source_mappings()
            .function_name(&self.function)
            .send()
            .await
            .map_err(|error| Unavailable::new(FIND, error))?;
        found
            .event_source_mappings
            .unwrap_or_default()
            .into_iter()
            .next()
            .ok_or_else(|| Unavailable::new(FIND, "the function has none"))
    }
}

/// Whether it is on or being turned on: `Creating`, `Enabling`, `Enabled` and `Updating`, of
/// Lambda's states (`EventSourceMappingConfiguration`, `State`).
fn is_on(mapping: &EventSourceMappingConfiguration) -> bool {
    !matches!(mapping.state(), Some("Disabled" | "Disabling" | "Deleting"))
}

impl EventSource for WorkerEventSource {
    async fn is_on(&self) -> Result<bool, Unavailable> {
        self.find().await.map(|mapping| is_on(&mapping))
    }

    async fn turn(&self, on: bool) -> Result<(), Unavailable> {
        let mapping = self.find().await?;
        if is_on(&mapping) == on {
            return Ok(());
        }
        self.client
            .update_event_source_mapping()
            .set_uuid(mapping.uuid)
            .enabled(on)
            .send()
            .await
            .map_err(|error| Unavailable::new("turning the worker's event source", error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::{
        list_event_source_mappings::ListEventSourceMappingsOutput,
        update_event_source_mapping::UpdateEventSourceMappingOutput,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn listed(state: Option<&'static str>) -> Rule {
        mock!(Client::list_event_source_mappings)
            .match_requests(|request| request.function_name() == Some("worker"))
            .then_output(move || {
                let mapping = state.map(|state| {
                    EventSourceMappingConfiguration::builder().uuid("m-1").state(state).build()
                });
                ListEventSourceMappingsOutput::builder()
                    .set_event_source_mappings(Some(mapping.into_iter().collect()))
                    .build()
            })
    }

    #[tokio::test]
    async fn an_event_source_is_updated_only_if_its_state_differs() {
        for (state, turned, calls) in [
            ("Enabled", false, 1),
            ("Enabling", false, 1),
            ("Updating", false, 1),
            ("Disabled", false, 0),
            ("Disabling", false, 0),
            ("Disabled", true, 1),
            ("Enabled", true, 0),
        ] {
            let list = listed(Some(state));
            let update = mock!(Client::update_event_source_mapping)
                .match_requests(move |request| {
                    request.uuid() == Some("m-1") && request.enabled() == Some(turned)
                })
                .then_output(|| UpdateEventSourceMappingOutput::builder().build());
            let client = mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&list, &update]);
            let source = WorkerEventSource::new(client, "worker".to_owned());
            source.turn(turned).await.unwrap();
            assert_eq!(update.num_calls(), calls, "{state} to {turned}");
        }
    }

    #[tokio::test]
    async fn a_function_without_an_event_source_is_an_error() {
        let list = listed(None);
        let client = mock_client!(aws_sdk_lambda, [&list]);
        let source = WorkerEventSource::new(client, "worker".to_owned());
        let error = source.is_on().await.unwrap_err().to_string();
        assert!(error.contains(": the function has none (at "), "{error}");
    }
}
