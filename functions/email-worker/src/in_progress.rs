//! A batch in progress: the state that its deliveries share.

use std::{cell::Cell, time::Duration};

use email::{
    dead_letter::{Attempts, DeadLetter, DeadLetters, Reason},
    job::{Content, Job, JobId},
    mailer::Outcome,
    retry,
};
use lambda::{clock, log_events};
use time::OffsetDateTime;

use crate::{
    measures::dead_letter_kind,
    places::Places,
    surplus,
    worker::{Invocation, Parts, Received, Worker},
};

/// How long messages stay hidden if a hold, of all emails or of their template, prevented their attempts.
pub(crate) const HELD_FOR: Duration = Duration::from_mins(15);

/// After so many failures in a row, a batch stops. A single email may fail for a reason of its own.
pub(crate) const MAX_FAILURES_IN_A_ROW: u32 = 5;

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The queue deletes it.
    Acknowledge,
    /// The queue delivers it again after this delay.
    GiveBack(Duration),
    /// Nothing is wrong with it: the queue delivers it again after this delay, or earlier if too many messages would
    /// be hidden.
    LeftOver(Duration),
}

/// A batch in progress.
pub(crate) struct BatchInProgress<'a, P: Parts> {
    pub(crate) worker: &'a Worker<P>,
    pub(crate) invocation: &'a Invocation,
    pub(crate) places: Places,
    /// `Some` once the batch has stopped: the delay of the remaining messages.
    stopped: Cell<Option<Duration>>,
    /// The age of the oldest job so far.
    oldest: Cell<Duration>,
    failures_in_a_row: Cell<u32>,
    /// Whether the limit was lowered, so that less fits into the invocation than there was time for.
    is_slowed: Cell<bool>,
    /// How many messages were left over since then.
    left_over: Cell<usize>,
    /// Whether a message was returned because its template is held.
    has_held: Cell<bool>,
}

impl<'a, P: Parts> BatchInProgress<'a, P> {
    pub(crate) fn new(worker: &'a Worker<P>, invocation: &'a Invocation) -> Self {
        let outstanding = invocation.pacer.share().max_outstanding();
        let places = Places::new(usize::try_from(outstanding).unwrap_or(usize::MAX));
        Self {
            worker,
            invocation,
            places,
            stopped: Cell::new(None),
            oldest: Cell::default(),
            failures_in_a_row: Cell::new(0),
            is_slowed: Cell::new(false),
            left_over: Cell::new(0),
            has_held: Cell::new(false),
        }
    }

    /// Takes note of a job that has waited since then. SQS's own metric leaves out a message that was received three
    /// times and not deleted (Amazon SQS Developer Guide, "Available CloudWatch metrics",
    /// `ApproximateAgeOfOldestMessage`), which is every job that is retried.
    pub(crate) fn note_age(&self, waiting_since: OffsetDateTime) {
        let age = Duration::try_from(self.invocation.now() - waiting_since).unwrap_or_default();
        self.oldest.set(self.oldest.get().max(age));
    }

    /// One line per batch, which a metric filter reads.
    pub(crate) fn report_age(&self) {
        tracing::info!(
            event = log_events::OLDEST_JOB,
            oldest_job_age_seconds = self.oldest.get().as_secs(),
        );
    }

    /// The pace has become slower.
    pub(crate) fn slowed(&self) {
        self.is_slowed.set(true);
    }

    /// Whether the job's template is held. A plain job has none.
    pub(crate) fn is_held(&self, job: &Job) -> bool {
        let Content::Template { name, .. } = &job.content else { return false };
        self.worker.last_holds.borrow().holds_template(name, self.invocation.now())
    }

    /// The delay of messages that were returned although the batch has not stopped. `None` if there are none.
    pub(crate) fn held(&self) -> Option<Duration> {
        self.has_held.get().then_some(HELD_FOR)
    }

    /// Stops sending. The remaining messages are returned, hidden for this delay or a little longer.
    pub(crate) fn stop(&self, delay: Duration) {
        self.invocation.pacer.close();
        self.stopped.set(Some(delay));
    }

    /// Stops the batch if the provider seems to be down. Each failure hides its message, for up to 2 h: a backlog that is
    /// tried at full pace during an outage would be hidden when it ends.
    pub(crate) fn note(&self, outcome: &Outcome) {
        let failures = match outcome {
            Outcome::Transient { .. } | Outcome::Unknown { .. } | Outcome::Ambiguous => {
                self.failures_in_a_row.get().saturating_add(1)
            }
            _ => 0,
        };
        self.failures_in_a_row.set(failures);
        if failures >= MAX_FAILURES_IN_A_ROW && self.stopped.get().is_none() {
            tracing::warn!(failures, "attempts failed one after the other; the batch stops");
            self.stop(retry::FIRST_DELAY);
        }
    }

    /// The delay of the remaining messages, if the batch has stopped or no attempt can start any more.
    pub(crate) fn stopped(&self) -> Option<Duration> {
        if clock::instant() > self.invocation.closing.starts_end {
            self.out_of_permits();
        }
        self.stopped.get()
    }

    /// Stops the batch because there is no time for another permit, and returns the delay of the
    /// remaining messages: zero, or the delay set by an outcome that had already stopped the batch.
    pub(crate) fn out_of_permits(&self) -> Duration {
        let delay = self.stopped.get().unwrap_or_default();
        self.stopped.set(Some(delay));
        delay
    }

    /// After a failure: the delay grows with the attempts.
    pub(crate) fn later(&self, message: &Received, attempts: u32) -> Verdict {
        Verdict::GiveBack(retry::delay(attempts, self.invocation.jitter(message)))
    }

    /// A job without an attempt is retried soon: a high receive count does not mean that it failed.
    pub(crate) fn untried(&self, message: &Received) -> Verdict {
        self.later(message, 1)
    }

    /// A job whose template is held.
    pub(crate) fn held_back(&self, message: &Received) -> Verdict {
        self.has_held.set(true);
        self.left_over(message, HELD_FOR)
    }

    /// After the batch has stopped: the delay plus up to a quarter of it, so that the messages do not
    /// become visible all at once.
    pub(crate) fn left_over(&self, message: &Received, delay: Duration) -> Verdict {
        let delay =
            if delay.is_zero() && self.is_slowed.get() { self.delay_of_next() } else { delay };
        Verdict::LeftOver(delay.mul_f64(1.0 + self.invocation.jitter(message) / 4.0))
    }

    /// The delay of the next message for which a slowed batch has no time: until a slot can take it.
    fn delay_of_next(&self) -> Duration {
        let Invocation { pacer, closing, began_at, .. } = self.invocation;
        let lasts = closing.starts_end.saturating_duration_since(began_at.1);
        let next = self.left_over.replace(self.left_over.get() + 1);
        surplus::delay(next, self.invocation.max_sends(), pacer.share().slots().get(), lasts)
    }

    /// The delay of a job that cannot be sent for this reason, while another release of the worker may still send it.
    pub(crate) fn wait_for_release(&self, message: &Received, reason: &Reason) -> Option<Duration> {
        // If the queue reports no times, the wait could not end.
        let since = message.first_received_at.or(message.sent_at)?;
        if !reason.may_be_of_another_release() {
            return None;
        }
        let waited = Duration::try_from(self.invocation.now() - since).unwrap_or_default();
        let jitter = self.invocation.jitter(message);
        let delay = retry::delay_for_release(message.receives, jitter, waited)?;
        tracing::warn!(
            code = reason.code,
            "a job that this release cannot send waits for another one"
        );
        Some(delay)
    }

    /// A message without a claim that can never be sent becomes a dead letter at once.
    pub(crate) async fn keep_unclaimed(
        &self,
        message: &Received,
        job_id: Option<&JobId>,
        reason: &Reason,
    ) -> Verdict {
        let last_at = self.invocation.now();
        let first_at = message.first_received_at.unwrap_or(last_at);
        let attempts = Attempts { count: message.receives, first_at, last_at };
        match self.keep_dead_letter(message, job_id, reason, attempts).await {
            Ok(()) => Verdict::Acknowledge,
            Err(()) => self.later(message, message.receives),
        }
    }

    /// `Err` means that the dead letter may not have been stored: the message must be returned to the
    /// queue.
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
                    event = log_events::DEAD_LETTER_KEPT,
                    job_id = job_id.map(JobId::as_str),
                    sqs_message_id,
                    kind = dead_letter_kind(&reason.code),
                    code = reason.code,
                    "a job became a dead letter"
                );
                Ok(())
            }
            Err(error) => {
                tracing::error!(sqs_message_id, code = reason.code, %error, "a dead letter could not be stored; its message is returned to the queue");
                Err(())
            }
        }
    }
}
