//! A batch in progress: what its deliveries share.

use std::{cell::Cell, time::Duration};

use email::{
    dead_letter::{Attempts, DeadLetter, DeadLetters, Reason},
    job::JobId,
    retry,
};

use crate::worker::{Invocation, Parts, Received, Worker};

/// When jobs come back that a hold kept from being tried.
pub(crate) const HELD_FOR: Duration = Duration::from_mins(15);

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The queue deletes it.
    Acknowledge,
    /// The queue delivers it again after this delay.
    GiveBack(Duration),
}

/// A batch in progress.
pub(crate) struct BatchInProgress<'a, P: Parts> {
    pub(crate) worker: &'a Worker<P>,
    pub(crate) invocation: &'a Invocation,
    /// Set once nothing more is to be sent: the delay of everything that is left.
    stopped: Cell<Option<Duration>>,
}

impl<'a, P: Parts> BatchInProgress<'a, P> {
    pub(crate) fn new(worker: &'a Worker<P>, invocation: &'a Invocation) -> Self {
        Self { worker, invocation, stopped: Cell::new(None) }
    }

    /// Sends nothing more: all that is left comes back after the delay, or a little later.
    pub(crate) fn stop(&self, delay: Duration) {
        self.invocation.pacer.close();
        self.stopped.set(Some(delay));
    }

    /// The delay of everything that is left, if the batch has stopped.
    pub(crate) fn stopped(&self) -> Option<Duration> {
        self.stopped.get()
    }

    /// There is no time for another permit. If an outcome has stopped the batch its delay stays;
    /// otherwise everything that is left comes back at once.
    pub(crate) fn out_of_permits(&self) -> Duration {
        let delay = self.stopped.get().unwrap_or_default();
        self.stopped.set(Some(delay));
        delay
    }

    /// After a failure: the delay grows with the attempts.
    pub(crate) fn later(&self, message: &Received, attempts: u32) -> Verdict {
        Verdict::GiveBack(retry::delay(attempts, self.invocation.jitter(message)))
    }

    /// A job that was not tried comes back soon: its receive count is not its fault.
    pub(crate) fn untried(&self, message: &Received) -> Verdict {
        self.later(message, 1)
    }

    /// After the batch has stopped: the delay and up to a quarter of it, so that not all come back at
    /// once.
    pub(crate) fn left_over(&self, message: &Received, delay: Duration) -> Verdict {
        Verdict::GiveBack(delay.mul_f64(1.0 + self.invocation.jitter(message) / 4.0))
    }

    /// `Err` means that the letter may not have been kept: the message must be given back.
    pub(crate) async fn keep_dead_letter(
        &self,
        message: &Received,
        job_id: Option<&JobId>,
        reason: &Reason,
        attempts: Attempts,
    ) -> Result<(), ()> {
        let Received { sqs_message_id, body, .. } = message;
        let letter = DeadLetter { body, sqs_message_id, job_id, reason, attempts };
        match self.worker.dead_letters.keep(letter).await {
            Ok(()) => {
                tracing::warn!(
                    sqs_message_id,
                    code = reason.code,
                    "a job is kept as a dead letter"
                );
                Ok(())
            }
            Err(error) => {
                tracing::error!(sqs_message_id, code = reason.code, %error, "a dead letter could not be kept; its message is given back");
                Err(())
            }
        }
    }
}
