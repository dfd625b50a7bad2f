//! The dead letters in memory.

use std::sync::Mutex;

use unavailable::Unavailable;

use super::calls::{Calls, lock};
use crate::dead_letter::{Attempts, DeadLetter, DeadLetters, Reason};

/// A dead letter that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    pub body: String,
    pub sqs_message_id: String,
    pub job_id: Option<String>,
    pub reason: Reason,
    pub attempts: Attempts,
}

/// The dead letters; one that was kept twice is listed twice. The key of each call is the SQS message id.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<Vec<KeptLetter>>,
    pub calls: Calls,
}

impl MemoryDeadLetters {
    /// The letters in the order in which they were kept, without a call.
    pub fn letters(&self) -> Vec<KeptLetter> {
        lock(&self.letters).clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), Unavailable> {
        let keep = || {
            lock(&self.letters).push(KeptLetter {
                body: letter.body.to_owned(),
                sqs_message_id: letter.sqs_message_id.to_owned(),
                job_id: letter.job_id.map(ToString::to_string),
                reason: letter.reason.clone(),
                attempts: letter.attempts,
            });
        };
        self.calls.make("keep", letter.sqs_message_id, keep).await
    }
}
