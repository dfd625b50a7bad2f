//! The timeline of an enrollment's email.

use email::ledger::{Entry, State};
use serde::Serialize;

use super::rfc3339;
#[cfg(test)]
use crate::http::openapi::schema;

#[derive(Serialize, Default)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Email))]
pub(in crate::http) struct EmailView {
    state: EmailState,
    /// Including the attempt in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = u32, required = false))]
    attempts: Option<u32>,
    /// Of these, the ones without a known outcome, including the attempt in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = u32, required = false))]
    unanswered: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    first_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    last_attempt_at: Option<String>,
    /// When SES accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = String, required = false))]
    ses_message_id: Option<String>,
    /// When it became `failed`, `unknown` or `suppressed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    failed_at: Option<String>,
    /// Why it became `failed`, `unknown` or `suppressed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = String, required = false))]
    reason: Option<String>,
    /// When the last recorded delivery event happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    feedback_at: Option<String>,
    /// The last delivery event in SES's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = String, required = false))]
    feedback: Option<String>,
}

/// The ledger's states, and those of a job that the ledger does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum EmailState {
    /// No worker has claimed the job.
    #[default]
    Queued,
    /// Older than the ledger's memory.
    Expired,
    Sending,
    Failed,
    Unknown,
    Suppressed,
    Sent,
    Delivered,
    Bounced,
    Rejected,
    Complained,
}

impl From<State> for EmailState {
    fn from(state: State) -> Self {
        match state {
            State::Sending => Self::Sending,
            State::Failed => Self::Failed,
            State::Unknown => Self::Unknown,
            State::Suppressed => Self::Suppressed,
            State::Sent => Self::Sent,
            State::Delivered => Self::Delivered,
            State::Bounced => Self::Bounced,
            State::Rejected => Self::Rejected,
            State::Complained => Self::Complained,
        }
    }
}

impl EmailView {
    pub(in crate::http) fn queued() -> Self {
        Self::default()
    }

    pub(in crate::http) fn expired() -> Self {
        Self { state: EmailState::Expired, ..Self::default() }
    }
}

impl From<Entry> for EmailView {
    fn from(entry: Entry) -> Self {
        // `announced` is a worker's own.
        let Entry {
            state,
            attempts,
            unanswered,
            first_attempt_at,
            last_attempt_at,
            sent_at,
            ses_message_id,
            failed_at,
            reason,
            feedback_at,
            feedback,
            announced: _,
        } = entry;
        Self {
            state: state.into(),
            attempts: Some(attempts),
            unanswered: Some(unanswered).filter(|number| *number > 0),
            first_attempt_at: Some(rfc3339(first_attempt_at)),
            last_attempt_at: Some(rfc3339(last_attempt_at)),
            sent_at: sent_at.map(rfc3339),
            ses_message_id,
            failed_at: failed_at.map(rfc3339),
            reason,
            feedback_at: feedback_at.map(rfc3339),
            feedback,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(stored: Value) -> Value {
        let entry: Entry = serde_json::from_value(stored).unwrap();
        json!(EmailView::from(entry))
    }

    #[test]
    fn entry_is_shown_with_every_field_except_the_workers_own() {
        let mut whole = json!({
            "state": "complained", "attempts": 3, "unanswered": 1,
            "first_attempt_at": "2026-01-01T00:00:00Z", "last_attempt_at": "2026-01-01T00:00:01Z",
            "sent_at": "2026-01-01T00:00:02.5Z", "ses_message_id": "m-1",
            "failed_at": "2026-01-01T00:00:03Z", "reason": "r",
            "feedback_at": "2026-01-01T00:00:04Z", "feedback": "f",
        });
        assert_eq!(shown(whole.clone()), whole);
        whole["announced"] = json!("token");
        assert_eq!(shown(whole).get("announced"), None);
    }

    #[test]
    fn state_of_the_ledger_is_shown_by_its_name() {
        for state in State::ALL {
            assert_eq!(json!(EmailState::from(state)), state.name());
        }
    }
}
