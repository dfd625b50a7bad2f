//! The rules of the email path: the queue's contract, the outcomes of an attempt, and when to retry.
//!
//! This crate knows nothing of AWS, Lambda or the provider's error codes. It has traits for the
//! [ledger](ledger::Ledger), the [mailer](mailer::Mailer), the [dead
//! letters](dead_letter::DeadLetters), the [holds](hold::HoldRecord) and the
//! [suppressions](suppression::Suppressions). The adapters are elsewhere; the module `testing` has all
//! of them in memory.

pub mod address;
pub mod announcement;
pub mod dead_letter;
pub mod deadline;
pub mod feedback;
pub mod guarantee;
pub mod hold;
pub mod job;
pub mod ledger;
pub mod locale;
pub mod mailer;
pub mod message;
pub mod queue;
pub mod request_time;
pub mod retry;
pub mod sender;
pub mod suppression;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;

pub use address::EmailAddress;
pub use job::{Job, JobId};
pub use locale::Locale;
pub use message::{Message, Subject};
pub use sender::{Sender, SenderName};
