//! SES's events about emails. The local AWS has no such events, so a journey puts them on the feedback queue itself,
//! in place of EventBridge.

use std::{collections::HashMap, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{DeployedStack, Student, eventually};

/// The event in the sample of this kind in events/: `delivered`, `bounced`, `complained`, `rejected` or `sent`.
pub fn sample_event(kind: &str) -> Value {
    let path = format!("{}/../events/feedback-{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let batch: Value = serde_json::from_str(&text).expect("a sample is JSON");
    let body = batch["Records"][0]["body"].as_str().expect("a sample has a message");
    serde_json::from_str(body).expect("the message is an event")
}

/// The event of this kind for the email of a job to a student.
pub fn feedback_event(kind: &str, job_id: &str, student: &Student) -> String {
    let mut event = sample_event(kind);
    let detail = &mut event["detail"];
    detail["mail"]["tags"]["job_id"] = json!([job_id]);
    detail["mail"]["destination"] = json!([student.email]);
    match kind {
        "delivered" => detail["delivery"]["recipients"] = json!([student.email]),
        "bounced" => {
            detail["bounce"]["bouncedRecipients"][0]["emailAddress"] = json!(student.email);
        }
        "complained" => {
            detail["complaint"]["complainedRecipients"][0]["emailAddress"] = json!(student.email);
        }
        _ => {}
    }
    event.to_string()
}

impl DeployedStack {
    /// Puts events on the feedback queue in one request.
    pub async fn put_feedback(&self, events: &[String]) {
        self.put_messages(self.output("EmailFeedbackQueueUrl"), events).await;
    }

    /// Waits until no message of the feedback queue contains this text.
    pub async fn wait_until_feedback_is_handled(&self, mention: &str) {
        let queue = self.output("EmailFeedbackQueueUrl");
        eventually(&format!("a feedback queue without {mention}"), async || {
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until the function has received the message with this text. Fails unless the message is still on the
    /// feedback queue.
    pub async fn wait_until_feedback_is_returned(&self, mention: &str) {
        let queue = self.output("EmailFeedbackQueueUrl");
        eventually(&format!("a receive of the message with {mention}"), async || {
            let messages = self.emulator.messages(queue, mention).await;
            assert_eq!(messages.len(), 1, "{messages:?}");
            messages[0].was_received().then_some(())
        })
        .await;
    }

    /// Waits until a message of the feedback dead-letter queue contains this text.
    pub async fn wait_for_feedback_dead_letter(&self, mention: &str) {
        let queue = self.output("EmailFeedbackDeadLetterQueueUrl");
        eventually(&format!("a dead letter with {mention}"), async || {
            (!self.emulator.messages(queue, mention).await.is_empty()).then_some(())
        })
        .await;
    }

    /// The item of a suppressed recipient. `None` if the address is not suppressed.
    pub async fn suppression(&self, address: &str) -> Option<HashMap<String, AttributeValue>> {
        let digest = hex::encode(Sha256::digest(address.to_lowercase()));
        let found = self
            .dynamodb
            .get_item()
            .table_name(self.output("SuppressionsTableName"))
            .key("recipient", AttributeValue::S(digest))
            .consistent_read(true)
            .send()
            .await
            .expect("the table can be read");
        found.item
    }

    /// The pattern of the EventBridge rule whose target is the feedback queue.
    pub async fn feedback_pattern(&self) -> String {
        let name = json!({"Name": self.output("EmailFeedbackRuleName")});
        let rule = self.call_eventbridge("DescribeRule", &name).await;
        rule["EventPattern"].as_str().expect("the rule has a pattern").to_owned()
    }

    /// Whether the event matches the pattern, as EventBridge decides.
    pub async fn pattern_matches(&self, pattern: &str, event: &Value) -> bool {
        let input = json!({"EventPattern": pattern, "Event": event.to_string()});
        let response = self.call_eventbridge("TestEventPattern", &input).await;
        response["Result"].as_bool().expect("the result is true or false")
    }

    pub(crate) async fn call_eventbridge(&self, operation: &str, input: &Value) -> Value {
        let target = format!("AWSEvents.{operation}");
        let endpoint = format!("{}/", self.description.endpoint);
        let response =
            self.http.call_operation(&self.root_signer("events"), &endpoint, &target, input).await;
        assert_eq!(response.status, 200, "{operation}: {:?}", response.body);
        response.body
    }
}
