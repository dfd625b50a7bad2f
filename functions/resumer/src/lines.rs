//! Whose fault a failure is: the item's, or that of the dependency which everything of its kind needs.
//!
//! Each kind of work has a line. If the line has served anybody in this run, and not all of the last
//! [`MAX_FAILURES_IN_A_ROW`] failed, a failure is the item's own. Otherwise it may be the dependency's, and
//! no item is blamed. A line with so many failures in a row is down for the rest of the run.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// More than that many items in a row do not fail by their own fault, as far as a run can know.
pub const MAX_FAILURES_IN_A_ROW: u32 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Item,
    Dependency,
}

#[derive(Debug, Default)]
pub(crate) struct Line {
    has_served: AtomicBool,
    failures_in_a_row: AtomicU32,
}

impl Line {
    pub(crate) fn served(&self) {
        self.has_served.store(true, Ordering::Relaxed);
        self.failures_in_a_row.store(0, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) -> Fault {
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
        if self.has_served.load(Ordering::Relaxed) && !self.is_down() {
            Fault::Item
        } else {
            Fault::Dependency
        }
    }

    pub(crate) fn is_down(&self) -> bool {
        self.failures_in_a_row.load(Ordering::Relaxed) >= MAX_FAILURES_IN_A_ROW
    }
}

/// The lines of one run.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Reading items.
    pub(crate) reads: Line,
    /// Payments and refunds, at the payment provider.
    pub(crate) payments: Line,
    /// Confirmation emails: the ledger and the email queue.
    pub(crate) emails: Line,
    /// What only the table of enrollments is needed for.
    pub(crate) writes: Line,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_the_items_own_only_if_others_are_served() {
        let line = Line::default();
        assert_eq!(line.failed(), Fault::Dependency);
        line.served();
        assert_eq!(line.failed(), Fault::Item);
        for _ in 1..MAX_FAILURES_IN_A_ROW {
            assert!(!line.is_down());
            line.failed();
        }
        assert!(line.is_down());
        assert_eq!(line.failed(), Fault::Dependency);
        line.served();
        assert!(!line.is_down());
    }
}
