//! The rules: what happened to an email or an enrollment, in order.

use std::cmp::Ordering;

use adapters::tables::Progress;
use email::ledger::State;
use enrollment::Enrollment;
use serde::Serialize;
use time::OffsetDateTime;

use crate::text::{on_one_line, without_addresses};

use super::{
    answer::{Answer, answers},
    facts::{Facts, JobFacts, OnSesList},
};

/// Something that happened, or is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    pub(crate) what: String,
    /// Whether it is in the future.
    pub(crate) expected: bool,
}

/// In the order of their times.
pub(crate) fn events(facts: &Facts) -> Vec<Event> {
    let mut found: Vec<(OffsetDateTime, String)> = Vec::new();
    found.extend(facts.enrollment.iter().flat_map(enrollment_events));
    found.extend(facts.job.iter().flat_map(job_events));
    found.extend(suppression_events(facts));
    found.extend(expected(facts));
    let mut events: Vec<_> =
        found.into_iter().map(|(at, what)| Event { at, what, expected: at > facts.now }).collect();
    // Stable: of two events at one time, the first stays first.
    events.sort_by(|one, other| one.at.partial_cmp(&other.at).unwrap_or(Ordering::Equal));
    events
}

fn enrollment_events(enrollment: &Enrollment) -> Vec<(OffsetDateTime, String)> {
    let mut events = vec![(enrollment.created_at, "the enrollment was requested".to_owned())];
    if let Some(payment) = &enrollment.payment {
        let what = format!("payment attempt {} started", payment.attempt);
        events.push((payment.started_at, what));
        if let Some(refund) = &payment.refund {
            let what = format!("refund attempt {} started", refund.attempt);
            events.push((refund.started_at, what));
        }
    }
    if let Some(at) = enrollment.resume_at {
        events.push((at, "the resumer takes the enrollment up".to_owned()));
    }
    events
}

fn job_events(job: &JobFacts) -> Vec<(OffsetDateTime, String)> {
    let Some(Progress { entry, claimed_until, error_code }) = &job.progress else {
        return Vec::new();
    };
    let mut events = vec![(entry.first_attempt_at, format!("a worker claimed email {}", job.id))];
    if entry.attempts > 1 {
        let what = format!("a worker claimed it for attempt {}", entry.attempts);
        events.push((entry.last_attempt_at, what));
    }
    if let Some(at) = entry.sent_at {
        let what = match &entry.ses_message_id {
            Some(id) => format!("SES accepted it as {id}"),
            None => "SES accepted it".to_owned(),
        };
        events.push((at, what));
    }
    if let Some(at) = entry.failed_at {
        let code = plain(error_code.as_deref().unwrap_or(entry.state.name()));
        let reason = plain(entry.reason.as_deref().unwrap_or_default());
        let what = match entry.state {
            State::Suppressed | State::Forgotten => {
                format!("it ended without being sent: {reason}")
            }
            _ => format!("it became a dead letter, {code}: {reason}"),
        };
        events.push((at, what));
    }
    if let Some(at) = entry.feedback_at {
        let detail = entry.feedback.as_deref().map(plain);
        let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
        events.push((at, format!("SES reported it as {}{detail}", entry.state.name())));
    }
    if let Some(at) = claimed_until.filter(|_| entry.state == State::Sending) {
        events.push((at, "its claim ends by itself".to_owned()));
    }
    events
}

fn suppression_events(facts: &Facts) -> Option<(OffsetDateTime, String)> {
    let recipient = facts.recipient.as_ref()?;
    match (&recipient.ses, &recipient.ours) {
        (OnSesList::Listed(listed), _) => {
            Some((listed.since, format!("SES suppressed the recipient: {}", listed.cause)))
        }
        (OnSesList::Unknown, Some(ours)) => {
            Some((ours.since, format!("the recipient was suppressed: {}", ours.cause)))
        }
        _ => None,
    }
}

/// What the answers of `why` add.
fn expected(facts: &Facts) -> Vec<(OffsetDateTime, String)> {
    let answers = answers(facts).into_iter();
    let events = answers.filter_map(|answer| {
        let text = answer.to_string();
        match answer {
            Answer::HeldByOperator { since, .. }
            | Answer::HeldTemplate { since, .. }
            | Answer::LimitLowered { since, .. }
            | Answer::HeldAutomatically { since, .. } => Some((since, text)),
            Answer::Returned { retried_by, .. } => Some((retried_by?, "its retry".to_owned())),
            Answer::Waiting { expected_by, .. } => {
                Some((expected_by?, "expected to be sent by now".to_owned()))
            }
            _ => None,
        }
    });
    events.collect()
}

fn plain(text: &str) -> String {
    without_addresses(&on_one_line(text))
}
