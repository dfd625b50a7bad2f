//! What reading a log returns.

use std::{fmt, io};

use pacer::audit::Arrival;

use super::log::EVENT;

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
    /// Number of attempts of which the log has the start and not the end, because their worker was killed.
    /// They count until their timeout.
    pub unended: usize,
    /// Number of lines, log events or elements of an array that are not about a send.
    pub skipped: usize,
    pub format: Format,
}
