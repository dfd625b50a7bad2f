//! The resumer: every minute, finishes the enrollments that a crash or an outage left unfinished.

pub mod config;
pub mod deployed;
pub mod handler;
pub mod sweep;

pub use config::Config;
pub use sweep::{Report, sweep};
