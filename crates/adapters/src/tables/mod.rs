//! The DynamoDB tables, one module per table.

#[cfg(feature = "enrollment")]
mod courses;
#[cfg(feature = "enrollment")]
mod enrollments;
mod holds;
mod item;
mod ledger;
mod progress;
mod suppressions;

#[cfg(feature = "enrollment")]
pub use courses::CoursesTable;
#[cfg(feature = "enrollment")]
pub use enrollments::EnrollmentsTable;
pub use holds::HoldsTable;
pub use ledger::EmailsTable;
pub use progress::{Progress, ProgressTable};
pub use suppressions::{Suppressed, SuppressionsTable};
