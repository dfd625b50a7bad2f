//! What SES tells of emails. The local AWS's SES tells nothing, so journeys put its events on the queue,
//! as EventBridge would.

use std::{collections::HashMap, fs};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Student, World, outside::eventually};

/// The event of a sample in events/: `delivered`, `bounced`, `complained` or `rejected`.
pub fn sample(kind: &str) -> Value {
    let path = format!("{}/../events/feedback-{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let batch: Value = serde_json::from_str(&text).expect("a sample is JSON");
    let body = batch["Records"][0]["body"].as_str().expect("a sample has a message");
    serde_json::from_str(body).expect("the message is an event")
}

/// The same event, of the email to a student.
pub fn told_of(kind: &str, job_id: &str, student: &Student) -> String {
    let mut event = sample(kind);
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

impl World {
    /// Puts events on the feedback queue, in one request.
    pub async fn tell(&self, events: &[String]) {
        self.put_together(self.stack.output("EmailFeedbackQueueUrl"), events).await;
    }

    /// Waits until the feedback queue holds no event that mentions this.
    pub async fn feedback_is_taken(&self, mention: &str) {
        let queue = self.stack.output("EmailFeedbackQueueUrl");
        eventually(&format!("a feedback queue without {mention}"), async || {
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until the function has had the message that mentions this and has given it back: it is
    /// still on the feedback queue.
    pub async fn feedback_is_given_back(&self, mention: &str) {
        let queue = self.stack.output("EmailFeedbackQueueUrl");
        eventually(&format!("the message with {mention} received"), async || {
            let messages = self.emulator.messages(queue, mention).await;
            assert_eq!(messages.len(), 1, "{messages:?}");
            messages[0].was_received().then_some(())
        })
        .await;
    }

    /// Waits until the feedback dead-letter queue holds the message that mentions this.
    pub async fn feedback_is_dead(&self, mention: &str) {
        let queue = self.stack.output("EmailFeedbackDeadLetterQueueUrl");
        eventually(&format!("a dead event with {mention}"), async || {
            (!self.emulator.messages(queue, mention).await.is_empty()).then_some(())
        })
        .await;
    }

    /// The item of a suppressed recipient, if it is one.
    pub async fn suppression(&self, address: &str) -> Option<HashMap<String, AttributeValue>> {
        let digest = hex::encode(Sha256::digest(address.to_lowercase()));
        let found = self
            .dynamodb
            .get_item()
            .table_name(self.stack.output("SuppressionsTableName"))
            .key("recipient", AttributeValue::S(digest))
            .consistent_read(true)
            .send()
            .await
            .expect("the table can be read");
        found.item
    }

    /// The pattern of the rule that takes events to the feedback queue.
    pub async fn feedback_pattern(&self) -> String {
        let name = json!({"Name": self.stack.output("EmailFeedbackRuleName")});
        let rule = self.events("DescribeRule", &name).await;
        rule["EventPattern"].as_str().expect("the rule has a pattern").to_owned()
    }

    /// Whether EventBridge would take the event by that pattern.
    pub async fn pattern_takes(&self, pattern: &str, event: &Value) -> bool {
        let input = json!({"EventPattern": pattern, "Event": event.to_string()});
        let answer = self.events("TestEventPattern", &input).await;
        answer["Result"].as_bool().expect("it matches or it does not")
    }

    async fn events(&self, operation: &str, input: &Value) -> Value {
        let target = format!("AWSEvents.{operation}");
        let endpoint = format!("{}/", self.stack.endpoint);
        let answer = self.http.ask(&self.root("events"), &endpoint, &target, input).await;
        assert_eq!(answer.status, 200, "{operation}: {:?}", answer.body);
        answer.body
    }
}
