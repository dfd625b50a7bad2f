//! One moment of a stack.

use time::OffsetDateTime;

use crate::{
    account::Account,
    sending::{Depth, Sending},
};

use super::figure::Measured;

/// A part is `None` if its call failed; `failures` then says why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at: OffsetDateTime,
    pub(crate) sending: Option<Sending>,
    pub(crate) account: Option<Account>,
    pub(crate) dead_letters: Option<Depth>,
    pub(crate) feedback_dead_letters: Option<Depth>,
    /// `None` also if `CloudWatch` was not asked: it is asked less often.
    pub(crate) measured: Option<Measured>,
    /// One line per failed call. They are errors of AWS: show them with `text::on_one_line`.
    pub(crate) failures: Vec<String>,
}

impl Reading {
    /// A reading in which nothing could be read, yet.
    pub(crate) fn empty(at: OffsetDateTime) -> Self {
        Self {
            at,
            sending: None,
            account: None,
            dead_letters: None,
            feedback_dead_letters: None,
            measured: None,
            failures: Vec::new(),
        }
    }

    /// The account's emails between two readings. `None` if a count is missing, or if it fell, because the
    /// emails of a day ago left it.
    pub(super) fn sent_since(&self, earlier: &Self) -> Option<f64> {
        let sent = |reading: &Self| Some(reading.account.as_ref()?.sent_last_24_hours);
        Some(sent(self)? - sent(earlier)?).filter(|&sent| sent >= 0.0)
    }
}
