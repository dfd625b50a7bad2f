//! What `registrar enrollment show` says about an enrollment, in JSON or as text.

use std::fmt::{self, Write};

use adapters::tables::{Progress, UnfinishedItem};
use email::{JobId, ledger::State};
use enrollment::{
    Enrollment,
    enrollment::{EnrollmentState, StuckReason},
    history::Entry,
    payment::{Decline, RefundStatus},
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::text::{on_one_line, to_the_second, without_addresses};

/// One email of the enrollment.
#[derive(Debug, Serialize)]
pub(super) struct Email {
    pub(super) job_id: String,
    pub(super) kind: EmailKind,
    /// `None` if the ledger has no entry: no worker has claimed it yet, or that was over 90 days ago.
    state: Option<State>,
    attempts: u32,
    #[serde(with = "time::serde::rfc3339::option")]
    sent_at: Option<OffsetDateTime>,
    /// Why it is a dead letter, or was not sent.
    error_code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EmailKind {
    Confirmation,
    RefundNotice,
}

impl Email {
    pub(super) fn new(job_id: &JobId, kind: EmailKind, progress: Option<Progress>) -> Self {
        let entry = progress.as_ref().map(|progress| &progress.entry);
        Self {
            job_id: job_id.to_string(),
            kind,
            state: entry.map(|entry| entry.state),
            attempts: entry.map_or(0, |entry| entry.attempts),
            sent_at: entry.and_then(|entry| entry.sent_at),
            error_code: progress.and_then(|progress| progress.error_code),
        }
    }
}

#[derive(Debug, Serialize)]
struct Payment {
    attempt: u32,
    /// In the currency's minor unit.
    price: u64,
    currency: String,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    intent: Option<String>,
    livemode: Option<bool>,
    failure: Option<Decline>,
    refund: Option<Refund>,
}

#[derive(Debug, Serialize)]
struct Refund {
    attempt: u32,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    id: Option<String>,
    status: Option<RefundStatus>,
}

impl From<&enrollment::payment::Payment> for Payment {
    /// Without the payment method.
    fn from(payment: &enrollment::payment::Payment) -> Self {
        let refund = payment.refund.as_ref().map(|refund| Refund {
            attempt: refund.attempt,
            started_at: refund.started_at,
            id: refund.last.as_ref().map(|last| last.id.to_string()),
            status: refund.last.as_ref().map(|last| last.status),
        });
        Self {
            attempt: payment.attempt,
            price: payment.price.amount.into(),
            currency: payment.price.currency.to_string(),
            started_at: payment.started_at,
            intent: payment.intent.as_ref().map(ToString::to_string),
            livemode: payment.livemode,
            failure: payment.failure.clone(),
            refund,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Facts {
    enrollment_id: String,
    student_id: String,
    course_id: String,
    course_title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    state: EnrollmentState,
    /// Whether it holds a seat of the course.
    seat: bool,
    stuck_reason: Option<StuckReason>,
    /// An operator's decision that the resumer has not carried out yet.
    resolution: Option<&'static str>,
    #[serde(with = "time::serde::rfc3339")]
    requested_at: OffsetDateTime,
    version: u32,
    payment: Option<Payment>,
    refund_in_progress: bool,
    refunded_intents: Vec<String>,
    kept_intents: Vec<String>,
    /// When the resumer takes it up.
    #[serde(with = "time::serde::rfc3339::option")]
    resumed_at: Option<OffsetDateTime>,
    /// Of the resumer, in a row.
    failures: u32,
    #[serde(with = "time::serde::rfc3339::option")]
    overdue_since: Option<OffsetDateTime>,
    emails: Vec<Email>,
    history: Vec<Entry>,
    pub(super) needs_person: bool,
}

impl Facts {
    /// The name and the address only if they are asked for.
    pub(super) fn new(
        found: Enrollment,
        unfinished: &UnfinishedItem,
        emails: Vec<Email>,
        personal: bool,
        now: OffsetDateTime,
    ) -> Self {
        let is_stuck = found.state == EnrollmentState::Stuck && found.resolution.is_none();
        let needs_person = is_stuck || found.refund_is_late(now);
        let refund_in_progress = found.owes_refund();
        let since = unfinished.overdue_since;
        Self {
            enrollment_id: found.id.to_string(),
            student_id: found.student.id.to_string(),
            course_id: found.course_id.to_string(),
            course_title: found.course_title.to_string(),
            name: personal.then(|| found.student.name.to_string()),
            email: personal.then(|| found.student.email.as_str().to_owned()),
            state: found.state,
            seat: found.seat,
            stuck_reason: found.stuck_reason,
            resolution: found.resolution.map(enrollment::resolution::Resolution::as_str),
            requested_at: found.created_at,
            version: found.version,
            payment: found.payment.as_ref().map(Payment::from),
            refund_in_progress,
            refunded_intents: found.refunded_intents.iter().map(ToString::to_string).collect(),
            kept_intents: found.kept_intents.iter().map(ToString::to_string).collect(),
            resumed_at: found.resume_at,
            failures: unfinished.failures,
            overdue_since: since.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            emails,
            history: found.history,
            needs_person,
        }
    }
}

/// A label and its value, on one line.
fn line(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "{label:<14} {}", on_one_line(value))
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "enrollment", &self.enrollment_id)?;
        line(f, "student", &self.student_id)?;
        match (&self.name, &self.email) {
            (Some(name), Some(email)) => line(f, "", &format!("{name}, {email}"))?,
            _ => line(f, "", "***, *** (--personal shows the name and the address)")?,
        }
        line(f, "course", &format!("{}, {}", self.course_id, self.course_title))?;
        let mut state = self.state.to_string();
        if let Some(reason) = self.stuck_reason {
            write!(state, " ({reason})")?;
        }
        if let Some(resolution) = self.resolution {
            write!(state, "; the resumer carries out the decision `{resolution}`")?;
        }
        if self.seat {
            state.push_str(", with a seat");
        }
        line(f, "state", &state)?;
        line(f, "requested at", &to_the_second(self.requested_at))?;
        if let Some(payment) = &self.payment {
            payment_lines(f, payment)?;
        }
        for (label, intents) in
            [("paid back", &self.refunded_intents), ("charge kept", &self.kept_intents)]
        {
            for intent in intents {
                line(f, label, &format!("{intent}, of an earlier attempt"))?;
            }
        }
        if let Some(at) = self.resumed_at {
            let mut text = format!("{} (by the resumer)", to_the_second(at));
            if self.failures > 0 {
                write!(text, ", after {} failures in a row", self.failures)?;
            }
            if let Some(since) = self.overdue_since {
                write!(text, ", overdue since {}", to_the_second(since))?;
            }
            line(f, "next step at", &text)?;
        }
        for email in &self.emails {
            line(f, "email", &email.to_string())?;
        }
        for entry in &self.history {
            line(f, "history", &entry_text(entry))?;
        }
        Ok(())
    }
}

fn payment_lines(f: &mut fmt::Formatter<'_>, payment: &Payment) -> fmt::Result {
    let Payment { attempt, price, currency, started_at, .. } = payment;
    let started_at = to_the_second(*started_at);
    let text = format!("attempt {attempt} at {started_at}, {price} {currency} in minor units");
    line(f, "payment", &text)?;
    if let Some(intent) = &payment.intent {
        let mode = match payment.livemode {
            Some(true) => ", live mode",
            Some(false) => ", test mode",
            None => "",
        };
        line(f, "  intent", &format!("{intent}{mode}"))?;
    }
    if let Some(Decline { code, message }) = &payment.failure {
        line(f, "  failed", &without_addresses(&format!("{code}: {message}")))?;
    }
    if let Some(refund) = &payment.refund {
        let status = match refund.status {
            None => "not made yet",
            Some(RefundStatus::Pending) => "pending",
            Some(RefundStatus::Succeeded) => "succeeded",
            Some(RefundStatus::Failed) => "failed",
        };
        let since = to_the_second(refund.started_at);
        let id = refund.id.as_deref().unwrap_or("no id yet");
        line(f, "  refund", &format!("attempt {}, {id}, {status}, since {since}", refund.attempt))?;
    }
    Ok(())
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EmailKind::Confirmation => "confirmation",
            EmailKind::RefundNotice => "refund notice",
        };
        let state = self.state.map_or("not in the ledger", State::name);
        write!(f, "{kind} {}, {state}", self.job_id)?;
        if self.attempts > 0 {
            write!(f, ", attempts: {}", self.attempts)?;
        }
        if let Some(at) = self.sent_at {
            write!(f, ", accepted at {}", to_the_second(at))?;
        }
        self.error_code.as_ref().map_or(Ok(()), |code| write!(f, ", {code}"))
    }
}

fn entry_text(entry: &Entry) -> String {
    let attempt = entry.attempt.map_or_else(String::new, |attempt| format!(" (attempt {attempt})"));
    let object = entry.object.as_ref().map_or_else(String::new, |object| format!(", {object}"));
    let reason = entry.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let at = to_the_second(entry.at);
    format!("{at} {}{attempt} by {}{object}{reason}", entry.what, entry.by)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stuck() -> Enrollment {
        serde_json::from_value(json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": "stuck", "created_at": "1970-01-01T00:00:00Z",
            "payment": {
                "attempt": 2, "price": 4900, "currency": "USD", "method": "pm_2",
                "started_at": "1970-01-01T00:01:00Z", "intent": "pi_2", "livemode": true,
            },
            "refunded_intents": ["pi_1"], "stuck_reason": "amount_differs", "resume_at": 60,
            "history": [{
                "at": "1970-01-01T00:00:30Z", "by": "arn:aws:iam::1:user/ada", "what": "unenrolled",
                "attempt": 1, "reason": "asked\u{1b}[2J",
            }],
            "version": 7,
        }))
        .unwrap()
    }

    fn facts(found: Enrollment, personal: bool) -> Facts {
        let unfinished =
            UnfinishedItem { failures: 3, overdue_since: Some(9), ..UnfinishedItem::default() };
        let id = found.confirmation_job_id();
        let emails = vec![Email::new(&id, EmailKind::Confirmation, None)];
        Facts::new(found, &unfinished, emails, personal, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn text_has_everything_but_the_name_and_the_address() {
        let text = facts(stuck(), false).to_string();
        for part in [
            "stuck (amount_differs)",
            "attempt 2 at 1970-01-01T00:01:00Z, 4900 USD in minor units",
            "pi_2, live mode",
            "pi_1, of an earlier attempt",
            "1970-01-01T00:01:00Z (by the resumer), after 3 failures in a row, overdue since",
            "447e, not in the ledger",
            "1970-01-01T00:00:30Z unenrolled (attempt 1) by arn:aws:iam::1:user/ada: asked [2J",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for personal in ["ada@", "Ada,", "pm_2", "\u{1b}"] {
            assert!(!text.contains(personal), "{personal}: {text}");
        }
        let text = facts(stuck(), true).to_string();
        assert!(text.contains("Ada, ada@example.com"), "{text}");
    }

    #[test]
    fn json_has_the_address_only_if_it_is_asked_for() {
        let json = |personal| serde_json::to_value(facts(stuck(), personal)).unwrap();
        let masked = json(false);
        assert_eq!((&masked["name"], &masked["email"]), (&Value::Null, &Value::Null));
        assert_eq!(masked["stuck_reason"], "amount_differs");
        assert_eq!(masked["history"][0]["what"], "unenrolled");
        assert_eq!(masked["needs_person"], true);
        assert_eq!(json(true)["email"], "ada@example.com");
    }

    #[test]
    fn stuck_enrollment_needs_a_person_until_one_has_decided() {
        let mut decided = stuck();
        decided.resolution = Some(enrollment::resolution::Resolution::Grant);
        let facts = facts(decided, false);
        assert!(!facts.needs_person);
        assert!(facts.to_string().contains("carries out the decision `grant`"), "{facts}");
    }
}
