//! Answers in words, and what an operator can do.

use std::fmt;

use email::ledger::State;
use time::OffsetDateTime;

use crate::text::to_the_second;

use super::answer::Answer;

impl Answer {
    /// What the operator can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::NotEnrolled => Some("check both ids; the enrollment was never requested".into()),
            Self::Stuck { resolution: None, .. } => Some(
                "compare the payment with Stripe's dashboard, and then `registrar enrollment resolve`"
                    .into(),
            ),
            Self::Refunding { late: true, .. } => {
                Some("look at the refunds of the payment intent in Stripe's dashboard".into())
            }
            Self::DeadLetter { job_id, .. } => Some(format!(
                "`registrar dead-letters show {job_id}`; after the cause is fixed, `registrar \
                 dead-letters redrive --id {job_id} --apply`"
            )),
            Self::Suppressed { .. } => Some(
                "once the address is known to be good, `registrar suppressions remove ADDRESS`"
                    .into(),
            ),
            Self::EndedSuppressed { .. } => Some(
                "once the address is known to be good, `registrar suppressions remove ADDRESS`; then \
                 the sender enqueues the job again, under the same id"
                    .into(),
            ),
            Self::HeldByOperator { .. } => Some("`registrar release` ends the hold".into()),
            Self::HeldTemplate { template, .. } => {
                Some(format!("`registrar release --template {template}` ends the hold"))
            }
            Self::HeldAutomatically { .. } => {
                Some("`registrar holds`; it ends when SES accepts emails again".into())
            }
            Self::TurnedOff => Some(
                "`registrar hold --reason …`, then `registrar release` turns it on".into(),
            ),
            Self::NoTrace { .. } => Some(
                "check the id; the sender may never have enqueued it, or its entry is older than 90 \
                 days"
                    .into(),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |at: OffsetDateTime| to_the_second(at);
        match self {
            Self::NotEnrolled => f.write_str("this student has no enrollment in this course"),
            Self::Granted { requested_at } => {
                write!(f, "access is granted; it was requested at {}", at(*requested_at))
            }
            Self::PaymentPending { attempt, since, resumed_at } => {
                write!(f, "payment attempt {attempt} is pending since {}", at(*since))?;
                match resumed_at {
                    Some(resumed_at) => write!(f, "; looked at again at {}", at(*resumed_at)),
                    None => Ok(()),
                }
            }
            Self::PaymentFailed { code, message } => {
                write!(f, "the last payment failed ({code}): {message} The student may retry")
            }
            Self::Stuck { reason, resolution } => {
                write!(f, "stuck: the payment cannot be settled ({reason}), and nothing is granted")?;
                match resolution {
                    Some(decided) => write!(f, "; the resumer carries out the decision `{decided}`"),
                    None => Ok(()),
                }
            }
            Self::Refunding { since, late } => {
                f.write_str("the payment is being refunded")?;
                at_time(f, "since", *since)?;
                if *late { f.write_str("; that is late") } else { Ok(()) }
            }
            Self::Refunded => f.write_str("refunded; the student may buy again"),
            Self::Unenrolled => {
                f.write_str("an operator ended the access; the student may enroll again")
            }
            Self::Sent { job_id, state, at, feedback } => sent(f, job_id, *state, *at, feedback.as_deref()),
            Self::DeadLetter { job_id, code, reason, since } => {
                write!(f, "email {job_id} is a dead letter")?;
                at_time(f, "since", *since)?;
                write!(f, ", {code}: {reason}")
            }
            Self::Claimed { job_id, until, attempts } => write!(
                f,
                "email {job_id} is claimed by a worker until {} (attempt {attempts})",
                at(*until)
            ),
            Self::Suppressed { cause, since, reason, on_ses_list } => {
                write!(f, "the recipient is suppressed since {}: ", at(*since))?;
                match reason {
                    Some(reason) => write!(f, "an operator added it, {reason}")?,
                    None => write!(f, "{cause}")?,
                }
                if *on_ses_list { Ok(()) } else { f.write_str("; SES did not confirm it") }
            }
            Self::EndedSuppressed { job_id, since, reason } => {
                write!(f, "email {job_id} was not sent")?;
                at_time(f, "at", *since)?;
                write!(f, ": {reason}")
            }
            Self::HeldByOperator { since, until, reason } => {
                write!(f, "sending is held by an operator since {}", at(*since))?;
                with_end(f, *until, reason)
            }
            Self::HeldTemplate { template, certain, since, until, reason } => {
                let what = if *certain { "its template" } else { "if it has the template" };
                let held = if *certain { "is held" } else { "it is held" };
                write!(f, "{what} {template} {held} by an operator since {}", at(*since))?;
                with_end(f, *until, reason)
            }
            Self::LimitLowered { limit, window_seconds, since, until, reason } => {
                let since = at(*since);
                write!(f, "the limit is lowered to {limit} in any {window_seconds} s since {since}")?;
                with_end(f, *until, reason)
            }
            Self::HeldAutomatically { since, cause } => {
                write!(f, "sending is held automatically since {}: {cause}", at(*since))
            }
            Self::TurnedOff => f.write_str("the worker's event source was turned off by other means"),
            Self::NotQueued { by } => write!(
                f,
                "the email job may not be on the queue yet; the resumer puts it there after {}",
                at(*by)
            ),
            Self::Returned { job_id, attempts, last_attempt_at, retried_by } => {
                returned(f, job_id, *attempts, *last_attempt_at, *retried_by)
            }
            Self::Waiting { job_id, jobs_before_at_most, expected_by, emails_per_minute } => {
                waiting(f, job_id, (*jobs_before_at_most, *emails_per_minute), *expected_by)
            }
            Self::NoTrace { job_id } => {
                // SQS API Reference, `GetQueueAttributes`.
                write!(
                    f,
                    "neither the ledger nor the queue has the email {job_id}; SQS's count may be a \
                     minute late"
                )
            }
            Self::NothingAgainst => f.write_str(
                "the recipient is not suppressed, and no dead letter is for it. Jobs on the queue are \
                 found by their id, or by student and course",
            ),
        }
    }
}

fn with_end(
    f: &mut fmt::Formatter<'_>,
    until: Option<OffsetDateTime>,
    reason: &str,
) -> fmt::Result {
    at_time(f, "until", until)?;
    write!(f, ": {reason}")
}

fn at_time(f: &mut fmt::Formatter<'_>, word: &str, at: Option<OffsetDateTime>) -> fmt::Result {
    at.map_or(Ok(()), |at| write!(f, " {word} {}", to_the_second(at)))
}

fn waiting(
    f: &mut fmt::Formatter<'_>,
    job_id: &str,
    (jobs_before, per_minute): (u64, u64),
    expected_by: Option<OffsetDateTime>,
) -> fmt::Result {
    write!(
        f,
        "email {job_id} waits on the queue: at most about {jobs_before} jobs are before it, at {per_minute} emails \
         per minute"
    )?;
    match expected_by {
        Some(by) => write!(f, "; expected by {}", to_the_second(by)),
        None => f.write_str("; expected after sending resumes"),
    }
}

fn sent(
    f: &mut fmt::Formatter<'_>,
    job_id: &str,
    state: State,
    at: Option<OffsetDateTime>,
    feedback: Option<&str>,
) -> fmt::Result {
    write!(f, "email {job_id} was accepted by SES")?;
    if let Some(at) = at {
        write!(f, " at {}", to_the_second(at))?;
    }
    write!(f, ", and is {}", state.name())?;
    feedback.map_or(Ok(()), |feedback| write!(f, " ({feedback})"))
}

fn returned(
    f: &mut fmt::Formatter<'_>,
    job_id: &str,
    attempts: u32,
    last_attempt_at: OffsetDateTime,
    retried_by: Option<OffsetDateTime>,
) -> fmt::Result {
    let times = if attempts == 1 { "attempt" } else { "attempts" };
    write!(
        f,
        "email {job_id} was returned to the queue after {attempts} {times}, the last at {}",
        to_the_second(last_attempt_at)
    )?;
    match retried_by {
        Some(by) => write!(f, "; retried by about {}", to_the_second(by)),
        None => f.write_str("; retried after sending resumes"),
    }
}
