//! The index of the enrollments that are not known to be finished, as the resumer reads it.
//!
//! Keys and items are taken as they are stored. One that no version of the code can read is a value here
//! and not an error, so that it cannot stand in the way of the others.

use std::{future::Future, ops::Range, time::Duration};

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{course::CourseId, enrollment::Enrollment, enrollment_id::EnrollmentId};

/// An enrollment that is overdue for longer is reported (`enrollments_overdue`).
pub const LATE_AFTER: Duration = Duration::from_hours(1);

/// A key of the index, exactly as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueKey {
    pub student_id: String,
    pub course_id: String,
    /// A number: seconds since 1970.
    pub resume_at: String,
}

impl OverdueKey {
    /// `None` if it is not a whole number of seconds in the range of dates.
    pub fn since(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.resume_at.parse().ok()?).ok()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverduePage {
    /// The longest overdue first.
    pub keys: Vec<OverdueKey>,
    /// After which key the next page begins; `None` if this page is the last one.
    pub next: Option<OverdueKey>,
}

pub trait FindOverdue {
    /// The shards of payments that are in progress or are paid back.
    const PAYMENT_SHARDS: Range<u8>;

    /// The shards of everything else, and of payments that an earlier version wrote.
    const OTHER_SHARDS: Range<u8>;

    /// A page of one shard's keys whose `resume_at` is not after `now`, from the first or from the one
    /// after `after`. It may lag behind the table.
    fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        after: Option<&OverdueKey>,
    ) -> impl Future<Output = Result<OverduePage, Unavailable>> + Send;
}

/// The item of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and a few at a time")]
pub enum Unfinished {
    Readable(Overdue),
    /// It is deleted, finished, or no longer overdue.
    Gone,
    /// No enrollment can be read from it. The ids are given if they can be read.
    Unreadable {
        enrollment_id: Option<EnrollmentId>,
        course_id: Option<CourseId>,
        /// With the item's own `resume_at`.
        key: OverdueKey,
    },
}

/// An enrollment that is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    pub enrollment: Enrollment,
    /// With the item's own `resume_at`.
    pub key: OverdueKey,
    /// Attempts in a row that failed by this item's own fault.
    pub failures: u32,
    /// When it first was overdue, before it was put off for failures.
    pub since: OffsetDateTime,
}

pub trait ReadOverdue {
    /// `Err`: the table did not respond.
    fn read_overdue(
        &self,
        key: &OverdueKey,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Unfinished, Unavailable>> + Send;
}

/// Why an item is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It failed by its own fault, so many times in a row.
    Failures(u32),
    /// A dependency may be down.
    Outage,
    Unreadable,
}

pub trait PutOff {
    /// Makes an item overdue again at `until`, if its `resume_at` is still the key's. Returns whether it was.
    /// Only the cause is written beside it, so it also works for an item that cannot be read. Saving or
    /// finishing the enrollment removes the cause.
    fn put_off(
        &self,
        key: &OverdueKey,
        until: OffsetDateTime,
        cause: Cause,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

pub trait MakeDue {
    /// Makes an unfinished item overdue at `now`, and forgets its failures. Returns whether it is unfinished.
    /// It works for an item that cannot be read, too. The version stays the same: nothing of the enrollment
    /// changes but the time of its next attempt.
    fn make_due(
        &self,
        student_id: &str,
        course_id: &str,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_key_is_read_if_it_is_one() {
        let since = |resume_at: &str| {
            let (student_id, course_id) = ("s-1".to_owned(), "rust-101".to_owned());
            OverdueKey { student_id, course_id, resume_at: resume_at.to_owned() }.since()
        };
        assert_eq!(since("60"), OffsetDateTime::from_unix_timestamp(60).ok());
        for resume_at in ["", "soon", "1.5", "999999999999999999"] {
            assert_eq!(since(resume_at), None, "{resume_at:?}");
        }
    }
}
