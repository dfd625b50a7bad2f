//! The feedback function: takes what SES tells of emails after it accepted them, suppresses recipients
//! who may not be written to again, and moves the ledger on.

pub mod batch;
pub mod config;
pub mod event;
pub mod handler;

pub use batch::Receiver;
pub use config::Config;
