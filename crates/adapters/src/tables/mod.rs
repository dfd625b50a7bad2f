//! The DynamoDB tables, one module per table.

#[cfg(feature = "enrollment")]
mod courses;
#[cfg(feature = "enrollment")]
mod enrollments;
mod holds;
mod item;
mod ledger;
mod progress;
mod resume_index;
mod suppressions;
#[cfg(feature = "enrollment")]
mod unfinished;

#[cfg(feature = "enrollment")]
pub use courses::CoursesTable;
#[cfg(feature = "enrollment")]
pub use enrollments::EnrollmentsTable;
pub use holds::HoldsTable;
pub use ledger::EmailsTable;
pub use progress::{Progress, ProgressTable};
pub use resume_index::{
    IndexKey, IndexPage, OTHER_SHARDS, PAYMENT_SHARDS, ResumeIndex, UnfinishedItem,
};
pub use suppressions::{Suppressed, SuppressionsTable};
