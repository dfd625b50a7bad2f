//! The pages. Each renders itself from facts, so its test needs no stack.

pub(super) mod about;
pub(super) mod emails;
pub(super) mod enrollments;
pub(super) mod holds;
pub(super) mod jobs;
pub(super) mod letters;
pub(super) mod overview;
