//! The feedback function: takes SES's events about emails that it accepted, suppresses recipients whose
//! mailbox is gone or who complained, and moves the ledger forward.

pub mod batch;
pub mod config;
pub mod event;
pub mod handler;

pub use batch::Receiver;
pub use config::Config;
