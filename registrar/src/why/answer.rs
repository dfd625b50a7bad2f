//! The rules: why an email has not been sent, or access not been granted, yet.

use std::time::Duration;

use email::{hold::HoldCause, ledger::State, retry, suppression::SuppressionCause};
use enrollment::{
    Enrollment,
    enrollment::{CONFIRMATION_TEMPLATE, EnrollmentState, REFUND_TEMPLATE},
    resolution::Resolution,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::text::{on_one_line, without_addresses};

use super::facts::{Facts, JobFacts, OnSesList, RecipientFacts, Subject};

/// One answer. The first one that applies is first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Answer {
    NotEnrolled,
    Granted {
        #[serde(with = "time::serde::rfc3339")]
        requested_at: OffsetDateTime,
    },
    PaymentPending {
        attempt: u32,
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        /// When the resumer looks at it.
        #[serde(with = "time::serde::rfc3339::option")]
        resumed_at: Option<OffsetDateTime>,
    },
    PaymentFailed {
        code: String,
        message: String,
    },
    Stuck {
        reason: String,
        /// An operator has decided, and the resumer carries it out.
        resolution: Option<&'static str>,
    },
    Refunding {
        #[serde(with = "time::serde::rfc3339::option")]
        since: Option<OffsetDateTime>,
        late: bool,
    },
    Refunded,
    Unenrolled,
    Sent {
        job_id: String,
        state: State,
        #[serde(with = "time::serde::rfc3339::option")]
        at: Option<OffsetDateTime>,
        feedback: Option<String>,
    },
    DeadLetter {
        job_id: String,
        code: String,
        reason: String,
        #[serde(with = "time::serde::rfc3339::option")]
        since: Option<OffsetDateTime>,
    },
    Claimed {
        job_id: String,
        #[serde(with = "time::serde::rfc3339")]
        until: OffsetDateTime,
        attempts: u32,
    },
    Suppressed {
        cause: SuppressionCause,
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        /// An operator's reason.
        reason: Option<String>,
        /// Whether SES confirmed it; otherwise only our copy has it.
        on_ses_list: bool,
    },
    /// The job ended without a dead letter.
    EndedSuppressed {
        job_id: String,
        #[serde(with = "time::serde::rfc3339::option")]
        since: Option<OffsetDateTime>,
        reason: String,
    },
    HeldByOperator {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        /// When it ends by itself.
        #[serde(with = "time::serde::rfc3339::option")]
        until: Option<OffsetDateTime>,
        reason: String,
    },
    /// Jobs of a template wait.
    HeldTemplate {
        template: String,
        /// Whether the email has this template. The ledger and the queue do not say which one a job has.
        certain: bool,
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339::option")]
        until: Option<OffsetDateTime>,
        reason: String,
    },
    /// An operator has lowered the limit, which the expected times include.
    LimitLowered {
        limit: u32,
        window_seconds: u32,
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339::option")]
        until: Option<OffsetDateTime>,
        reason: String,
    },
    HeldAutomatically {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        cause: HoldCause,
    },
    /// The event source was turned off without a hold.
    TurnedOff,
    /// The email job is not on the queue yet; the resumer puts it there.
    NotQueued {
        #[serde(with = "time::serde::rfc3339")]
        by: OffsetDateTime,
    },
    /// A worker returned it after a failed attempt.
    Returned {
        job_id: String,
        attempts: u32,
        #[serde(with = "time::serde::rfc3339")]
        last_attempt_at: OffsetDateTime,
        /// `None` while sending is stopped.
        #[serde(with = "time::serde::rfc3339::option")]
        retried_by: Option<OffsetDateTime>,
    },
    Waiting {
        job_id: String,
        /// SQS does not report a message's place, so this is the worst case.
        jobs_before_at_most: u64,
        /// `None` while sending is stopped.
        #[serde(with = "time::serde::rfc3339::option")]
        expected_by: Option<OffsetDateTime>,
        emails_per_minute: u64,
    },
    /// Neither the ledger nor the queue has it.
    NoTrace {
        job_id: String,
    },
    /// The recipient is not suppressed, and no dead letter is for it.
    NothingAgainst,
}

impl Answer {
    /// Whether it stays like this until a person acts.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            Self::NotEnrolled
            | Self::Stuck { resolution: None, .. }
            | Self::DeadLetter { .. }
            | Self::Suppressed { .. }
            | Self::EndedSuppressed { .. }
            | Self::HeldByOperator { until: None, .. }
            | Self::HeldTemplate { until: None, certain: true, .. }
            | Self::TurnedOff
            | Self::NoTrace { .. } => true,
            Self::HeldAutomatically { cause, .. } => *cause != HoldCause::DailyQuota,
            Self::Refunding { late, .. } => *late,
            Self::Granted { .. }
            | Self::PaymentPending { .. }
            | Self::PaymentFailed { .. }
            | Self::Stuck { resolution: Some(_), .. }
            | Self::Refunded
            | Self::Unenrolled
            | Self::Sent { .. }
            | Self::Claimed { .. }
            | Self::HeldByOperator { .. }
            | Self::HeldTemplate { .. }
            | Self::LimitLowered { .. }
            | Self::NotQueued { .. }
            | Self::Returned { .. }
            | Self::Waiting { .. }
            | Self::NothingAgainst => false,
        }
    }
}

/// All answers, at least one.
pub(crate) fn answers(facts: &Facts) -> Vec<Answer> {
    match (&facts.subject, &facts.enrollment) {
        (Subject::Enrollment(..), None) => vec![Answer::NotEnrolled],
        (Subject::Enrollment(..), Some(enrollment)) => about_enrollment(enrollment, facts),
        (Subject::Job(_), _) => about_job(facts),
        (Subject::Recipient(_), _) => about_recipient(facts),
    }
}

fn about_enrollment(enrollment: &Enrollment, facts: &Facts) -> Vec<Answer> {
    let payment = enrollment.payment.as_ref();
    let first = match enrollment.state {
        EnrollmentState::Active => Answer::Granted { requested_at: enrollment.created_at },
        EnrollmentState::PaymentPending => Answer::PaymentPending {
            attempt: payment.map_or(1, |payment| payment.attempt),
            since: payment.map_or(enrollment.created_at, |payment| payment.started_at),
            resumed_at: enrollment.resume_at,
        },
        EnrollmentState::PaymentFailed => {
            let why = payment.and_then(|payment| payment.failure.as_ref());
            Answer::PaymentFailed {
                code: why.map_or_else(|| "unknown".to_owned(), |why| plain(&why.code)),
                message: why.map_or_else(String::new, |why| plain(&why.message)),
            }
        }
        EnrollmentState::Stuck => Answer::Stuck {
            reason: enrollment.stuck_reason.map_or_else(|| "unknown".into(), |why| why.to_string()),
            resolution: enrollment.resolution.map(Resolution::as_str),
        },
        EnrollmentState::Refunding => refunding(enrollment, facts.now),
        EnrollmentState::Refunded => Answer::Refunded,
        EnrollmentState::Unenrolled => Answer::Unenrolled,
    };
    let mut answers = vec![first];
    if enrollment.state == EnrollmentState::Active && enrollment.owes_refund() {
        answers.push(refunding(enrollment, facts.now));
    }
    if facts.job.is_some() {
        answers.extend(about_job(facts));
    }
    answers
}

fn refunding(enrollment: &Enrollment, now: OffsetDateTime) -> Answer {
    let payment = enrollment.payment.as_ref();
    Answer::Refunding {
        since: payment.and_then(|payment| Some(payment.refund.as_ref()?.started_at)),
        late: enrollment.refund_is_late(now),
    }
}

fn about_recipient(facts: &Facts) -> Vec<Answer> {
    let mut answers = dead_letters(facts);
    answers.extend(suppression(facts));
    if answers.is_empty() {
        answers.push(Answer::NothingAgainst);
    }
    answers.extend(stopped(facts));
    answers
}

fn about_job(facts: &Facts) -> Vec<Answer> {
    let Some(job) = &facts.job else { return Vec::new() };
    if let Some(settled) = settled(job, facts.now) {
        return vec![settled];
    }
    let letters = dead_letters(facts);
    if !letters.is_empty() {
        return letters;
    }
    if let Some(suppressed) = suppression(facts) {
        return vec![suppressed];
    }
    let mut answers = stopped(facts);
    answers.extend(held_templates(facts));
    answers.extend(lowered(facts));
    answers.push(place(job, facts));
    answers
}

/// The template of the email that is due in the enrollment's state. `None` if it is not known.
fn template(facts: &Facts) -> Option<&'static str> {
    match facts.enrollment.as_ref()?.state {
        EnrollmentState::Active => Some(CONFIRMATION_TEMPLATE),
        EnrollmentState::Refunded => Some(REFUND_TEMPLATE),
        _ => None,
    }
}

/// Whether the email waits because its template is held.
fn is_template_held(facts: &Facts) -> bool {
    let template = template(facts);
    template.is_some_and(|template| facts.sending.holds.holds_template(template, facts.now))
}

/// The hold of the email's template; of all templates if it is not known which one it has.
fn held_templates(facts: &Facts) -> Vec<Answer> {
    let own = template(facts);
    let holds = facts.sending.holds.templates.iter();
    holds
        .filter(|(template, _)| facts.sending.holds.holds_template(template, facts.now))
        .filter(|(template, _)| own.is_none_or(|own| own == template.as_str()))
        .map(|(template, hold)| Answer::HeldTemplate {
            template: plain(template),
            certain: own.is_some(),
            since: hold.since,
            until: hold.until,
            reason: plain(&hold.reason),
        })
        .collect()
}

fn lowered(facts: &Facts) -> Option<Answer> {
    let lowered = facts.sending.holds.lowered_at(facts.now)?;
    Some(Answer::LimitLowered {
        limit: lowered.limit.get(),
        window_seconds: lowered.window_seconds.get(),
        since: lowered.since,
        until: lowered.until,
        reason: plain(&lowered.reason),
    })
}

/// The answer that the ledger alone gives.
fn settled(job: &JobFacts, now: OffsetDateTime) -> Option<Answer> {
    let progress = job.progress.as_ref()?;
    let (entry, job_id) = (&progress.entry, job.id.to_string());
    match entry.state {
        State::Sending => {
            let until = progress.claimed_until.filter(|&until| until > now)?;
            Some(Answer::Claimed { job_id, until, attempts: entry.attempts })
        }
        State::Failed | State::Unknown => Some(Answer::DeadLetter {
            job_id,
            code: plain(progress.error_code.as_deref().unwrap_or(entry.state.name())),
            reason: plain(entry.reason.as_deref().unwrap_or("the ledger has no reason")),
            since: entry.failed_at,
        }),
        State::Suppressed | State::Forgotten => Some(Answer::EndedSuppressed {
            job_id,
            since: entry.failed_at,
            reason: plain(entry.reason.as_deref().unwrap_or("the recipient is suppressed")),
        }),
        state @ (State::Sent
        | State::Delivered
        | State::Bounced
        | State::Rejected
        | State::Complained) => Some(Answer::Sent {
            job_id,
            state,
            at: entry.sent_at,
            feedback: entry.feedback.as_deref().map(plain),
        }),
    }
}

fn dead_letters(facts: &Facts) -> Vec<Answer> {
    let letters = facts.letters.iter();
    letters
        .map(|letter| Answer::DeadLetter {
            job_id: letter.id.clone(),
            code: letter.code.clone(),
            reason: letter.reason.clone(),
            since: letter.at,
        })
        .collect()
}

/// SES's list decides. If SES did not respond, our copy counts.
fn suppression(facts: &Facts) -> Option<Answer> {
    let RecipientFacts { ours, ses } = facts.recipient.as_ref()?;
    let reason = ours.as_ref().and_then(|ours| ours.reason.as_deref()).map(plain);
    match (ses, ours) {
        (OnSesList::Listed(listed), _) => Some(Answer::Suppressed {
            cause: listed.cause,
            since: listed.since,
            reason,
            on_ses_list: true,
        }),
        (OnSesList::Unknown, Some(ours)) => Some(Answer::Suppressed {
            cause: ours.cause,
            since: ours.since,
            reason,
            on_ses_list: false,
        }),
        _ => None,
    }
}

/// Why nothing is sent at all.
fn stopped(facts: &Facts) -> Vec<Answer> {
    let holds = &facts.sending.holds;
    let operator = holds.operator.as_ref().map(|hold| Answer::HeldByOperator {
        since: hold.since,
        until: hold.until,
        reason: plain(&hold.reason),
    });
    let machine = holds
        .machine
        .as_ref()
        .map(|hold| Answer::HeldAutomatically { since: hold.since, cause: hold.cause });
    let off = facts.sending.is_off_without_a_hold().then_some(Answer::TurnedOff);
    operator.into_iter().chain(machine).chain(off).collect()
}

/// Where a job is that nobody has claimed.
fn place(job: &JobFacts, facts: &Facts) -> Answer {
    let (sending, now, job_id) = (&facts.sending, facts.now, job.id.to_string());
    let attempted = job.progress.as_ref().map(|progress| &progress.entry);
    if let Some(entry) = attempted.filter(|entry| entry.attempts > 0) {
        let unanswered = match entry.unanswered {
            0 => Duration::ZERO,
            unanswered => retry::delay_unanswered(unanswered, 0.0),
        };
        let by = entry.last_attempt_at + retry::delay(entry.attempts, 0.0).max(unanswered);
        let retried_by = (!sending.is_stopped() && !is_template_held(facts)).then_some(by.max(now));
        let last_attempt_at = entry.last_attempt_at;
        return Answer::Returned { job_id, attempts: entry.attempts, last_attempt_at, retried_by };
    }
    // With a refund in progress, it is the refund that is due.
    let due = facts.enrollment.as_ref().filter(|enrollment| !enrollment.owes_refund());
    let due = due.and_then(|enrollment| enrollment.resume_at);
    if let Some(due) = due {
        return Answer::NotQueued { by: due };
    }
    let queued = sending.depth.total();
    if queued == 0 {
        return Answer::NoTrace { job_id };
    }
    // At a pace of 0 there is no time.
    let waits = time::Duration::try_from(sending.pace.duration_of(queued)).ok();
    let expected_by = waits.and_then(|waits| now.checked_add(waits));
    let expected_by = expected_by.filter(|_| !sending.is_stopped() && !is_template_held(facts));
    Answer::Waiting {
        job_id,
        jobs_before_at_most: queued - 1,
        expected_by,
        emails_per_minute: sending.pace.per_minute(),
    }
}

fn plain(text: &str) -> String {
    without_addresses(&on_one_line(text))
}
