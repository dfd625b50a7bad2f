//! The feedback function. It handles SES's events about accepted emails: it suppresses recipients after
//! a permanent bounce or a complaint, and records the event in the ledger.

pub mod batch;
pub mod config;
pub mod deployed;
pub mod event;
pub mod handler;

pub use batch::Receiver;
pub use config::Config;
