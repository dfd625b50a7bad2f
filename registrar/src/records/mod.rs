//! Reads the sends of a log: the worker's log lines in any envelope, or CSV with times.
//!
//! Every mention of [`EVENT`] is either read or an error: a send is never left out. It reads a million
//! lines in well under a second: it looks only at lines that contain [`EVENT`] or may hide it, and parses
//! only those of them that a scanner cannot read.

mod brackets;
mod csv;
mod failure;
mod json;
mod log;
mod reader;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, BufRead},
};

use pacer::audit::Arrival;

use self::{log::EVENT, reader::Reader};

/// The detected format of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JSON objects, usually one per line, with any text around them.
    JsonLines,
    /// Log lines in envelopes: what the AWS command line prints, or what a subscription delivers.
    LogEvents,
    /// One time per line, or a start and an end.
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines => "JSON log lines",
            Self::LogEvents => "log events",
            Self::Csv => "CSV",
        })
    }
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no send records: neither a log line with the event \"{EVENT}\" nor CSV with times")]
    NoRecords,
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        problem: String,
    },
    /// A log event of a document.
    #[error("log event {event}: {problem}")]
    Event {
        /// Counted from 1.
        event: usize,
        problem: String,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub struct Records {
    /// In nanoseconds since 1970.
    pub arrivals: Vec<Arrival>,
    /// Number of lines, log events or elements of an array that are not about a send.
    pub skipped: usize,
    pub format: Format,
}

impl Records {
    /// Reads all of `input`, and detects its format.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadError> {
        Reader::new().read(&mut input)
    }
}
