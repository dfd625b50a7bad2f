//! What the world keeps of the index and of the queue.

use time::OffsetDateTime;

/// What the item of an enrollment has beside the enrollment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) since: OffsetDateTime,
}

/// An item that is in the index and is not an enrollment.
#[derive(Debug, Clone)]
pub(super) struct Unreadable {
    pub(super) student_id: String,
    pub(super) course_id: String,
    pub(super) resume_at: String,
    pub(super) shard: u8,
}

/// What the queue does with a job of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFault {
    /// It refuses the job.
    Refused,
    /// It does not respond.
    Unavailable,
}
