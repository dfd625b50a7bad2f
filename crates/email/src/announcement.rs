//! Which events other systems receive after one write of an email's entry in the ledger.
//!
//! An event is made of the entry before and after the write alone, so the same write always gives the same events
//! under the same ids. It has no address, no content, and nothing of the provider's words but the type of a bounce or
//! a complaint.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{job::JobId, ledger::State};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The provider accepted the email.
    Sent,
    /// The recipient's server accepted it.
    Delivered,
    /// The recipient's server refused it.
    Bounced,
    /// The provider discarded it for its content, after it had accepted it.
    Rejected,
    /// The recipient reported it as unwanted.
    Complained,
    /// The job became a dead letter.
    Dead,
    /// Nothing was sent, because the recipient is suppressed.
    Suppressed,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::Rejected,
        Self::Complained,
        Self::Dead,
        Self::Suppressed,
    ];

    /// As sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "email.sent",
            Self::Delivered => "email.delivered",
            Self::Bounced => "email.bounced",
            Self::Rejected => "email.rejected",
            Self::Complained => "email.complained",
            Self::Dead => "email.dead",
            Self::Suppressed => "email.suppressed",
        }
    }

    fn follows(self, old: Option<&Written>, new: &Written) -> bool {
        let entered = |state| new.state == state && old.is_none_or(|old| old.state != state);
        match self {
            Self::Sent => {
                new.state.was_accepted() && !old.is_some_and(|old| old.state.was_accepted())
            }
            Self::Delivered => entered(State::Delivered),
            // A bounce that can be an automatic reply is replaced by one that cannot.
            Self::Bounced => {
                new.state == State::Bounced
                    && !old.is_some_and(|old| {
                        old.state == State::Bounced
                            && (old.feedback_at, &old.feedback) == (new.feedback_at, &new.feedback)
                    })
            }
            Self::Rejected => entered(State::Rejected),
            Self::Complained => entered(State::Complained),
            Self::Dead => entered(State::Failed) || entered(State::Unknown),
            Self::Suppressed => entered(State::Suppressed),
        }
    }

    /// When it happened, and why.
    fn moment(self, new: &Written) -> (Option<OffsetDateTime>, Option<&String>) {
        match self {
            Self::Sent => (new.sent_at, None),
            Self::Delivered | Self::Bounced | Self::Rejected | Self::Complained => {
                (new.feedback_at, new.feedback.as_ref())
            }
            Self::Dead | Self::Suppressed => (new.failed_at, new.error_code.as_ref()),
        }
    }
}

/// What events are made of, of an entry of the ledger as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Written {
    pub job_id: JobId,
    pub state: State,
    pub attempts: Option<u32>,
    pub template: Option<String>,
    /// Older entries have it as `message_id`.
    #[serde(alias = "message_id")]
    pub ses_message_id: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub sent_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub feedback_at: Option<OffsetDateTime>,
    pub feedback: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_at: Option<OffsetDateTime>,
    pub error_code: Option<String>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// The same whenever the event is sent again.
    pub id: String,
    #[serde(skip)]
    pub kind: Kind,
    pub job_id: JobId,
    /// A later event of the job may have been written already: then it is that event's.
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ses_message_id: Option<String>,
    /// When it happened, in RFC 3339.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub at: Option<OffsetDateTime>,
    /// The code of the dead letter, or the type of the bounce or complaint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The events that follow from a write, in their order.
pub fn announcements(old: Option<&Written>, new: &Written) -> Vec<Announcement> {
    let follows = Kind::ALL.into_iter().filter(|kind| kind.follows(old, new));
    follows.map(|kind| announcement(kind, new)).collect()
}

fn announcement(kind: Kind, new: &Written) -> Announcement {
    let (at, cause) = kind.moment(new);
    Announcement {
        id: id(kind, new, at),
        kind,
        job_id: new.job_id.clone(),
        state: new.state,
        template: new.template.clone(),
        attempts: new.attempts,
        ses_message_id: new.ses_message_id.clone(),
        at,
        cause: cause.cloned(),
    }
}

/// The time distinguishes the deaths of a job that was redriven. An entry has it for every kind; without it, the id is
/// still the same each time.
fn id(kind: Kind, new: &Written, at: Option<OffsetDateTime>) -> String {
    let at = at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
    format!("{}:{}:{at}", new.job_id, kind.as_str())
}

#[cfg(test)]
mod tests;
