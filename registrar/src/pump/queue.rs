//! The queue, as the pump uses it.

use std::time::Duration;

use crate::aws_call::CallFailed;

use super::batch::Message;

pub(crate) trait Queue {
    /// Receives at most `max` messages, for which it waits for `wait`. They are hidden for the queue's visibility timeout.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, CallFailed>;

    /// Deletes messages, and returns how many could not be deleted.
    async fn delete(&self, messages: &[&Message]) -> Result<usize, CallFailed>;

    /// Makes messages visible at once, and returns for how many that failed.
    async fn give_back(&self, messages: &[&Message]) -> Result<usize, CallFailed>;
}
