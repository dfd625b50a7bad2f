//! What a run did.

use std::ops::AddAssign;

use serde::Serialize;

/// The enrollments of a run, by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Out of the index, also if an earlier run finished them.
    pub finished: usize,
    /// They wait for the provider or the student.
    pub later: usize,
    /// The payment provider refuses us; they are kept for a later run.
    pub refused: usize,
    /// An operator must look.
    pub stuck: usize,
    /// The item cannot be read; it is put off by an hour.
    pub unreadable: usize,
    /// A dependency was down, or refused the item: it is put off. A page that could not be read counts as
    /// one.
    pub failed: usize,
    /// Whether some may be left for the next run, for lack of time or because a dependency is down.
    pub left: bool,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.finished += other.finished;
        self.later += other.later;
        self.refused += other.refused;
        self.stuck += other.stuck;
        self.unreadable += other.unreadable;
        self.failed += other.failed;
        self.left |= other.left;
    }
}
