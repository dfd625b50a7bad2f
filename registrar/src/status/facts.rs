//! What is known about a deployed stack.

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    account::Account,
    dead_letters::FoundLetter,
    sending::{Depth, Sending},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) stack: String,
    pub(crate) now: OffsetDateTime,
    pub(crate) api: Api,
    pub(crate) sending: Sending,
    /// `None` if SES did not respond.
    pub(crate) account: Option<Account>,
    /// The account's emails per minute, in the last minutes. `None` if CloudWatch has no figure.
    pub(crate) sent_per_minute: Option<f64>,
    pub(crate) dead_letters: Depth,
    pub(crate) feedback_dead_letters: Depth,
    /// Some dead letters, the last ones first. Empty if the operator may not read them.
    pub(crate) recent_failures: Vec<FoundLetter>,
    /// Those that are in alarm.
    pub(crate) alarms: Vec<Alarm>,
}

/// The response to a health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Api {
    Responded { status: u16, milliseconds: u64 },
    Silent { error: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Alarm {
    /// As in the template.
    pub(crate) name: String,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) since: Option<OffsetDateTime>,
    /// The alarm's description: what happened, and where to look.
    pub(crate) about: String,
}
