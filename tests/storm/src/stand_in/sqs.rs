//! SQS: the email queue with its visibility timeouts, and the letters that are dead.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{http::Answer, locked};

/// A message's body.
pub type Body = String;

/// What a message is known by to whoever received it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub message_id: usize,
    /// How often it has been received with this time. An older receipt is of no use.
    pub receives: u32,
}

/// What a worker can never send, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The body, as it came.
    pub body: Body,
    /// `error_code`: the reason's.
    pub code: String,
}

/// The email queue.
#[derive(Debug)]
pub struct Queue {
    visibility_timeout: Duration,
    contents: Mutex<Contents>,
    /// Something may be visible sooner than was thought.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    /// Those that have not been deleted; ids are counted from zero.
    messages: HashMap<usize, Message>,
    /// When each is to be seen, the soonest first.
    order: BTreeSet<(Instant, usize)>,
    put: usize,
    redelivered: usize,
    dead_letters: Vec<DeadLetter>,
}

#[derive(Debug)]
struct Message {
    body: Body,
    receives: u32,
    visible_at: Instant,
}

impl Queue {
    pub(super) fn new(visibility_timeout: Duration) -> Self {
        Self { visibility_timeout, contents: Mutex::default(), changed: Notify::new() }
    }

    /// Puts messages on the queue.
    pub fn put(&self, bodies: impl IntoIterator<Item = Body>) {
        let mut contents = self.contents();
        let visible_at = Instant::now();
        for body in bodies {
            let id = contents.put;
            contents.put += 1;
            contents.order.insert((visible_at, id));
            contents.messages.insert(id, Message { body, receives: 0, visible_at });
        }
        self.changed.notify_waiters();
    }

    /// The bodies of all messages that have not been deleted, visible or not.
    pub fn bodies(&self) -> Vec<Body> {
        self.contents().messages.values().map(|message| message.body.clone()).collect()
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.contents().dead_letters.clone()
    }

    /// How often a message was received that had been received before.
    pub fn redelivered(&self) -> usize {
        self.contents().redelivered
    }

    /// Takes up to `most` messages, as soon as there is one, and hides them for the visibility
    /// timeout.
    pub async fn receive(&self, most: usize) -> Vec<(Receipt, Body)> {
        loop {
            let changed = self.changed.notified();
            let received = self.contents().receive(most, self.visibility_timeout);
            if !received.is_empty() {
                return received;
            }
            let next = self.contents().order.first().map(|&(visible_at, _)| visible_at);
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            let _ = tokio::time::timeout_at(next.into(), changed).await;
        }
    }

    /// Deletes a message, if the receipt is its last.
    pub fn delete(&self, receipt: &Receipt) {
        let mut contents = self.contents();
        if let Some(visible_at) = contents.current(receipt) {
            contents.order.remove(&(visible_at, receipt.message_id));
            contents.messages.remove(&receipt.message_id);
        }
    }

    /// Shows a message again after a while, if the receipt is its last.
    pub fn postpone(&self, receipt: &Receipt, after: Duration) -> bool {
        let mut contents = self.contents();
        let current = contents.current(receipt);
        if current.is_some() {
            contents.hide(receipt.message_id, after);
            self.changed.notify_waiters();
        }
        current.is_some()
    }

    pub(super) fn answer(&self, operation: &str, request: &Value) -> Answer {
        match operation {
            "ChangeMessageVisibilityBatch" => self.change_visibility(&request["Entries"]),
            "SendMessage" => self.bury(request),
            _ => Answer::not_known(operation),
        }
    }

    fn change_visibility(&self, entries: &Value) -> Answer {
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
        Answer::ok(&json!({"Successful": successful, "Failed": failed}))
    }

    /// The worker sends to the dead-letter queue alone.
    fn bury(&self, request: &Value) -> Answer {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let letter = DeadLetter {
            body: text(&request["MessageBody"]),
            code: text(&request["MessageAttributes"]["error_code"]["StringValue"]),
        };
        let mut contents = self.contents();
        contents.dead_letters.push(letter);
        Answer::ok(&json!({"MessageId": format!("dead-{}", contents.dead_letters.len())}))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

impl Contents {
    fn receive(&mut self, most: usize, visibility_timeout: Duration) -> Vec<(Receipt, Body)> {
        let now = Instant::now();
        // SQS promises no order. The latest come first: what has just come back is what can do harm.
        let visible: Vec<usize> =
            self.order.range(..=(now, usize::MAX)).rev().take(most).map(|&(_, id)| id).collect();
        visible
            .into_iter()
            .filter_map(|message_id| {
                self.hide(message_id, visibility_timeout);
                let message = self.messages.get_mut(&message_id)?;
                message.receives += 1;
                self.redelivered += usize::from(message.receives > 1);
                let receipt = Receipt { message_id, receives: message.receives };
                Some((receipt, message.body.clone()))
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

    /// When the message is to be seen, if the receipt is its last.
    fn current(&self, receipt: &Receipt) -> Option<Instant> {
        let message = self.messages.get(&receipt.message_id)?;
        (message.receives == receipt.receives).then_some(message.visible_at)
    }
}

impl Receipt {
    /// The receipt handle.
    pub fn handle(&self) -> String {
        format!("{}/{}", self.message_id, self.receives)
    }

    /// The message's id as a worker sees it.
    pub fn message_id(&self) -> String {
        format!("message-{}", self.message_id)
    }

    fn parse(handle: &str) -> Option<Self> {
        let (message_id, receives) = handle.split_once('/')?;
        Some(Self { message_id: message_id.parse().ok()?, receives: receives.parse().ok()? })
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

    fn receive(queue: &Queue) -> Vec<(Receipt, Body)> {
        queue.contents().receive(10, HIDDEN)
    }

    #[test]
    fn what_was_received_is_hidden_and_comes_back() {
        let queue = queue(&["a", "b"]);
        let received = receive(&queue);
        assert_eq!(received.len(), 2);
        assert!(receive(&queue).is_empty());
        assert!(queue.postpone(&received[0].0, Duration::ZERO));
        let again = receive(&queue);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].0, Receipt { receives: 2, ..received[0].0 });
        assert_eq!(queue.redelivered(), 1);
    }

    #[test]
    fn an_old_receipt_is_of_no_use() {
        let queue = queue(&["a"]);
        let (old, _) = receive(&queue).remove(0);
        queue.postpone(&old, Duration::ZERO);
        let (new, _) = receive(&queue).remove(0);
        queue.delete(&old);
        assert!(!queue.postpone(&old, Duration::ZERO));
        assert_eq!(queue.bodies(), ["a"]);
        queue.delete(&new);
        assert!(queue.bodies().is_empty() && queue.contents().order.is_empty());
    }

    #[test]
    fn a_batch_of_changes_says_which_failed() {
        let queue = queue(&["a"]);
        let (receipt, _) = receive(&queue).remove(0);
        let entry = |handle| json!({"Id": "0", "ReceiptHandle": handle, "VisibilityTimeout": 0});
        queue.change_visibility(&json!([entry("9/1"), entry(&receipt.handle())]));
        assert_eq!(receive(&queue).len(), 1);
    }

    #[tokio::test]
    async fn a_receiver_waits_for_a_message() {
        let queue = queue(&[]);
        let put = async { queue.put(["a".to_owned()]) };
        let (received, ()) = tokio::join!(queue.receive(10), put);
        assert_eq!(received.len(), 1);
    }
}
