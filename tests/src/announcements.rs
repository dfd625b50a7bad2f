//! Another system that reads the events of the stack: a queue, and a rule on the event bus that fills it.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, resume_unwind},
};

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::{DeployedStack, eventually, unique_id};

/// The other system.
#[derive(Debug)]
pub struct Listener {
    queue_url: String,
    rule: String,
}

impl DeployedStack {
    /// The name of the event bus.
    pub fn event_bus(&self) -> &str {
        &self.description.function_environment["EVENT_BUS_NAME"]
    }

    /// Starts to collect the events of the stack.
    pub async fn listen(&self) -> Listener {
        let name = unique_id("listener");
        let queue = self.sqs.create_queue().queue_name(&name).send().await;
        let queue_url = queue.ok().and_then(|queue| queue.queue_url).expect("a queue");
        let attribute = QueueAttributeName::QueueArn;
        let request = self.sqs.get_queue_attributes().queue_url(&queue_url);
        let found = request.attribute_names(attribute.clone()).send().await;
        let attributes = found.ok().and_then(|found| found.attributes).expect("attributes");
        let queue_arn = &attributes[&attribute];

        // As docs/events.md shows it.
        let bus = self.event_bus();
        let pattern = json!({"source": ["registrar"]}).to_string();
        let rule = json!({"Name": name, "EventBusName": bus, "EventPattern": pattern});
        let created = self.call_eventbridge("PutRule", &rule).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue_arn, "Condition": {"ArnEquals": {"aws:SourceArn": created["RuleArn"]}},
        }]});
        let set = self.sqs.set_queue_attributes().queue_url(&queue_url);
        let set = set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
        set.expect("a queue can have a policy");
        let targets = json!({"Rule": name, "EventBusName": bus, "Targets": [{"Id": "queue", "Arn": queue_arn}]});
        self.call_eventbridge("PutTargets", &targets).await;
        Listener { queue_url, rule: name }
    }

    /// Removes the rule of a listener. Before that, the bus cannot be deleted.
    pub async fn stop_listening(&self, listener: Listener) {
        let bus = self.event_bus();
        let targets = json!({"Rule": listener.rule, "EventBusName": bus, "Ids": ["queue"]});
        self.call_eventbridge("RemoveTargets", &targets).await;
        let rule = json!({"Name": listener.rule, "EventBusName": bus});
        self.call_eventbridge("DeleteRule", &rule).await;
    }

    /// Runs `meanwhile` while there is no event bus. Needs an exclusive stack, because other journeys may wait for events.
    pub async fn without_event_bus<T>(&self, meanwhile: impl AsyncFnOnce() -> T) -> T {
        self.assert_exclusive();
        let bus = json!({"Name": self.event_bus()});
        self.call_eventbridge("DeleteEventBus", &bus).await;
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Even if it failed. Otherwise the journeys after it would fail for the same reason.
        self.call_eventbridge("CreateEventBus", &bus).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The events that have arrived and that mention this text, in the order of their arrival.
    pub async fn events_heard(&self, listener: &Listener, mention: &str) -> Vec<Value> {
        let messages = self.emulator.messages(&listener.queue_url, mention).await;
        let event = |text: &str| serde_json::from_str(text).expect("an event is JSON");
        messages.iter().map(|message| event(message.body())).collect()
    }

    /// Waits until events of these kinds about `mention`, and no others, have arrived in this order. An event that arrives
    /// again counts once. Returns the events.
    pub async fn hear(&self, listener: &Listener, mention: &str, kinds: &[&str]) -> Vec<Value> {
        let what = format!("the events {kinds:?}");
        let events = eventually(&what, async || {
            let events = once(self.events_heard(listener, mention).await);
            (events.len() >= kinds.len()).then_some(events)
        })
        .await;
        let heard: Vec<_> = events.iter().map(|event| &event["detail-type"]).collect();
        assert_eq!(heard, kinds, "{events:#?}");
        events
    }
}

/// Without the events that have arrived before, by their ids.
fn once(mut events: Vec<Value>) -> Vec<Value> {
    let mut ids = BTreeSet::new();
    events.retain(|event| ids.insert(event["detail"]["id"].to_string()));
    events
}
