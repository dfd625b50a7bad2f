//! The rules of the email side: the queue's contract, the outcomes of an attempt, and when to retry.
//!
//! Nothing here knows AWS, Lambda or the provider's error codes. Adapters for the [ledger](ledger::Ledger), the
//! [mailer](mailer::Mailer), the [dead letters](dead_letter::DeadLetters), the
//! [holds](hold::HoldRecord) and the [suppressions](suppression::Suppressions) live elsewhere. The module `testing` has them in memory.

pub mod address;
pub mod dead_letter;
pub mod feedback;
pub mod guarantee;
pub mod hold;
pub mod job;
pub mod ledger;
pub mod mailer;
pub mod message;
pub mod queue;
pub mod retry;
pub mod suppression;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use address::EmailAddress;
pub use job::{Job, JobId};
pub use message::{Message, Subject};
