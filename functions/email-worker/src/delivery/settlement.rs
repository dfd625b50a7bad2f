//! The end of a delivery: what the ledger and the queue learn of a job, whether it was sent or not.

use email::{
    dead_letter::{Attempts, EXPIRED, OUTCOME_UNKNOWN, Reason},
    guarantee::Guarantee,
    hold::{self, HoldCause},
    ledger::{Grant, Ledger, Used},
    mailer::Outcome,
    retry::{self, MAX_UNANSWERED},
    suppression::SuppressionCause,
};
use lambda::log_events;
use time::format_description::well_known::Rfc3339;

use super::{
    Delivery,
    times::{time_to, until},
};
use crate::{
    in_progress::{HELD_FOR, Verdict},
    sent::mark_sent,
    worker::{Parts, Worker},
};

impl<P: Parts> Delivery<'_, P> {
    fn attempts(&self) -> Attempts {
        let Grant { attempts: count, first_attempt_at: first_at, .. } = self.grant;
        Attempts { count, first_at, last_at: self.claim.at }
    }

    pub(super) async fn settle(&self, outcome: Outcome) -> Verdict {
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

    /// A job whose deadline has passed. If it may have been sent, that is what counts.
    pub(super) async fn expire(&self) -> Verdict {
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
    pub(super) async fn cannot_be_written(&self, reason: &Reason) -> Verdict {
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
    pub(super) fn until_deadline(&self, verdict: Verdict) -> Verdict {
        until(self.deadline, self.now(), verdict)
    }

    /// A job whose template is held. It has a claim, which does not count as an attempt.
    pub(super) async fn held_back(&self) -> Verdict {
        self.release(Used::NotTried).await;
        self.until_deadline(self.batch.held_back(self.message))
    }

    /// An outcome and not a dead letter: there is nothing to repair. SES would count the email and not deliver it.
    pub(super) async fn suppress(&self, cause: SuppressionCause) -> Verdict {
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
    pub(super) async fn park(&self, unanswered: u32) -> Verdict {
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
    pub(super) async fn not_tried(&self) -> Verdict {
        self.release(Used::NotTried).await;
        self.until_deadline(self.batch.untried(self.message))
    }

    pub(super) async fn release(&self, used: Used<'_>) {
        if let Err(error) = self.worker().ledger.release(&self.claim, used).await {
            tracing::warn!(job_id = %self.job.id, %error, "a claim was not released; it ends by itself");
        }
    }
}

/// SES's response may have no code, and DynamoDB's texts are better not empty.
fn code_or_none(code: &str) -> &str {
    if code.is_empty() { "no error code" } else { code }
}
