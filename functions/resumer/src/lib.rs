//! The resumer: each minute, finishes enrollments that a crash or an outage left half done.

pub mod sweep;

pub use sweep::{Report, sweep};
