//! The resumer: each minute, finishes the enrollments that a crash or an outage left half done.

pub mod sweep;

pub use sweep::{Report, sweep};
