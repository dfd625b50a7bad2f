//! SQS: the email queue with its visibility timeouts, and the dead-letter queue.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use email::{job::MAX_JOB_BYTES, testing::sqs_refusal};
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{http::HttpResponse, lock::locked};

/// A message's body.
pub type Body = String;

/// The receipt of one receive of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message, numbered from zero.
    pub message_number: usize,
    /// The receive count of the message. Only the receipt with the latest count is valid.
    pub receive_count: u32,
}

/// A message as a receive returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub receipt: Receipt,
    pub body: Body,
    pub sent_at: SystemTime,
    pub first_received_at: SystemTime,
}

/// A message on the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The body of the job.
    pub body: Body,
    /// The attribute `error_code`.
    pub error_code: String,
}

/// The email queue.
#[derive(Debug)]
pub struct Queue {
    visibility_timeout: Duration,
    contents: Mutex<Contents>,
    /// Notified when a message may have become visible, or becomes visible sooner than before.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    /// The messages that have not been deleted, by number.
    messages: HashMap<usize, Message>,
    /// When each becomes visible, soonest first.
    order: BTreeSet<(Instant, usize)>,
    put: usize,
    redeliveries: usize,
    dead_letters: Vec<DeadLetter>,
}

#[derive(Debug)]
struct Message {
    body: Body,
    sent_at: SystemTime,
    first_received_at: Option<SystemTime>,
    receive_count: u32,
    visible_at: Instant,
}

impl Queue {
    pub(super) fn new(visibility_timeout: Duration) -> Self {
        Self { visibility_timeout, contents: Mutex::default(), changed: Notify::new() }
    }

    /// Puts messages on the queue.
    ///
    /// # Panics
    ///
    /// If the queue would refuse one.
    pub fn put(&self, bodies: impl IntoIterator<Item = Body>) {
        let mut contents = self.contents();
        let (visible_at, sent_at) = (Instant::now(), SystemTime::now());
        for body in bodies {
            assert_eq!(sqs_refusal(&body, []), None);
            assert!(body.len() <= MAX_JOB_BYTES, "the queue's MaximumMessageSize");
            let id = contents.put;
            contents.put += 1;
            contents.order.insert((visible_at, id));
            let message =
                Message { body, sent_at, first_received_at: None, receive_count: 0, visible_at };
            contents.messages.insert(id, message);
        }
        self.changed.notify_waiters();
    }

    /// The bodies of all messages that have not been deleted, visible or hidden.
    pub fn bodies(&self) -> Vec<Body> {
        self.contents().messages.values().map(|message| message.body.clone()).collect()
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.contents().dead_letters.clone()
    }

    /// The number of receives of a message that had been received before.
    pub fn redeliveries(&self) -> usize {
        self.contents().redeliveries
    }

    /// Waits for a visible message, receives up to `max` messages, and hides them for the visibility timeout.
    pub async fn receive(&self, max: usize) -> Vec<Received> {
        loop {
            let changed = self.changed.notified();
            let received = self.contents().receive(max, self.visibility_timeout);
            if !received.is_empty() {
                return received;
            }
            let next = self.contents().order.first().map(|&(visible_at, _)| visible_at);
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            let _ = tokio::time::timeout_at(next.into(), changed).await;
        }
    }

    /// Deletes a message, if the receipt is valid.
    pub fn delete(&self, receipt: &Receipt) {
        let mut contents = self.contents();
        if let Some(visible_at) = contents.current(receipt) {
            contents.order.remove(&(visible_at, receipt.message_number));
            contents.messages.remove(&receipt.message_number);
        }
    }

    /// Makes a message visible again after a delay, if the receipt is valid. Returns whether it is.
    pub fn postpone(&self, receipt: &Receipt, after: Duration) -> bool {
        let mut contents = self.contents();
        let current = contents.current(receipt);
        if current.is_some() {
            contents.hide(receipt.message_number, after);
            self.changed.notify_waiters();
        }
        current.is_some()
    }

    pub(super) fn respond(&self, operation: &str, request: &Value) -> HttpResponse {
        match operation {
            "ChangeMessageVisibilityBatch" => self.change_visibility(&request["Entries"]),
            "SendMessage" => self.put_dead_letter(request),
            _ => HttpResponse::not_implemented(operation),
        }
    }

    fn change_visibility(&self, entries: &Value) -> HttpResponse {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries.as_array().into_iter().flatten() {
            let after =
                Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap_or_default());
            let receipt = entry["ReceiptHandle"].as_str().and_then(Receipt::parse);
            if receipt.is_some_and(|receipt| self.postpone(&receipt, after)) {
                successful.push(json!({"Id": entry["Id"]}));
            } else {
                failed.push(json!({
                    "Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": true,
                }));
            }
        }
        HttpResponse::ok(&json!({"Successful": successful, "Failed": failed}))
    }

    /// `SendMessage`. The worker sends messages to the dead-letter queue only.
    fn put_dead_letter(&self, request: &Value) -> HttpResponse {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let letter = DeadLetter {
            body: text(&request["MessageBody"]),
            error_code: text(&request["MessageAttributes"]["error_code"]["StringValue"]),
        };
        let attributes = request["MessageAttributes"].as_object().into_iter().flatten();
        let attributes: Vec<_> = attributes
            .map(|(name, value)| (name, text(&value["DataType"]), text(&value["StringValue"])))
            .collect();
        let attributes = attributes
            .iter()
            .map(|(name, kind, value)| (name.as_str(), kind.as_str(), value.as_str()));
        if let Some((code, message)) = sqs_refusal(&letter.body, attributes) {
            let error = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
            return HttpResponse::json(StatusCode::BAD_REQUEST, &error);
        }
        let mut contents = self.contents();
        contents.dead_letters.push(letter);
        HttpResponse::ok(&json!({"MessageId": format!("dead-{}", contents.dead_letters.len())}))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

impl Contents {
    fn receive(&mut self, max: usize, visibility_timeout: Duration) -> Vec<Received> {
        let now = Instant::now();
        // SQS promises no order. Here the messages that became visible last come first, because a quick redelivery is
        // the hardest case.
        let visible: Vec<usize> =
            self.order.range(..=(now, usize::MAX)).rev().take(max).map(|&(_, id)| id).collect();
        visible
            .into_iter()
            .filter_map(|message_number| {
                self.hide(message_number, visibility_timeout);
                let message = self.messages.get_mut(&message_number)?;
                message.receive_count += 1;
                self.redeliveries += usize::from(message.receive_count > 1);
                let receipt = Receipt { message_number, receive_count: message.receive_count };
                let first = message.first_received_at.get_or_insert_with(SystemTime::now);
                Some(Received {
                    receipt,
                    body: message.body.clone(),
                    sent_at: message.sent_at,
                    first_received_at: *first,
                })
            })
            .collect()
    }

    fn hide(&mut self, id: usize, after: Duration) {
        if let Some(message) = self.messages.get_mut(&id) {
            self.order.remove(&(message.visible_at, id));
            message.visible_at = Instant::now() + after;
            self.order.insert((message.visible_at, id));
        }
    }

    /// When the message becomes visible, if the receipt is valid.
    fn current(&self, receipt: &Receipt) -> Option<Instant> {
        let message = self.messages.get(&receipt.message_number)?;
        (message.receive_count == receipt.receive_count).then_some(message.visible_at)
    }
}

impl Receipt {
    /// The receipt handle.
    pub fn handle(&self) -> String {
        format!("{}/{}", self.message_number, self.receive_count)
    }

    /// The message's id, as a worker gets it.
    pub fn sqs_message_id(&self) -> String {
        format!("message-{}", self.message_number)
    }

    fn parse(handle: &str) -> Option<Self> {
        let (number, count) = handle.split_once('/')?;
        Some(Self { message_number: number.parse().ok()?, receive_count: count.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: Duration = Duration::from_mins(1);

    fn queue(bodies: &[&str]) -> Queue {
        let queue = Queue::new(HIDDEN);
        queue.put(bodies.iter().map(ToString::to_string));
        queue
    }

    fn receive(queue: &Queue) -> Vec<Received> {
        queue.contents().receive(10, HIDDEN)
    }

    #[test]
    fn received_message_is_hidden_until_its_timeout_ends() {
        let queue = queue(&["a", "b"]);
        let received = receive(&queue);
        assert_eq!(received.len(), 2);
        assert!(receive(&queue).is_empty());
        assert!(queue.postpone(&received[0].receipt, Duration::ZERO));
        let again = receive(&queue);
        assert_eq!(again.len(), 1);
        let before = &received[0];
        assert_eq!(again[0].receipt, Receipt { receive_count: 2, ..before.receipt });
        assert_eq!(again[0].sent_at, before.sent_at);
        assert_eq!(again[0].first_received_at, before.first_received_at, "of the first receive");
        assert_eq!(queue.redeliveries(), 1);
    }

    #[test]
    fn receipt_of_an_earlier_receive_is_not_valid() {
        let queue = queue(&["a"]);
        let old = receive(&queue).remove(0).receipt;
        queue.postpone(&old, Duration::ZERO);
        let new = receive(&queue).remove(0).receipt;
        queue.delete(&old);
        assert!(!queue.postpone(&old, Duration::ZERO));
        assert_eq!(queue.bodies(), ["a"]);
        queue.delete(&new);
        assert!(queue.bodies().is_empty() && queue.contents().order.is_empty());
    }

    #[test]
    fn batch_of_visibility_changes_applies_the_valid_ones() {
        let queue = queue(&["a"]);
        let receipt = receive(&queue).remove(0).receipt;
        let entry = |handle| json!({"Id": "0", "ReceiptHandle": handle, "VisibilityTimeout": 0});
        queue.change_visibility(&json!([entry("9/1"), entry(&receipt.handle())]));
        assert_eq!(receive(&queue).len(), 1);
    }

    #[tokio::test]
    async fn receiver_waits_for_a_message() {
        let queue = queue(&[]);
        let put = async { queue.put(["a".to_owned()]) };
        let (received, ()) = tokio::join!(queue.receive(10), put);
        assert_eq!(received.len(), 1);
    }
}
