//! Polling: from the queue to batches.
//!
//! The rules are those of "Using Lambda with Amazon SQS", "Understanding polling and batching behavior" (Lambda Developer
//! Guide): long polls; with a batching window, polling goes on until the window ends, the batch is full, or the event has
//! its maximum size; without one, a batch is what one poll returned. The window counts from the first message. Lambda may wait
//! for up to 20 s on a quiet queue even with a shorter window; the pump does not.

use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::clock;

use super::{
    batch::{Gathered, Message},
    event,
    functions::{Functions, InvokeError},
    queue::Queue,
    service::Service,
};

/// Lambda's long polls take 20 s. A shorter one ends in the grace period of [`super::stop`], so that nothing is received that
/// nobody gives back.
const LONG_POLL: Duration = Duration::from_secs(3);
/// Between two attempts to reach the server.
const RETRY: Duration = Duration::from_millis(500);
/// A function that takes longer for its first response is probably being built.
const QUICK_RESPONSE: Duration = Duration::from_secs(2);
/// The pause after a batch that failed as a whole, or after a poll that failed. It doubles with each further one, up to
/// [`MAX_PAUSE`]: Lambda backs off too (Lambda Developer Guide, "Handling errors for an SQS event source in Lambda",
/// "Backoff strategy for failed invocations").
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(16);

impl<Q: Queue, F: Functions> Service<'_, Q, F> {
    /// Batches until the pump is to stop. A poll that has begun is finished, and what it returned is given back. `Err`
    /// is the last item.
    pub(crate) fn batches(&self) -> impl Stream<Item = Result<Vec<Message>, InvokeError>> {
        stream::unfold(Some(Gathered::default()), async |gathered| {
            match self.next_batch(gathered?).await {
                Ok(next) => next.map(|(batch, rest)| (Ok(batch), Some(rest))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next_batch(
        &self,
        mut gathered: Gathered,
    ) -> Result<Option<(Vec<Message>, Gathered)>, InvokeError> {
        self.back_off(self.state.failed_in_a_row.get()).await;
        let is_ready = self.become_ready().await;
        if !matches!(is_ready, Ok(true)) {
            self.stop_if(is_ready.is_err());
            self.give_back(gathered.into_rest()).await;
            return is_ready.map(|_| None);
        }
        let size = self.settings.batching.size;
        let mut since = (!gathered.is_empty()).then(clock::instant);
        let mut failed_polls = 0;
        while gathered.room(size) > 0 && !self.stop.is_requested() {
            let wait = self.wait_from(since);
            if wait.is_zero() {
                break;
            }
            match self.queue.receive(gathered.room(size), wait).await {
                Ok(messages) if messages.is_empty() => failed_polls = 0,
                Ok(messages) => {
                    failed_polls = 0;
                    since.get_or_insert_with(clock::instant);
                    gathered.extend(messages);
                }
                Err(error) => {
                    failed_polls += 1;
                    self.note(error.to_string());
                    self.back_off(failed_polls).await;
                }
            }
        }
        if self.stop.is_requested() {
            self.give_back(gathered.into_rest()).await;
            return Ok(None);
        }
        let batch = gathered.take(size);
        Ok(Some((batch, gathered)))
    }

    /// One event source that cannot be served ends them all.
    fn stop_if(&self, failed: bool) {
        if failed {
            self.stop.request();
        }
    }

    /// How long the next poll may wait. `since` is when the first message of the batch was received.
    fn wait_from(&self, since: Option<Instant>) -> Duration {
        let left = since.map(|since| self.settings.batching.window.saturating_sub(since.elapsed()));
        left.unwrap_or(LONG_POLL).min(LONG_POLL)
    }

    async fn back_off(&self, failures: u32) {
        let Some(doublings) = failures.checked_sub(1) else { return };
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_PAUSE);
        tokio::select! {
            () = clock::pause(pause) => {}
            () = self.stop.requested() => {}
        }
    }

    /// Waits until the function responds, so that no message is received that would wait for its build. An event without
    /// messages is what it is asked with: a function has nothing to do for it. Returns `false` if the pump is to stop.
    async fn become_ready(&self) -> Result<bool, InvokeError> {
        let mut has_said = false;
        while !self.state.is_ready.get() {
            let function = &self.settings.function;
            let responded = self.functions.invoke(function, event::EMPTY.to_vec());
            let responded = async {
                let mut responded = std::pin::pin!(responded);
                tokio::select! {
                    result = &mut responded => return result,
                    () = clock::pause(QUICK_RESPONSE) => {
                        self.note("waiting for its first response: the output of its server tells whether it is being built");
                    }
                }
                responded.await
            };
            let result = tokio::select! {
                result = responded => result,
                () = self.stop.requested() => return Ok(false),
            };
            match result {
                Ok(_) => {
                    self.state.is_ready.set(true);
                    self.note("ready");
                }
                Err(InvokeError::Unreachable { url, .. }) => {
                    if !has_said {
                        self.note(format!("waiting for {url}"));
                    }
                    has_said = true;
                    tokio::select! {
                        () = clock::pause(RETRY) => {}
                        () = self.stop.requested() => return Ok(false),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(!self.stop.is_requested())
    }

    async fn give_back(&self, rest: Vec<Message>) {
        if rest.is_empty() {
            return;
        }
        let rest: Vec<&Message> = rest.iter().collect();
        match self.queue.give_back(&rest).await {
            Ok(left) => self.note(format!("{} received and given back", rest.len() - left)),
            Err(error) => self.note(error.to_string()),
        }
    }
}
