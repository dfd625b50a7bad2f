//! The deployed event source mappings of the same queues. While one is on, its function gets a share of the messages.

use std::time::Duration;

use aws_sdk_lambda::{Client, types::EventSourceMappingConfiguration};

use crate::{aws_call::CallFailed, clock};

/// Lambda takes up to a minute to turn a mapping off (Lambda API, `UpdateEventSourceMapping`).
const MAX_CHECKS: u32 = 90;
const BETWEEN_CHECKS: Duration = Duration::from_secs(1);

/// What is done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Policy {
    /// Do not start while one is on
    Refuse,
    /// Turn them off, and on again at the end
    Pause,
    /// Do not look for them; their functions get a share of the messages
    Ignore,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MappingError {
    #[error(
        "the deployed event source mapping {uuid} of {function} reads the queue too: with --mappings pause it \
         is off while the pump runs, with --mappings ignore it gets a share of the messages"
    )]
    On { uuid: String, function: String },
    #[error("the event source mapping {0} is not off after {seconds} s", seconds = MAX_CHECKS)]
    StaysOn(String),
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// A mapping that is off until [`Mappings::resume`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paused {
    pub(crate) uuid: String,
    pub(crate) function: String,
}

/// Needs `lambda:ListEventSourceMappings`, and to pause them `lambda:UpdateEventSourceMapping` and
/// `lambda:GetEventSourceMapping`.
#[derive(Debug)]
pub(crate) struct Mappings {
    client: Client,
}

impl Mappings {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The mappings of a queue that are on.
    pub(crate) async fn on(&self, queue_arn: &str) -> Result<Vec<Paused>, CallFailed> {
        let list = self.client.list_event_source_mappings().event_source_arn(queue_arn);
        let listed = list.send().await;
        let listed =
            listed.map_err(|error| CallFailed::new("finding the event source mappings", error))?;
        let mappings = listed.event_source_mappings.unwrap_or_default().into_iter();
        Ok(mappings.filter(is_on).filter_map(named).collect())
    }

    /// Returns once it is off.
    pub(crate) async fn pause(&self, mapping: &Paused) -> Result<(), MappingError> {
        self.turn(mapping, false).await?;
        for _ in 0..MAX_CHECKS {
            let found = self.client.get_event_source_mapping().uuid(&mapping.uuid).send().await;
            let found = found
                .map_err(|error| CallFailed::new("reading the event source mapping", error))?;
            if found.state() == Some("Disabled") {
                return Ok(());
            }
            clock::pause(BETWEEN_CHECKS).await;
        }
        Err(MappingError::StaysOn(mapping.uuid.clone()))
    }

    pub(crate) async fn resume(&self, mapping: &Paused) -> Result<(), CallFailed> {
        self.turn(mapping, true).await
    }

    async fn turn(&self, mapping: &Paused, on: bool) -> Result<(), CallFailed> {
        let update = self.client.update_event_source_mapping().uuid(&mapping.uuid).enabled(on);
        let updated = update.send().await;
        updated.map_err(|error| {
            CallFailed::new("turning the event source mapping off or on", error)
        })?;
        Ok(())
    }
}

/// Of Lambda's states, these are `Creating`, `Enabling`, `Enabled` and `Updating`.
fn is_on(mapping: &EventSourceMappingConfiguration) -> bool {
    !matches!(mapping.state(), Some("Disabled" | "Disabling" | "Deleting"))
}

fn named(mapping: EventSourceMappingConfiguration) -> Option<Paused> {
    let arn = mapping.function_arn.unwrap_or_default();
    let function = arn.split(':').nth(6).unwrap_or(&arn).to_owned();
    Some(Paused { uuid: mapping.uuid?, function })
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::{
        get_event_source_mapping::GetEventSourceMappingOutput,
        list_event_source_mappings::ListEventSourceMappingsOutput,
        update_event_source_mapping::UpdateEventSourceMappingOutput,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:jobs";

    fn mapping(uuid: &str, state: &str) -> EventSourceMappingConfiguration {
        EventSourceMappingConfiguration::builder()
            .uuid(uuid)
            .state(state)
            .function_arn("arn:aws:lambda:eu-west-1:123456789012:function:worker:live")
            .build()
    }

    #[tokio::test]
    async fn only_mappings_that_are_on_compete() {
        let list = mock!(Client::list_event_source_mappings)
            .match_requests(|request| request.event_source_arn() == Some(QUEUE))
            .then_output(|| {
                let states =
                    ["Enabled", "Disabled", "Enabling", "Disabling", "Deleting", "Updating"];
                let all = states.map(|state| mapping(state, state)).to_vec();
                ListEventSourceMappingsOutput::builder()
                    .set_event_source_mappings(Some(all))
                    .build()
            });
        let on = Mappings::new(mock_client!(aws_sdk_lambda, [&list])).on(QUEUE).await.unwrap();
        let on: Vec<_> =
            on.iter().map(|mapping| (mapping.uuid.as_str(), mapping.function.as_str())).collect();
        assert_eq!(on, [("Enabled", "worker"), ("Enabling", "worker"), ("Updating", "worker")]);
    }

    #[tokio::test(start_paused = true)]
    async fn pausing_waits_until_the_mapping_is_off() {
        let update = mock!(Client::update_event_source_mapping)
            .match_requests(|request| {
                request.uuid() == Some("m-1") && request.enabled() == Some(false)
            })
            .then_output(|| UpdateEventSourceMappingOutput::builder().build());
        let with = |state: &str| {
            let output = GetEventSourceMappingOutput::builder().state(state).build();
            move || output.clone()
        };
        let get = mock!(Client::get_event_source_mapping)
            .sequence()
            .output(with("Disabling"))
            .times(2)
            .output(with("Disabled"))
            .build();
        let client = mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&update, &get]);
        let paused = Paused { uuid: "m-1".to_owned(), function: "worker".to_owned() };
        Mappings::new(client).pause(&paused).await.unwrap();
        assert_eq!(get.num_calls(), 3);

        let get = mock!(Client::get_event_source_mapping).then_output(with("Disabling"));
        let client = mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&update, &get]);
        let error = Mappings::new(client).pause(&paused).await.unwrap_err().to_string();
        assert_eq!(error, "the event source mapping m-1 is not off after 90 s");
    }
}
