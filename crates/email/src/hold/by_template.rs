//! Holds of single templates: only their jobs wait, and all others are sent. The event source stays on, so a worker
//! receives these jobs and returns them.

use std::time::Duration;

use time::OffsetDateTime;

use super::record::{Holds, OperatorHold};

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
}
