//! One job: claim, wait for a permit, send, settle.
//!
//! ```text
//! job ──claim──> claimed ──permit──> attempt ──> accepted             sent, acknowledge
//!   ├ sent, failed already │             ├─────> rejected             dead letter, failed, acknowledge
//!   │   acknowledge        │             ├─────> transient, unknown   give back, later
//!   └ claimed by another   │             ├─────> throttled            give all back, later
//!       give back          │             ├─────> held                 hold, give all back, later
//!                          │             └─────> ambiguous            at least once: give back, until the
//!                          ├ suppressed, cannot be written                claim ends
//!                          │   dead letter, failed, acknowledge       at most once: dead letter, unknown,
//!                          └ an earlier attempt was never settled,        acknowledge
//!                              and at most once: as ambiguous
//! ```

use std::{cell::Cell, time::Duration};

use email::{
    Job, JobId, Message,
    dead_letter::{Attempts, DeadLetter, DeadLetters, OUTCOME_UNKNOWN, Reason},
    guarantee::Guarantee,
    hold::{self, Cause},
    job::Content,
    ledger::{Claim, Claimed, Grant, Ledger, Used},
    mailer::{Mailer, Outcome},
    retry,
    suppression::Suppressions,
};
use pacer::driver::Permit;
use time::OffsetDateTime;

use crate::{
    batch::HELD_FOR,
    templates,
    worker::{Invocation, Parts, Received, Worker},
};

/// How long after its invocation's deadline a claim ends: more than clocks differ.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);

/// When a job is looked at again at the latest that another worker has claimed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done with: the queue deletes it.
    Acknowledge,
    /// It is to be seen again after a while.
    GiveBack(Duration),
}

/// A batch under way.
pub(crate) struct Run<'a, P: Parts> {
    worker: &'a Worker<P>,
    invocation: &'a Invocation,
    /// Set once nothing more is to be sent: after how long the rest is to be seen again.
    stopped: Cell<Option<Duration>>,
}

/// A job whose claim was granted, on its way.
struct Delivery<'a> {
    job: &'a Job,
    message: &'a Received,
    claim: Claim,
    grant: Grant,
    guarantee: Guarantee,
}

impl Delivery<'_> {
    fn attempts(&self) -> Attempts {
        let Grant { attempts: count, first_attempt_at: first_at, .. } = self.grant;
        Attempts { count, first_at, last_at: self.claim.at }
    }
}

impl<'a, P: Parts> Run<'a, P> {
    pub(crate) fn new(worker: &'a Worker<P>, invocation: &'a Invocation) -> Self {
        Self { worker, invocation, stopped: Cell::new(None) }
    }

    /// Sends nothing more: all that is left comes back after the delay, or a little later.
    pub(crate) fn stop(&self, delay: Duration) {
        self.invocation.pacer.close();
        self.stopped.set(Some(delay));
    }

    /// A failure is tried again after a delay that grows with the attempts.
    pub(crate) fn later(&self, message: &Received, attempts: u32) -> Verdict {
        Verdict::GiveBack(retry::delay(attempts, self.invocation.jitter(message)))
    }

    /// What the batch's end keeps from being tried comes back after that delay and up to a quarter of
    /// it, so that not all come back at once.
    fn left_over(&self, message: &Received, delay: Duration) -> Verdict {
        Verdict::GiveBack(delay.mul_f64(1.0 + self.invocation.jitter(message) / 4.0))
    }

    pub(crate) async fn bury_malformed(&self, message: &Received, reason: &Reason) -> Verdict {
        let last_at = self.invocation.now();
        let first_at = message.first_received_at.unwrap_or(last_at);
        let attempts = Attempts { count: message.receives, first_at, last_at };
        match self.bury(message, None, reason, attempts).await {
            Ok(()) => Verdict::Acknowledge,
            Err(()) => self.later(message, message.receives),
        }
    }

    /// Takes a job as far as it goes.
    pub(crate) async fn deliver(&self, job: &Job, message: &Received) -> Verdict {
        if let Some(delay) = self.stopped.get() {
            return self.left_over(message, delay);
        }
        let now = self.invocation.now();
        let claim = Claim {
            job_id: job.id.clone(),
            token: format!("{}/{}", self.invocation.id, message.message_id),
            at: now,
            until: self.invocation.deadline + CLAIM_MARGIN,
        };
        match self.worker.ledger.claim(&claim).await {
            Ok(Claimed::Granted(grant)) => {
                let guarantee = self.worker.guarantees.of(&job.content);
                self.send(&Delivery { job, message, claim, grant, guarantee }).await
            }
            Ok(Claimed::AlreadySent | Claimed::AlreadyFailed) => Verdict::Acknowledge,
            // Most claims end long before they would by themselves.
            Ok(Claimed::InProgress { until }) => {
                Verdict::GiveBack(time_to(until, now).min(LOOK_AGAIN_AFTER))
            }
            Err(error) => {
                tracing::error!(job_id = %job.id, %error, "a job could not be claimed; it is given back");
                self.untried(message)
            }
        }
    }

    /// Sends a job whose claim was granted.
    async fn send(&self, delivery: &Delivery<'_>) -> Verdict {
        let at_most_once = delivery.guarantee == Guarantee::AtMostOnce;
        if at_most_once && delivery.grant.unsettled {
            return self.park(delivery).await;
        }
        let job = delivery.job;
        match self.worker.suppressions.find(&job.to).await {
            Ok(None) => {}
            Ok(Some(cause)) => return self.reject(delivery, &cause.into()).await,
            Err(error) => {
                tracing::error!(job_id = %job.id, %error, "a recipient could not be looked up; the job is given back");
                return self.not_tried(delivery).await;
            }
        }
        let rendered;
        let email = match &job.content {
            Content::Message(email) => email,
            Content::Template { name, data } => match templates::render(name, data) {
                Ok(email) => {
                    rendered = email;
                    &rendered
                }
                Err(reason) => return self.reject(delivery, &reason).await,
            },
        };
        let Ok(permit) = self.invocation.pacer.permit().await else {
            // Out of time, unless an outcome has stopped the batch: then its delay is set.
            let delay = self.stopped.get().unwrap_or_default();
            self.stopped.set(Some(delay));
            self.release(&delivery.claim, Used::NotTried).await;
            return self.left_over(delivery.message, delay);
        };
        if at_most_once && !self.announce(delivery).await {
            return self.not_tried(delivery).await;
        }
        let outcome = self.attempt(job, email, permit).await;
        self.settle(delivery, outcome).await
    }

    /// Whether it is written down that an attempt follows. It is done with the permit in hand, so that
    /// a worker that dies while it waits for one leaves nothing in doubt.
    async fn announce(&self, delivery: &Delivery<'_>) -> bool {
        let job_id = &delivery.job.id;
        match self.worker.ledger.announce(&delivery.claim).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(%job_id, "a claim ended before its attempt; the job is given back");
                false
            }
            Err(error) => {
                tracing::error!(%job_id, %error, "an attempt could not be announced; the job is given back");
                false
            }
        }
    }

    /// One permit, one attempt.
    async fn attempt(&self, job: &Job, email: &Message, permit: Permit<'_>) -> Outcome {
        let started_at = self.invocation.at(permit.started_at());
        let outcome = self.worker.mailer.send(&job.id, &job.to, email).await;
        drop(permit);
        // What `registrar audit` reads: times in microseconds since 1970.
        tracing::info!(
            event = "send_attempt",
            job_id = %job.id,
            started_at_us = microseconds(started_at),
            ended_at_us = microseconds(self.invocation.now()),
            outcome = outcome.name(),
        );
        outcome
    }

    async fn settle(&self, delivery: &Delivery<'_>, outcome: Outcome) -> Verdict {
        let Delivery { job, message, claim, grant, guarantee } = delivery;
        let attempts = grant.attempts;
        match outcome {
            Outcome::Accepted { message_id } => {
                let now = self.invocation.now();
                if let Err(error) = self.worker.ledger.mark_sent(&job.id, &message_id, now).await {
                    tracing::error!(job_id = %job.id, message_id, %error, "a sent email was not marked as sent");
                }
                // Even then: its redelivery could only send the email again.
                Verdict::Acknowledge
            }
            Outcome::Throttled => {
                self.stop(retry::FIRST_DELAY);
                self.release(claim, Used::Attempted).await;
                self.later(message, attempts)
            }
            Outcome::Held(cause) => {
                self.stop(HELD_FOR);
                self.release(claim, Used::Attempted).await;
                self.hold(cause).await;
                self.left_over(message, HELD_FOR)
            }
            Outcome::Transient { code } | Outcome::Unknown { code } => {
                tracing::warn!(job_id = %job.id, code, attempts, "an attempt failed and will be made again");
                self.release(claim, Used::Attempted).await;
                self.later(message, attempts)
            }
            Outcome::Ambiguous if *guarantee == Guarantee::AtMostOnce => self.park(delivery).await,
            // It may have been sent: nobody may try before the claim ends.
            Outcome::Ambiguous => {
                tracing::warn!(job_id = %job.id, attempts, "an attempt had no answer; the job waits for its claim's end");
                Verdict::GiveBack(time_to(claim.until, self.invocation.now()))
            }
            Outcome::Rejected(reason) => self.reject(delivery, &reason).await,
        }
    }

    /// Has all workers stop, once: the event source is turned off, and the record says why.
    async fn hold(&self, cause: Cause) {
        let Worker { holds, event_source, .. } = self.worker;
        match hold::place(holds, event_source, cause, self.invocation.now()).await {
            Ok(hold::Changed::Done(_)) => {
                tracing::error!(
                    event = "email_held",
                    cause = cause.name(),
                    "{cause}: nothing is sent"
                );
            }
            Ok(hold::Changed::Nothing(_)) => {}
            Err(error) => {
                tracing::error!(event = "email_held", cause = cause.name(), %error, "{cause}, and the hold could not be made");
            }
        }
    }

    /// A job that cannot be sent as it is. The dead letter is kept first: a crash before the ledger's
    /// write keeps it twice, never not.
    async fn reject(&self, delivery: &Delivery<'_>, reason: &Reason) -> Verdict {
        let Delivery { job, message, claim, grant, .. } = delivery;
        if self.bury(message, Some(&job.id), reason, delivery.attempts()).await.is_err() {
            self.release(claim, Used::Attempted).await;
            return self.later(message, grant.attempts);
        }
        let now = self.invocation.now();
        if let Err(error) = self.worker.ledger.mark_failed(claim, reason, now).await {
            tracing::error!(job_id = %job.id, %error, "a dead letter was not marked as failed");
        }
        Verdict::Acknowledge
    }

    /// A job that may have been sent, and is not to be sent twice. Until it is parked its claim stays,
    /// and after that the announced attempt: nobody sends it meanwhile.
    async fn park(&self, delivery: &Delivery<'_>) -> Verdict {
        let Delivery { job, message, claim, .. } = delivery;
        let text = "an attempt had no answer, and this template is sent at most once";
        let reason = Reason::new(OUTCOME_UNKNOWN, text);
        if self.bury(message, Some(&job.id), &reason, delivery.attempts()).await.is_err() {
            return Verdict::GiveBack(time_to(claim.until, self.invocation.now()));
        }
        let now = self.invocation.now();
        if let Err(error) = self.worker.ledger.mark_unknown(claim, &reason, now).await {
            tracing::error!(job_id = %job.id, %error, "a parked job was not marked as unknown");
        }
        Verdict::Acknowledge
    }

    async fn bury(
        &self,
        message: &Received,
        job_id: Option<&JobId>,
        reason: &Reason,
        attempts: Attempts,
    ) -> Result<(), ()> {
        let Received { message_id, body, .. } = message;
        let letter = DeadLetter { body, message_id, job_id, reason, attempts };
        match self.worker.dead_letters.keep(letter).await {
            Ok(()) => {
                tracing::warn!(message_id, code = reason.code, "a job is kept as a dead letter");
                Ok(())
            }
            Err(error) => {
                tracing::error!(message_id, code = reason.code, %error, "a dead letter could not be kept; it is given back");
                Err(())
            }
        }
    }

    /// Something was in the way before anything was tried.
    async fn not_tried(&self, delivery: &Delivery<'_>) -> Verdict {
        self.release(&delivery.claim, Used::NotTried).await;
        self.untried(delivery.message)
    }

    /// A job that was in nobody's hands comes back soon: being received often is no fault of its own.
    fn untried(&self, message: &Received) -> Verdict {
        self.later(message, 1)
    }

    async fn release(&self, claim: &Claim, used: Used) {
        if let Err(error) = self.worker.ledger.release(claim, used).await {
            tracing::warn!(job_id = %claim.job_id, %error, "a claim was not released; it ends by itself");
        }
    }
}

fn time_to(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default()
}

fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}
