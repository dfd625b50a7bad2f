//! A limit that an operator has lowered. The worker sends at the lowest of the deployed limit, the account's rate and
//! this one.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::record::Holds;

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

/// How long a lowered limit, or the hold of a template, may last without an end before it counts as forgotten.
pub const FORGOTTEN: Duration = Duration::from_hours(24);

impl Holds {
    /// For how long the limit has been lowered. `None` if it is not, or if it ends by itself.
    pub fn lowered_without_end(&self, now: OffsetDateTime) -> Option<Duration> {
        let lowered = self.lowered.as_ref().filter(|lowered| lowered.until.is_none())?;
        Some(Duration::try_from(now - lowered.since).unwrap_or_default())
    }

    /// The lowered limit, unless its time is over.
    pub fn lowered_at(&self, now: OffsetDateTime) -> Option<&LoweredLimit> {
        self.lowered.as_ref().filter(|lowered| !lowered.is_over(now))
    }

    /// With this limit, in place of any lowered one before.
    pub(super) fn lowered_to(&self, lowered: &LoweredLimit) -> Self {
        Self { lowered: Some(lowered.clone()), ..self.next() }
    }

    /// `None` if the limit is not lowered.
    pub(super) fn limit_reset(&self) -> Option<Self> {
        self.lowered.is_some().then(|| Self { lowered: None, ..self.next() })
    }
}
