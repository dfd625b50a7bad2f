//! The resumer: every minute, finishes the enrollments that a crash or an outage left unfinished.

pub mod config;
pub mod deployed;
pub mod handler;
mod hour;
pub mod lines;
pub mod report;
mod step;
pub mod sweep;

pub use config::Config;
pub use report::Report;
pub use sweep::sweep;
