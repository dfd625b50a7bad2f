//! What is known about a deployed stack.

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    account::Account,
    dead_letters::FoundLetter,
    enrollments,
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
    /// `None` if the operator may not read them.
    pub(crate) unfinished: Option<Unfinished>,
    /// Some dead letters, the last ones first. Empty if the operator may not read them.
    pub(crate) recent_failures: Vec<FoundLetter>,
    /// Those that are in alarm.
    pub(crate) alarms: Vec<Alarm>,
}

/// Numbers of enrollments that are not finished. If some were not counted, there are at least so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// They need a person, also those that cannot be read.
    pub(crate) stuck: usize,
    pub(crate) overdue: usize,
    /// Of those overdue: for over an hour.
    pub(crate) late: usize,
    /// Only the first page of each shard is counted.
    pub(crate) all_counted: bool,
}

impl Unfinished {
    pub(crate) fn count(found: &enrollments::Unfinished, now: OffsetDateTime) -> Self {
        let count = |is: &dyn Fn(&enrollments::Listed) -> bool| {
            found.enrollments.iter().filter(|listed| is(listed)).count()
        };
        Self {
            stuck: count(&|listed| listed.needs_a_person()),
            overdue: count(&|listed| listed.is_overdue(now)),
            late: count(&|listed| listed.is_late(now)),
            all_counted: !found.more,
        }
    }
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
