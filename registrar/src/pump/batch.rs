//! What becomes a batch.

use std::collections::VecDeque;

/// SQS's maximum for a receive (SQS API, `ReceiveMessage`).
pub(crate) const MAX_MESSAGES_PER_RECEIVE: usize = 10;
/// The maximum payload of a synchronous invocation, 6 MB (Lambda Developer Guide, "Lambda quotas").
pub(crate) const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;
/// `{"Records":[]}`
const FRAME_BYTES: usize = 14;

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sqs_message_id: String,
    pub(crate) receipt_handle: String,
    /// How often it was received, this time included.
    pub(crate) receives: u32,
    /// Its record in the event, as JSON.
    pub(crate) record: String,
}

/// The messages that were received and are not yet in a batch.
#[derive(Debug, Default)]
pub(crate) struct Gathered(VecDeque<Message>);

impl Gathered {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn extend(&mut self, messages: Vec<Message>) {
        self.0.extend(messages);
    }

    /// How many messages of a batch of this size are to be received next: none if the batch is full.
    pub(crate) fn room(&self, size: usize) -> usize {
        if self.taken(size) < self.0.len() {
            return 0;
        }
        size.saturating_sub(self.0.len()).min(MAX_MESSAGES_PER_RECEIVE)
    }

    /// The next batch, of this size at most. What is too large beside the others stays.
    pub(crate) fn take(&mut self, size: usize) -> Vec<Message> {
        self.0.drain(..self.taken(size)).collect()
    }

    /// What is left when polling ends.
    pub(crate) fn into_rest(self) -> Vec<Message> {
        self.0.into()
    }

    /// How many of the messages fit into one batch. The first always does: SQS's largest message is smaller than an event.
    fn taken(&self, size: usize) -> usize {
        let mut bytes = FRAME_BYTES;
        let fits = self.0.iter().take(size).take_while(|message| {
            // With a comma.
            bytes += message.record.len() + 1;
            bytes <= MAX_EVENT_BYTES
        });
        fits.count().max(self.0.len().min(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::pump::event::event;

    fn message(number: usize, bytes: usize) -> Message {
        Message {
            sqs_message_id: number.to_string(),
            receipt_handle: String::new(),
            receives: 1,
            record: "x".repeat(bytes),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is received, each message is in one batch, in the order of its receipt, and no batch exceeds a limit.
        #[test]
        fn every_message_is_in_one_batch_within_the_limits(
            size in 1_usize..40,
            receives in vec(vec(1_usize..1_500_000, 0..10), 1..12),
        ) {
            let (mut gathered, mut number, mut batches) = (Gathered::default(), 0, Vec::new());
            for receive in receives {
                let room = gathered.room(size);
                prop_assert!(room <= MAX_MESSAGES_PER_RECEIVE);
                let received: Vec<_> = receive.into_iter().take(room).map(|bytes| {
                    number += 1;
                    message(number, bytes)
                }).collect();
                gathered.extend(received);
                if gathered.room(size) == 0 {
                    batches.push(gathered.take(size));
                }
            }
            while !gathered.is_empty() {
                batches.push(gathered.take(size));
            }
            for batch in &batches {
                prop_assert!((1..=size).contains(&batch.len()));
                let bytes = event(batch.iter().map(|message| message.record.as_str())).len();
                prop_assert!(bytes <= MAX_EVENT_BYTES, "{bytes}");
            }
            let order: Vec<_> = batches.concat().iter().map(|message| message.sqs_message_id.clone()).collect();
            let expected: Vec<_> = (1..=number).map(|number| number.to_string()).collect();
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn message_that_exceeds_the_event_waits_for_the_next_batch() {
        let mut gathered = Gathered::default();
        gathered.extend((0..3).map(|number| message(number, MAX_EVENT_BYTES / 2 - 8)).collect());
        assert_eq!(gathered.room(100), 0);
        assert_eq!(gathered.take(100).len(), 2);
        assert_eq!(gathered.room(100), MAX_MESSAGES_PER_RECEIVE);
        assert_eq!(gathered.into_rest().len(), 1);
    }
}
