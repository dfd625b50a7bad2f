//! One batch: its invocation, and what becomes of its messages (Lambda Developer Guide, "Handling errors for an SQS event
//! source in Lambda"): those that were handled are deleted, those that failed stay hidden for the visibility timeout.

use std::time::Duration;

use tokio::time::Instant;

use crate::{aws_call::CallFailed, clock};

use super::{
    batch::Message,
    event::event,
    functions::{Functions, InvokeError},
    lines::Counts,
    queue::Queue,
    response::{Response, failed},
    service::Service,
    stop::GRACE,
};

/// How an invocation ended.
enum Ended {
    Responded(Response),
    Unreachable(InvokeError),
    /// No response is to be expected.
    Lost(Duration),
    Abandoned,
}

impl<Q: Queue, F: Functions> Service<'_, Q, F> {
    pub(crate) async fn handle(&self, batch: Vec<Message>) {
        let started = clock::instant();
        let event = event(batch.iter().map(|message| message.record.as_str()));
        let ended = tokio::select! {
            response = self.functions.invoke(&self.settings.function, event) => match response {
                Ok(response) => Ended::Responded(response),
                Err(error) => Ended::Unreachable(error),
            },
            () = self.lost(started) => Ended::Lost(started.elapsed()),
            () = self.stop.expired() => Ended::Abandoned,
        };
        let took = started.elapsed();
        let mut counts = Counts {
            received: batch.len(),
            again: batch.iter().filter(|message| message.receives > 1).count(),
            ..Counts::default()
        };
        let why = match ended {
            Ended::Responded(response) => {
                self.settle(started, &response, &batch, &mut counts).await
            }
            Ended::Unreachable(error) => {
                self.state.is_ready.set(false);
                self.count_failed_batch();
                Some(self.return_all(&batch, error.to_string(), &mut counts).await)
            }
            Ended::Lost(after) => {
                counts.failed = batch.len();
                Some(format!(
                    "no response in {} s: it was probably restarted meanwhile",
                    after.as_secs()
                ))
            }
            Ended::Abandoned => {
                let why = format!("no response within {} s of the stop", GRACE.as_secs());
                Some(self.return_all(&batch, why, &mut counts).await)
            }
        };
        self.report(counts, took, why);
    }

    /// Returns why messages failed, if not by their own fault.
    async fn settle(
        &self,
        started: Instant,
        response: &Response,
        batch: &[Message],
        counts: &mut Counts,
    ) -> Option<String> {
        self.state.responded.send_modify(|latest| *latest = (*latest).max(Some(started)));
        let failed = match failed(response, batch, self.settings.reports_failures) {
            Ok(failed) => failed,
            Err(why) => {
                self.count_failed_batch();
                counts.failed = batch.len();
                return Some(why.to_string());
            }
        };
        self.state.failed_in_a_row.set(0);
        counts.failed = failed.len();
        let handled = batch.iter().filter(|message| !failed.contains(&message.sqs_message_id));
        let handled: Vec<&Message> = handled.collect();
        let (left, why) = outcome(self.queue.delete(&handled).await, handled.len());
        (counts.deleted, counts.not_deleted) = (handled.len() - left, left);
        why
    }

    fn count_failed_batch(&self) {
        self.state.failed_in_a_row.set(self.state.failed_in_a_row.get() + 1);
    }

    async fn return_all(&self, batch: &[Message], why: String, counts: &mut Counts) -> String {
        let all: Vec<&Message> = batch.iter().collect();
        let (left, refused) = outcome(self.queue.give_back(&all).await, all.len());
        // What stays hidden is as if it had failed.
        (counts.given_back, counts.failed) = (all.len() - left, left);
        refused.map_or(why.clone(), |refused| format!("{why}; {refused}"))
    }

    /// Returns once an invocation will have no response. The server may have restarted the function meanwhile, or it holds the
    /// request until the function is built.
    ///
    /// Requests for one function are taken in order, so a request that outlives the function's timeout and was overtaken is
    /// lost. After the visibility timeout the messages are visible, and waiting is of no use.
    async fn lost(&self, started: Instant) {
        let overtaken = async {
            clock::pause(self.settings.timeout).await;
            let later = |latest: &Option<Instant>| latest.is_some_and(|latest| latest > started);
            // The sender lives as long as `self`.
            let _ = self.state.responded.subscribe().wait_for(later).await;
        };
        tokio::select! {
            () = overtaken => {}
            () = clock::pause(self.settings.visibility) => {}
        }
    }
}

/// How many of `all` messages a call left, and why.
fn outcome(call: Result<usize, CallFailed>, all: usize) -> (usize, Option<String>) {
    match call {
        Ok(left) => (left, None),
        Err(error) => (all, Some(error.to_string())),
    }
}
