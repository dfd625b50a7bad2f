//! One job: claim, wait for a permit, send, settle.
//!
//! ```text
//! job ──claim──> claimed ──permit──> attempt ──> accepted             sent, acknowledge
//!   ├ sent, failed already │             ├─────> rejected             dead letter, failed, acknowledge
//!   │   acknowledge        │             ├─────> transient, unknown   give back, later
//!   ├ claimed by another   │             ├─────> throttled            give all back, later
//!   │   give back          │             ├─────> held                 hold, give all back, later
//!   └ id of another email  │             └─────> ambiguous            at least once: give back, until the
//!       dead letter,       ├ suppressed, cannot be written                claim ends
//!       acknowledge        │   dead letter, failed, acknowledge       at most once: dead letter, unknown,
//!                          └ an earlier attempt was never settled,        acknowledge
//!                              and at most once: as ambiguous
//! ```

use std::{cell::Cell, time::Duration};

use email::{
    dead_letter::{Attempts, ID_REUSED, OUTCOME_UNKNOWN, Reason},
    guarantee::Guarantee,
    hold::{self, HoldCause},
    job::{Content, Job},
    ledger::{Claim, Claimed, Grant, Ledger, Used},
    mailer::{Mailer, Outcome},
    message::Message,
    retry,
    suppression::{SuppressionCause, Suppressions},
};
use lambda::log_events;
use pacer::driver::Permit;
use time::OffsetDateTime;
use tokio::time::timeout_at;
use unavailable::Unavailable;

use crate::{
    in_progress::{BatchInProgress, HELD_FOR, Verdict},
    places::Place,
    templates,
    worker::{Parts, Received, Worker},
};

/// How long a claim outlasts its invocation's deadline: more than clocks differ.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);

/// The maximum delay of a job that another worker has claimed.
const MAX_CLAIMED_DELAY: Duration = Duration::from_secs(20);

/// What a job has of its batch.
pub(crate) struct Turn<'a> {
    /// The verdict for the case that the job is not settled in time.
    pub(crate) so_far: &'a Cell<Verdict>,
    pub(crate) place: Cell<Place<'a>>,
}

/// Takes a job as far as it goes.
pub(crate) async fn deliver<'a, P: Parts>(
    batch: &'a BatchInProgress<'a, P>,
    job: &'a Job,
    message: &'a Received,
    turn: Turn<'a>,
) -> Verdict {
    if let Some(delay) = batch.stopped() {
        return batch.left_over(message, delay);
    }
    let now = batch.invocation.now();
    let claim = Claim {
        job_id: job.id.clone(),
        token: format!("{}/{}", batch.invocation.id, message.sqs_message_id),
        content: job.digest(),
        at: now,
        until: batch.invocation.deadline + CLAIM_MARGIN,
    };
    match batch.worker.ledger.claim(&claim).await {
        Ok(Claimed::Granted(grant)) => {
            turn.so_far.set(Verdict::GiveBack(time_to(claim.until, now)));
            let guarantee = batch.worker.guarantees.of(&job.content);
            Delivery { batch, job, message, turn, claim, grant, guarantee }.send().await
        }
        Ok(Claimed::AlreadySent | Claimed::AlreadyFailed) => Verdict::Acknowledge,
        // Acknowledging it would lose an email in silence.
        Ok(Claimed::IdReused) => {
            let text = "another email has this id; enqueue this one under an id of its own";
            let reason = Reason::new(ID_REUSED, text);
            batch.keep_unclaimed(message, Some(&job.id), &reason).await
        }
        // Most claims are released long before they end by themselves.
        Ok(Claimed::InProgress { until }) => {
            Verdict::GiveBack(time_to(until, now).min(MAX_CLAIMED_DELAY))
        }
        Err(error) => {
            tracing::error!(job_id = %job.id, %error, "a job could not be claimed; it is given back");
            batch.untried(message)
        }
    }
}

/// What is known of a recipient.
enum Lookup {
    Clear,
    Suppressed(SuppressionCause),
    /// SES is asked about enough recipients at the moment.
    Later,
}

/// A job whose claim was granted.
struct Delivery<'a, P: Parts> {
    batch: &'a BatchInProgress<'a, P>,
    job: &'a Job,
    message: &'a Received,
    turn: Turn<'a>,
    claim: Claim,
    grant: Grant,
    guarantee: Guarantee,
}

impl<P: Parts> Delivery<'_, P> {
    fn worker(&self) -> &Worker<P> {
        self.batch.worker
    }

    fn now(&self) -> OffsetDateTime {
        self.batch.invocation.now()
    }

    fn attempts(&self) -> Attempts {
        let Grant { attempts: count, first_attempt_at: first_at, .. } = self.grant;
        Attempts { count, first_at, last_at: self.claim.at }
    }

    async fn send(&self) -> Verdict {
        let at_most_once = self.guarantee == Guarantee::AtMostOnce;
        if at_most_once && self.grant.unsettled {
            return self.park().await;
        }
        let job = self.job;
        match self.suppressed().await {
            Ok(Lookup::Clear) => {}
            Ok(Lookup::Suppressed(cause)) => return self.reject(&cause.into()).await,
            Ok(Lookup::Later) => return self.not_tried().await,
            Err(error) => {
                tracing::error!(job_id = %job.id, %error, "a recipient could not be looked up; the job is given back");
                return self.not_tried().await;
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
                Err(reason) => return self.reject(&reason).await,
            },
        };
        let Ok(permit) = self.batch.invocation.pacer.permit().await else {
            let delay = self.batch.out_of_permits();
            self.release(Used::NotTried).await;
            return self.batch.left_over(self.message, delay);
        };
        if at_most_once && !self.announce().await {
            return self.not_tried().await;
        }
        let outcome = self.attempt(email, permit).await;
        self.settle(outcome).await
    }

    /// Whether the recipient is suppressed. While SES is asked, another job has this one's place.
    async fn suppressed(&self) -> Result<Lookup, Unavailable> {
        let (to, suppressions) = (&self.job.to, &self.worker().suppressions);
        let Some(cause) = suppressions.find(to).await? else { return Ok(Lookup::Clear) };
        let Some(place) = self.batch.places.take_for_lookup() else { return Ok(Lookup::Later) };
        self.turn.place.set(place);
        let listed = suppressions.confirm(to).await?;
        Ok(if listed { Lookup::Suppressed(cause) } else { Lookup::Clear })
    }

    /// Whether the ledger knows that an attempt follows. Done after the wait for the permit, so that a
    /// worker that dies while it waits leaves nothing in doubt.
    async fn announce(&self) -> bool {
        let job_id = &self.job.id;
        match self.worker().ledger.announce(&self.claim).await {
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

    /// One permit, one attempt. It ends in time for its outcome to be settled.
    async fn attempt(&self, email: &Message, permit: Permit<'_>) -> Outcome {
        let Self { job, batch, .. } = self;
        let started_at = batch.invocation.at(permit.started_at());
        let attempt = batch.worker.mailer.send(&job.id, &job.to, email);
        let attempts_end = batch.invocation.closing.attempts_end;
        let outcome = timeout_at(attempts_end, attempt).await.unwrap_or(Outcome::Ambiguous);
        drop(permit);
        // `registrar audit` reads this: times in microseconds since 1970.
        tracing::info!(
            event = log_events::SEND_ATTEMPT,
            job_id = %job.id,
            started_at_us = microseconds(started_at),
            ended_at_us = microseconds(self.now()),
            outcome = outcome.name(),
        );
        outcome
    }

    async fn settle(&self, outcome: Outcome) -> Verdict {
        let Self { batch, job, message, claim, .. } = self;
        let attempts = self.grant.attempts;
        batch.note(&outcome);
        match outcome {
            Outcome::Accepted { ses_message_id } => {
                // Whatever becomes of the ledger's write: a redelivery could only send the email again.
                self.turn.so_far.set(Verdict::Acknowledge);
                let marked = self.worker().ledger.mark_sent(&job.id, &ses_message_id, self.now());
                if let Err(error) = marked.await {
                    tracing::error!(job_id = %job.id, ses_message_id, %error, "a sent email was not marked as sent");
                }
                Verdict::Acknowledge
            }
            Outcome::Throttled => {
                batch.stop(retry::FIRST_DELAY);
                self.release(Used::Attempted).await;
                batch.later(message, attempts)
            }
            Outcome::Held(cause) => {
                batch.stop(HELD_FOR);
                self.release(Used::Attempted).await;
                self.hold(cause).await;
                batch.left_over(message, HELD_FOR)
            }
            Outcome::Transient { code } | Outcome::Unknown { code } => {
                tracing::warn!(job_id = %job.id, code, attempts, "an attempt failed and will be retried");
                self.release(Used::Attempted).await;
                batch.later(message, attempts)
            }
            Outcome::Ambiguous if self.guarantee == Guarantee::AtMostOnce => self.park().await,
            // It may have been sent: no retry before the claim ends.
            Outcome::Ambiguous => {
                tracing::warn!(job_id = %job.id, attempts, "an attempt had no answer; the job waits for its claim's end");
                Verdict::GiveBack(time_to(claim.until, self.now()))
            }
            Outcome::Rejected(reason) => self.reject(&reason).await,
        }
    }

    /// Stops all workers: turns the event source off, and records why.
    async fn hold(&self, cause: HoldCause) {
        let Worker { holds, event_source, .. } = self.worker();
        match hold::place(holds, event_source, cause, self.now()).await {
            Ok(hold::Changed::Done(_)) => {
                tracing::error!(
                    event = log_events::EMAIL_HELD,
                    cause = cause.name(),
                    "{cause}: nothing is sent"
                );
            }
            Ok(hold::Changed::Nothing(_)) => {}
            Err(error) => {
                tracing::error!(event = log_events::EMAIL_HELD, cause = cause.name(), %error, "{cause}, and the hold could not be made");
            }
        }
    }

    /// A job that can never be sent. The dead letter comes first: a crash before the ledger's write
    /// keeps it twice, never not at all.
    async fn reject(&self, reason: &Reason) -> Verdict {
        if self.keep_dead_letter(reason).await.is_err() {
            self.release(Used::Attempted).await;
            return self.batch.later(self.message, self.grant.attempts);
        }
        let marked = self.worker().ledger.mark_failed(&self.claim, reason, self.now());
        if let Err(error) = marked.await {
            tracing::error!(job_id = %self.job.id, %error, "a dead letter was not marked as failed");
        }
        Verdict::Acknowledge
    }

    /// A job that may have been sent, and must not be sent twice. Until it is parked its claim stays,
    /// and after that the announced attempt: no worker sends it in the meantime.
    async fn park(&self) -> Verdict {
        let text = "an attempt had no answer, and this template is sent at most once";
        let reason = Reason::new(OUTCOME_UNKNOWN, text);
        if self.keep_dead_letter(&reason).await.is_err() {
            return Verdict::GiveBack(time_to(self.claim.until, self.now()));
        }
        let marked = self.worker().ledger.mark_unknown(&self.claim, &reason, self.now());
        if let Err(error) = marked.await {
            tracing::error!(job_id = %self.job.id, %error, "a parked job was not marked as unknown");
        }
        Verdict::Acknowledge
    }

    async fn keep_dead_letter(&self, reason: &Reason) -> Result<(), ()> {
        let (job_id, attempts) = (Some(&self.job.id), self.attempts());
        self.batch.keep_dead_letter(self.message, job_id, reason, attempts).await
    }

    /// A failure before the attempt: the claim does not count as one.
    async fn not_tried(&self) -> Verdict {
        self.release(Used::NotTried).await;
        self.batch.untried(self.message)
    }

    async fn release(&self, used: Used) {
        if let Err(error) = self.worker().ledger.release(&self.claim, used).await {
            tracing::warn!(job_id = %self.job.id, %error, "a claim was not released; it ends by itself");
        }
    }
}

fn time_to(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default()
}

fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}
