//! Server B's rules: the queue's contract, what an attempt to send can come to, and when to try again.
//!
//! Nothing here knows of AWS or Lambda. Adapters for the [ledger](ledger::Ledger), the
//! [mailer](mailer::Mailer), the [dead letters](dead_letter::DeadLetters), the
//! [holds](hold::HoldRecord) and the [suppressions](suppression::Suppressions) live elsewhere.

pub mod address;
pub mod dead_letter;
pub mod feedback;
pub mod guarantee;
pub mod hold;
pub mod job;
pub mod ledger;
pub mod mailer;
pub mod message;
pub mod retry;
pub mod suppression;
#[cfg(feature = "testing")]
pub mod testing;

pub use address::EmailAddress;
pub use job::{Job, JobId};
pub use message::{Message, Subject};
