//! What an operator may do without stopping everything: hold single templates, and lower the limit. The event source
//! stays on, so a worker receives the jobs of a held template and returns them.

use std::time::Duration;

use time::OffsetDateTime;

use super::{
    lowered::LoweredLimit,
    record::{Holds, OperatorHold},
};

/// How long a lowered limit, or the hold of a template, may last without an end before it counts as forgotten.
pub const FORGOTTEN: Duration = Duration::from_hours(24);

impl Holds {
    /// Whether jobs of this template wait.
    pub fn holds_template(&self, template: &str, now: OffsetDateTime) -> bool {
        self.templates.get(template).is_some_and(|hold| !hold.is_over(now))
    }

    /// For how long a template has been held, the longest. `None` if none is, or if each ends by itself.
    pub fn template_held_without_end(&self, now: OffsetDateTime) -> Option<Duration> {
        let holds = self.templates.values().filter(|hold| hold.until.is_none());
        holds.map(|hold| Duration::try_from(now - hold.since).unwrap_or_default()).max()
    }

    /// With a hold of this template, in place of any before.
    pub(super) fn template_held(&self, template: &str, hold: &OperatorHold) -> Self {
        let mut next = self.next();
        next.templates.insert(template.to_owned(), hold.clone());
        next
    }

    /// `None` if the template is not held.
    pub(super) fn template_released(&self, template: &str) -> Option<Self> {
        let mut next = self.next();
        next.templates.remove(template)?;
        Some(next)
    }

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
