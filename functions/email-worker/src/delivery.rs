//! One job: claim, wait for a permit, send, settle.
//!
//! ```text
//! job ──claim──> claimed ──permit──> attempt ──> accepted             sent, acknowledge
//!   ├ sent already         │    │        ├─────> rejected             dead letter, failed, acknowledge
//!   │   acknowledge        │    │        ├─────> transient, unknown   give back, later
//!   ├ claimed by another   │    │        ├─────> throttled            give all back, later
//!   │   give back          │    │        ├─────> held, or one of      hold, give all back, later
//!   │                      │    │        │       many rejected
//!   ├ failed already,      │    │        └─────> ambiguous            give back, later than the claim ends;
//!   │   another's id       │    └ expired             at most once, or too often: dead letter, unknown,
//!   │   dead letter again, │        as below             acknowledge
//!   │   acknowledge        │
//!   └ letter moved back    ├ suppressed
//!       reopen, claim      │   suppressed, acknowledge
//!                          ├ expired, cannot be written by any release
//!                          │   dead letter, failed, acknowledge
//!                          └ attempts without an answer, and at most once, too often, or expired
//!                              dead letter, unknown, acknowledge
//! ```

use std::{cell::Cell, time::Duration};

use email::{
    dead_letter::{Attempts, EXPIRED, ID_REUSED, OUTCOME_UNKNOWN, Reason},
    deadline::{deadline, waiting_since},
    guarantee::Guarantee,
    hold::{self, HoldCause},
    job::{Content, Job},
    ledger::{Claim, Claimed, Grant, Ledger, Reopen, Used},
    mailer::{Mailer, Outcome},
    message::Message,
    request_time::requested_at,
    retry::{self, MAX_UNANSWERED},
    suppression::{SuppressionCause, Suppressions},
};
use email_templates::Language;
use lambda::{clock::milliseconds, log_events};
use pacer::driver::Permit;
use sizing::SES_ATTEMPT_TIMEOUT;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::timeout_at;
use unavailable::Unavailable;

use crate::{
    finished::{is_redriven, keep_again, report_refused},
    in_progress::{BatchInProgress, HELD_FOR, Verdict},
    places::Place,
    sent::mark_sent,
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
    let sent_at = message.sent_at.unwrap_or(now);
    let deadline_at_latest = deadline(job.deadline, sent_at);
    if batch.is_held(job) && now < deadline_at_latest {
        return until(deadline_at_latest, now, batch.held_back(message));
    }
    let claim = Claim {
        job_id: job.id.clone(),
        token: format!("{}/{}", batch.invocation.id, message.sqs_message_id),
        sqs_message_id: message.sqs_message_id.clone(),
        content: job.digest(),
        recipient: job.to.clone(),
        template: job.content.template().map(str::to_owned),
        at: now,
        until: batch.invocation.deadline + CLAIM_MARGIN,
    };
    let guarantee = batch.worker.guarantees.of(&job.content);
    match claimed(batch.worker, &claim, message, guarantee).await {
        Ok(Claimed::Granted(grant)) => {
            turn.so_far.set(Verdict::GiveBack(time_to(claim.until, now)));
            let waiting_since = waiting_since(message.sent_at, grant.waiting_since);
            batch.note_age(waiting_since);
            let deadline = deadline(job.deadline, waiting_since);
            Delivery { batch, job, message, turn, claim, grant, guarantee, deadline }.send().await
        }
        Ok(Claimed::AlreadySent) => Verdict::Acknowledge,
        Ok(Claimed::AlreadyFailed(finished)) => {
            keep_again(batch, &job.id, message, &finished).await
        }
        // Acknowledging it would lose an email in silence.
        Ok(Claimed::IdReused) => {
            let text = "another email has this id; enqueue this one under an id of its own";
            let reason = Reason::new(ID_REUSED, text);
            report_refused(&job.id, ID_REUSED);
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

/// Claims the job. A dead letter that was moved back to the queue is opened first.
async fn claimed<P: Parts>(
    worker: &Worker<P>,
    claim: &Claim,
    message: &Received,
    guarantee: Guarantee,
) -> Result<Claimed, Unavailable> {
    let claimed = worker.ledger.claim(claim).await?;
    match &claimed {
        Claimed::AlreadyFailed(finished) if is_redriven(message, finished, guarantee) => {
            tracing::info!(job_id = %claim.job_id, "a dead letter was moved back to the queue; its job is opened");
            // After a crash here, the job is open, and the redelivery claims it.
            worker.ledger.reopen(&claim.job_id, claim.at).await?;
            worker.ledger.claim(claim).await
        }
        _ => Ok(claimed),
    }
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
    deadline: OffsetDateTime,
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
        if at_most_once && self.grant.unsettled || self.grant.unanswered >= MAX_UNANSWERED {
            return self.park(self.grant.unanswered).await;
        }
        if self.is_expired() {
            return self.expire().await;
        }
        if self.batch.is_held(self.job) {
            return self.held_back().await;
        }
        let job = self.job;
        match self.suppressed().await {
            Ok(Lookup::Clear) => {}
            Ok(Lookup::Suppressed(cause)) => return self.suppress(cause).await,
            Ok(Lookup::Later) => return self.not_tried().await,
            Err(error) => {
                tracing::error!(job_id = %job.id, %error, "a recipient could not be looked up; the job is given back");
                return self.not_tried().await;
            }
        }
        let rendered;
        let email = match &job.content {
            Content::Message(email) => email,
            Content::Template { name, data, locale } => {
                let language =
                    Language::for_reader(locale.as_ref(), self.batch.worker.default_language);
                match email_templates::render(name, language, data) {
                    Ok(email) => {
                        rendered = email;
                        &rendered
                    }
                    Err(reason) => return self.cannot_be_written(&reason).await,
                }
            }
        };
        let Ok(permit) = self.batch.invocation.pacer.permit().await else {
            let delay = self.batch.out_of_permits();
            self.release(Used::NotTried).await;
            return self.until_deadline(self.batch.left_over(self.message, delay));
        };
        if self.is_expired() {
            return self.expire().await;
        }
        // The hold may have begun during the wait.
        if self.batch.is_held(job) {
            return self.held_back().await;
        }
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
        // `registrar audit` reads both lines: times in microseconds since 1970. If the worker is killed during
        // the attempt, it knows by the first one that the email may have been sent.
        let started_at = batch.invocation.at(permit.started_at());
        let started_at_us = microseconds(started_at);
        let timeout_ms = in_milliseconds(SES_ATTEMPT_TIMEOUT);
        tracing::info!(event = log_events::SEND_ATTEMPT, job_id = %job.id, started_at_us, timeout_ms);
        let attempt = batch.worker.mailer.send(&job.id, &job.to, &job.headers, email);
        let attempts_end = batch.invocation.closing.attempts_end;
        let outcome = timeout_at(attempts_end, attempt).await.unwrap_or(Outcome::Ambiguous);
        drop(permit);
        let ended_at = self.now();
        tracing::info!(
            event = log_events::SEND_ATTEMPT,
            job_id = %job.id,
            started_at_us,
            ended_at_us = microseconds(ended_at),
            outcome = outcome.name(),
            took_ms = milliseconds(started_at, ended_at),
            waited_ms = self.message.sent_at.map(|sent_at| milliseconds(sent_at, ended_at)),
            since_request_ms = requested_at(&job.id).map(|at| milliseconds(at, ended_at)),
        );
        outcome
    }

    async fn settle(&self, outcome: Outcome) -> Verdict {
        let Self { batch, job, .. } = self;
        let attempts = self.grant.attempts;
        batch.note(&outcome);
        match outcome {
            Outcome::Accepted { ses_message_id } => {
                // Whatever becomes of the ledger's write: a redelivery could only send the email again.
                self.turn.so_far.set(Verdict::Acknowledge);
                self.worker().breaker.borrow_mut().accepted();
                let (ledger, until) = (&self.worker().ledger, batch.invocation.closing.settled);
                let marked = mark_sent(ledger, &job.id, &ses_message_id, self.now(), until);
                if let Err(error) = marked.await {
                    tracing::error!(job_id = %job.id, ses_message_id, %error, "a sent email was not marked as sent");
                    // There is no time left for a claim either.
                    batch.out_of_permits();
                }
                Verdict::Acknowledge
            }
            Outcome::Throttled => {
                batch.stop(retry::FIRST_DELAY);
                self.release(Used::Attempted("throttled")).await;
                self.later()
            }
            Outcome::Held(cause) => self.hold(cause, cause.name()).await,
            Outcome::Transient { code } | Outcome::Unknown { code } => {
                tracing::warn!(job_id = %job.id, code, attempts, "an attempt failed and will be retried");
                self.release(Used::Attempted(code_or_none(&code))).await;
                self.later()
            }
            Outcome::Ambiguous => self.unanswered().await,
            Outcome::Rejected(reason)
                if self.worker().breaker.borrow_mut().rejected(&reason.code, &job.to) =>
            {
                tracing::error!(job_id = %job.id, code = reason.code, "one email after the other was rejected; this one is given back");
                self.hold(HoldCause::RejectedInARow, &reason.code).await
            }
            Outcome::Rejected(reason) | Outcome::BadRecipient(reason) => {
                self.reject(&reason, Used::Attempted(&reason.code)).await
            }
        }
    }

    /// Stops this batch and, by a hold, all workers. The email was not sent, and is given back.
    async fn hold(&self, cause: HoldCause, failure: &str) -> Verdict {
        self.batch.stop(HELD_FOR);
        self.release(Used::Attempted(failure)).await;
        self.place_hold(cause).await;
        self.until_deadline(self.batch.left_over(self.message, HELD_FOR))
    }

    /// Records why nothing is sent, and turns the event source off.
    async fn place_hold(&self, cause: HoldCause) {
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

    fn is_expired(&self) -> bool {
        self.now() >= self.deadline
    }

    /// A job whose deadline has passed. If it may have been sent, that is what counts.
    async fn expire(&self) -> Verdict {
        if self.grant.unanswered > 0 {
            return self.park(self.grant.unanswered).await;
        }
        let deadline = self.deadline.format(&Rfc3339).unwrap_or_default();
        let last = match &self.grant.last_failure {
            Some(code) => format!("its last attempt failed: {code}"),
            None => "no attempt was made".to_owned(),
        };
        let reason = Reason::new(EXPIRED, format!("its deadline {deadline} has passed; {last}"));
        self.reject(&reason, Used::NotTried).await
    }

    /// A job that this release has no template for. Another release may have one.
    async fn cannot_be_written(&self, reason: &Reason) -> Verdict {
        let Some(delay) = self.batch.wait_for_release(self.message, reason) else {
            return self.reject(reason, Used::NotTried).await;
        };
        self.release(Used::NotTried).await;
        self.until_deadline(Verdict::GiveBack(delay))
    }

    /// After a known failure of an attempt.
    fn later(&self) -> Verdict {
        self.until_deadline(self.batch.later(self.message, self.grant.attempts))
    }

    /// A job that can no longer be sent in time is a dead letter soon, not after a long back-off.
    fn until_deadline(&self, verdict: Verdict) -> Verdict {
        until(self.deadline, self.now(), verdict)
    }

    /// A job whose template is held. It has a claim, which does not count as an attempt.
    async fn held_back(&self) -> Verdict {
        self.release(Used::NotTried).await;
        self.until_deadline(self.batch.held_back(self.message))
    }

    /// An outcome and not a dead letter: there is nothing to repair. SES would count the email and not deliver it.
    async fn suppress(&self, cause: SuppressionCause) -> Verdict {
        let job_id = &self.job.id;
        let ledger = &self.worker().ledger;
        match ledger.mark_suppressed(&self.claim, &cause.into(), self.now()).await {
            Ok(()) => {
                tracing::info!(event = log_events::EMAIL_SUPPRESSED, %job_id, cause = cause.name());
                Verdict::Acknowledge
            }
            Err(error) => {
                tracing::error!(%job_id, %error, "a job was not marked as suppressed; it is given back");
                self.not_tried().await
            }
        }
    }

    /// A job that can never be sent. The dead letter comes first: a crash before the ledger's write
    /// keeps it twice, never not at all.
    async fn reject(&self, reason: &Reason, used: Used<'_>) -> Verdict {
        if self.keep_dead_letter(reason).await.is_err() {
            self.release(used).await;
            return self.batch.later(self.message, self.grant.attempts);
        }
        let marked = self.worker().ledger.mark_failed(&self.claim, reason, self.now());
        if let Err(error) = marked.await {
            tracing::error!(job_id = %self.job.id, %error, "a dead letter was not marked as failed");
        }
        Verdict::Acknowledge
    }

    /// An attempt that may have sent the email. The claim is not released, which counts the attempt: there is
    /// no retry before its end.
    async fn unanswered(&self) -> Verdict {
        let unanswered = self.grant.unanswered.saturating_add(1);
        if self.guarantee == Guarantee::AtMostOnce || unanswered >= MAX_UNANSWERED {
            return self.park(unanswered).await;
        }
        tracing::warn!(job_id = %self.job.id, unanswered, "an attempt had no answer; the job is retried after its claim's end");
        let delay = retry::delay_unanswered(unanswered, self.batch.invocation.jitter(self.message));
        let delay = delay.min(time_to(self.deadline, self.now()));
        Verdict::GiveBack(delay.max(time_to(self.claim.until, self.now())))
    }

    /// A job that may have been sent, and must not be sent again. Until it is parked its claim stays, and after
    /// that the ledger's count of attempts without an answer: no worker sends it in the meantime.
    async fn park(&self, unanswered: u32) -> Verdict {
        let text = match self.guarantee {
            Guarantee::AtMostOnce => {
                "an attempt had no answer, and this template is sent at most once".to_owned()
            }
            Guarantee::AtLeastOnce => {
                format!("{unanswered} attempts had no answer, or their workers died")
            }
        };
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
        self.until_deadline(self.batch.untried(self.message))
    }

    async fn release(&self, used: Used<'_>) {
        if let Err(error) = self.worker().ledger.release(&self.claim, used).await {
            tracing::warn!(job_id = %self.job.id, %error, "a claim was not released; it ends by itself");
        }
    }
}

/// The verdict, with a delay that ends at the deadline at the latest.
fn until(deadline: OffsetDateTime, now: OffsetDateTime, verdict: Verdict) -> Verdict {
    let left = time_to(deadline, now);
    match verdict {
        Verdict::Acknowledge => Verdict::Acknowledge,
        Verdict::GiveBack(after) => Verdict::GiveBack(after.min(left)),
        Verdict::LeftOver(after) => Verdict::LeftOver(after.min(left)),
    }
}

fn time_to(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default()
}

/// SES's response may have no code, and DynamoDB's texts are better not empty.
fn code_or_none(code: &str) -> &str {
    if code.is_empty() { "no error code" } else { code }
}

fn in_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}
