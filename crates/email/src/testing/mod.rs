//! The one in-memory world of this crate's ports, for tests: behind the feature `testing`.
//!
//! Each store refuses and accepts exactly what its DynamoDB adapter does, so a test sees a lost update
//! or a claim that has ended. [`Calls`] decides which calls fail and how long they take.

pub mod calls;
pub mod contract;
pub mod dead_letters;
pub mod excuse;
pub mod holds;
pub mod ledger;
pub mod mailer;
pub mod provider;
pub mod suppressions;

pub use calls::{Call, Calls, Fate};
pub use dead_letters::{KeptLetter, MemoryDeadLetters};
pub use excuse::{FirstEmail, second_email_is_excused};
pub use holds::{MemoryEventSource, MemoryHolds};
pub use ledger::{MemoryLedger, Row, Rows};
pub use mailer::MemoryMailer;
pub use provider::MemoryProvider;
pub use suppressions::MemorySuppressions;
