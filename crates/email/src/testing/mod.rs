//! In-memory implementations of this crate's ports, for tests. Behind the feature `testing`.
//!
//! Each store accepts and refuses the same writes as its DynamoDB adapter. So a lost update, or a write by a
//! claim that has ended, shows in tests. [`Calls`] decides which calls fail and how long they take.

pub mod calls;
pub mod contract;
pub mod dead_letters;
pub mod excuse;
pub mod holds;
pub mod ledger;
pub mod mailer;
pub mod provider;
pub mod services;
pub mod suppressions;

pub use calls::{Call, Calls, Fate};
pub use dead_letters::{KeptLetter, MemoryDeadLetters};
pub use excuse::{FirstEmail, second_email_is_excused};
pub use holds::{MemoryEventSource, MemoryHolds};
pub use ledger::{MemoryLedger, Row, Rows};
pub use mailer::MemoryMailer;
pub use provider::MemoryProvider;
pub use services::{
    queue_refusal, ses_address_refusal, ses_header_refusal, ses_mailbox_refusal,
    ses_request_refusal, ses_tag_refusal, sqs_refusal,
};
pub use suppressions::MemorySuppressions;
