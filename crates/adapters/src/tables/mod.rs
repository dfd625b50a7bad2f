//! The DynamoDB tables, one module per table.

#[cfg(feature = "enrollment")]
mod catalogue;
#[cfg(feature = "enrollment")]
mod courses;
#[cfg(feature = "enrollment")]
mod enrollment_reads;
#[cfg(feature = "enrollment")]
mod enrollments;
#[cfg(feature = "enrollment")]
mod held_seats;
mod holds;
mod item;
mod job_search;
mod ledger;
#[cfg(feature = "enrollment")]
mod listing;
#[cfg(feature = "enrollment")]
mod price_changes;
mod progress;
mod recipient;
mod resume_index;
#[cfg(feature = "enrollment")]
mod roster;
#[cfg(feature = "enrollment")]
mod seats;
mod suppressions;
#[cfg(feature = "enrollment")]
mod transaction;
#[cfg(feature = "enrollment")]
mod unfinished;

#[cfg(feature = "enrollment")]
pub use catalogue::CatalogueTables;
#[cfg(feature = "enrollment")]
pub use courses::CoursesTable;
#[cfg(feature = "enrollment")]
pub use enrollment_reads::EnrollmentReads;
#[cfg(feature = "enrollment")]
pub use enrollments::EnrollmentsTable;
pub use holds::HoldsTable;
pub use job_search::{ENTRIES_PER_PAGE, FoundJob, JobFilter, JobPage, JobSearch};
pub use ledger::EmailsTable;
#[cfg(feature = "enrollment")]
pub use price_changes::PriceChangesTable;
pub use progress::{Progress, ProgressTable};
pub use resume_index::{
    IndexKey, IndexPage, OTHER_SHARDS, PAYMENT_SHARDS, ResumeIndex, UnfinishedItem,
};
pub use suppressions::{Suppressed, SuppressionsTable};
