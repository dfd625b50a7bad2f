//! The resumer: each minute, finishes enrollments that a crash or an outage left half done, and looks
//! after the holds of emails.

pub mod holds;
pub mod provider;
pub mod sweep;

pub use sweep::{Report, sweep};
