//! EventBridge.

use aws_sdk_eventbridge::{
    Client, error::SdkError, operation::describe_event_bus::DescribeEventBusError,
    primitives::DateTime, types::PutEventsRequestEntry,
};
use unavailable::Unavailable;

use crate::{
    bus::{Bus, Refused},
    event::Event,
};

/// The source of every event. Those of AWS begin with `aws.`.
pub const SOURCE: &str = "registrar";

/// An event bus. Needs `events:PutEvents` and `events:DescribeEventBus`.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: Client,
    name: String,
}

impl EventBridge {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.kind)
            .detail(&event.detail)
            .resources(&event.table_arn)
            .set_time(event.written_at.map(DateTime::from_secs_f64))
            .build()
    }
}

impl Bus for EventBridge {
    async fn exists(&self) -> Result<bool, Unavailable> {
        let found = self.client.describe_event_bus().name(&self.name).send().await;
        match found.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(DescribeEventBusError::ResourceNotFoundException(_)) => Ok(false),
            Err(error) => Err(Unavailable::new("looking for the event bus", error)),
        }
    }

    async fn put(&self, events: &[Event]) -> Result<Vec<Result<(), Refused>>, Unavailable> {
        const PUT: &str = "putting events on the bus";
        let entries = events.iter().map(|event| self.entry(event)).collect();
        let put = self.client.put_events().set_entries(Some(entries)).send().await;
        let put = put.map_err(|error| Unavailable::new(PUT, error))?;
        // "The response Entries array always includes the same number of entries as the request array" (EventBridge User
        // Guide, "Sending events with PutEvents"). Otherwise nobody knows which were accepted.
        let results = put.entries();
        if results.len() != events.len() {
            return Err(Unavailable::new(PUT, "the response has another number of entries"));
        }
        // A successful entry has an id, and another one has a code (the same page).
        let result =
            |entry: &aws_sdk_eventbridge::types::PutEventsResultEntry| match entry.event_id() {
                Some(_) if entry.error_code().is_none() => Ok(()),
                _ => Err(Refused { code: entry.error_code().unwrap_or("none").to_owned() }),
            };
        Ok(results.iter().map(result).collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::{
        operation::{
            describe_event_bus::DescribeEventBusOutput,
            put_events::{PutEventsError, PutEventsOutput},
        },
        types::{
            PutEventsResultEntry,
            error::{InternalException, ResourceNotFoundException},
        },
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;

    fn bus(rule: &Rule) -> EventBridge {
        EventBridge::new(mock_client!(aws_sdk_eventbridge, [rule]), "platform".to_owned())
    }

    fn event(id: &str) -> Event {
        Event {
            id: id.to_owned(),
            kind: "email.sent",
            subject: id.to_owned(),
            detail: format!(r#"{{"id":"{id}"}}"#),
            table_arn: "arn:aws:dynamodb:eu-west-1:123456789012:table/emails".to_owned(),
            written_at: Some(1_480_642_020.0),
            sequence_number: "1".to_owned(),
        }
    }

    fn accepted() -> PutEventsResultEntry {
        PutEventsResultEntry::builder().event_id("e-1").build()
    }

    fn refused(code: &str) -> PutEventsResultEntry {
        PutEventsResultEntry::builder().error_code(code).error_message("not now").build()
    }

    fn responds(entries: Vec<PutEventsResultEntry>) -> Rule {
        mock!(Client::put_events).then_output(move || {
            PutEventsOutput::builder().set_entries(Some(entries.clone())).build()
        })
    }

    #[tokio::test]
    async fn entry_has_the_source_the_kind_the_table_and_the_time_of_the_write() {
        let put = mock!(Client::put_events)
            .match_requests(|request| {
                let [entry] = request.entries() else { return false };
                entry.event_bus_name() == Some("platform")
                    && entry.source() == Some("registrar")
                    && entry.detail_type() == Some("email.sent")
                    && entry.detail() == Some(r#"{"id":"a"}"#)
                    && entry.resources() == [event("a").table_arn]
                    && entry.time().map(DateTime::secs) == Some(1_480_642_020)
            })
            .then_output(|| PutEventsOutput::builder().entries(accepted()).build());
        assert_eq!(bus(&put).put(&[event("a")]).await.unwrap(), [Ok(())]);
    }

    #[tokio::test]
    async fn each_entry_has_its_own_result() {
        let entries = vec![accepted(), refused("ThrottlingException"), accepted()];
        let result = bus(&responds(entries)).put(&["a", "b", "c"].map(event)).await.unwrap();
        let code = "ThrottlingException".to_owned();
        assert_eq!(result, [Ok(()), Err(Refused { code }), Ok(())]);
        let neither = vec![PutEventsResultEntry::builder().build()];
        let result = bus(&responds(neither)).put(&[event("a")]).await.unwrap();
        assert_eq!(result, [Err(Refused { code: "none".to_owned() })]);
    }

    #[tokio::test]
    async fn response_with_another_number_of_entries_is_an_error() {
        assert!(bus(&responds(vec![accepted()])).put(&["a", "b"].map(event)).await.is_err());
        let fails = mock!(Client::put_events)
            .then_error(|| PutEventsError::InternalException(InternalException::builder().build()));
        assert!(bus(&fails).put(&[event("a")]).await.is_err());
    }

    #[tokio::test]
    async fn bus_that_is_not_found_does_not_exist_and_another_error_says_nothing() {
        let found = mock!(Client::describe_event_bus)
            .match_requests(|request| request.name() == Some("platform"))
            .then_output(|| DescribeEventBusOutput::builder().build());
        assert!(bus(&found).exists().await.unwrap());
        let missing = mock!(Client::describe_event_bus).then_error(|| {
            DescribeEventBusError::ResourceNotFoundException(
                ResourceNotFoundException::builder().build(),
            )
        });
        assert!(!bus(&missing).exists().await.unwrap());
        let fails = mock!(Client::describe_event_bus).then_error(|| {
            DescribeEventBusError::InternalException(InternalException::builder().build())
        });
        assert!(bus(&fails).exists().await.is_err());
    }
}
