//! Reads the sends of a log: the worker's log lines in any envelope, or CSV with times.
//!
//! Every mention of [`log::EVENT`] is either read or an error: a send is never left out. It reads a million
//! lines in well under a second: it looks only at lines that contain [`log::EVENT`] or may hide it, and parses
//! only those of them that a scanner cannot read.

mod attempts;
mod brackets;
mod csv;
mod failure;
mod finders;
mod json;
mod log;
mod reader;
mod report;
#[cfg(test)]
mod tests;

pub use self::report::{Format, ReadError, Records};
