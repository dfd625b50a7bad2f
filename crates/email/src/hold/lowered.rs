//! A limit that an operator has lowered. The worker sends at the lowest of the deployed limit, the account's rate and
//! this one.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A lower limit, in emails per window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoweredLimit {
    /// Emails in any window.
    pub limit: NonZeroU32,
    /// The window's length when the limit was lowered. A later deployment may have another window.
    pub window_seconds: NonZeroU32,
    /// In the operator's words.
    pub reason: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When the deployed limit applies again. `None` until an operator resets it.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<OffsetDateTime>,
}

impl LoweredLimit {
    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
