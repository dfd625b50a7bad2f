//! Reading send records: the worker's log lines, CloudWatch Logs exports, CSV of moments.
//!
//! A million lines are read in well under a second, which is why only lines that mention
//! [`EVENT`] are looked at, and those are parsed in full only where a glance does not do.

mod csv;
mod log;

use std::{
    borrow::Cow,
    fmt,
    io::{self, BufRead},
};

use log::LogReader;
use memchr::memmem::Finder;
use pacer::audit::Arrival;
use serde::Deserialize;

/// The `event` of the worker's log line about one attempt.
const EVENT: &str = "send_attempt";

/// What the input turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line, with anything in front of it.
    JsonLines,
    /// A JSON document with log events, as the AWS command line prints.
    LogEvents,
    /// One moment a line, or a start and an end.
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
    /// The input itself.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It was read, and held nothing to audit.
    #[error("no send records: no log line with the event \"{EVENT}\", and no CSV of moments")]
    NoRecords,
    /// A line that cannot be understood.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A log event, of a document of them, that cannot be understood.
    #[error("log event {event}: {problem}")]
    Event {
        /// Counted from 1.
        event: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// The sends of a log.
#[derive(Debug, PartialEq, Eq)]
pub struct Records {
    /// When each arrived, in nanoseconds since 1970.
    pub arrivals: Vec<Arrival>,
    /// Lines or log events about something else.
    pub skipped: usize,
    /// What the input turned out to be.
    pub format: Format,
}

impl Records {
    /// Reads all of `input`, in whichever format it is.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadError> {
        let records = if is_log_events(input.fill_buf()?) {
            let mut document = Vec::new();
            input.read_to_end(&mut document)?;
            Self::from_log_events(&document)?
        } else {
            Self::from_lines(input)?
        };
        if records.arrivals.is_empty() { Err(ReadError::NoRecords) } else { Ok(records) }
    }

    /// Takes lines for CSV until one mentions a send, which makes all of them log lines: a log may
    /// begin with lines that are not JSON.
    fn from_lines(mut input: impl BufRead) -> Result<Self, ReadError> {
        let (mentions_event, reader) = (Finder::new(EVENT), LogReader::new());
        let mut records = Self::empty(Format::Csv);
        let mut not_csv = None;
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            if input.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let line = bytes.trim_ascii();
            let at_line = |problem| ReadError::Line { line: number, problem };
            if mentions_event.find(line).is_some() {
                records.turn_into_log(number);
                records.take_log_line(line, &reader).map_err(at_line)?;
            } else if records.format == Format::JsonLines || line.is_empty() {
                records.skipped += usize::from(!line.is_empty());
            } else if not_csv.is_none() {
                not_csv = records.take_csv_line(line, number).map_err(at_line).err();
            }
        }
        match not_csv {
            Some(error) if records.format == Format::Csv => Err(error),
            _ => Ok(records),
        }
    }

    fn from_log_events(document: &[u8]) -> Result<Self, ReadError> {
        let mut records = Self::empty(Format::LogEvents);
        let reader = LogReader::new();
        let mut number = 0;
        for page in serde_json::Deserializer::from_slice(document).into_iter::<Page<'_>>() {
            let page = page.map_err(|error| ReadError::Line {
                line: error.line(),
                problem: format!("not a page of log events: {error}"),
            })?;
            for event in &page.events {
                number += 1;
                if !event.message.contains(EVENT) {
                    records.skipped += 1;
                    continue;
                }
                records
                    .take_log_line(event.message.as_bytes(), &reader)
                    .map_err(|problem| ReadError::Event { event: number, problem })?;
            }
        }
        Ok(records)
    }

    const fn empty(format: Format) -> Self {
        Self { arrivals: Vec::new(), skipped: 0, format }
    }

    /// What came before the `number`th line was no CSV after all, but part of a log.
    fn turn_into_log(&mut self, number: usize) {
        if self.format == Format::Csv {
            *self = Self::empty(Format::JsonLines);
            self.skipped = number - 1;
        }
    }

    fn take_log_line(&mut self, line: &[u8], reader: &LogReader) -> Result<(), String> {
        match reader.arrival(line)? {
            Some(arrival) => self.arrivals.push(arrival),
            None => self.skipped += 1,
        }
        Ok(())
    }

    fn take_csv_line(&mut self, line: &[u8], number: usize) -> Result<(), String> {
        // Names of columns, not moments.
        if number == 1 && !line.iter().any(u8::is_ascii_digit) {
            self.skipped += 1;
            return Ok(());
        }
        if line.contains(&b'{') {
            return Err(format!("neither a moment nor a log line with the event \"{EVENT}\""));
        }
        self.arrivals.push(csv::arrival(line)?);
        Ok(())
    }
}

/// What `aws logs filter-log-events` and `get-log-events` print.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<LogEvent<'a>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Whether it begins as an object whose first key is `events`.
fn is_log_events(input: &[u8]) -> bool {
    let rest = input.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
    rest.trim_ascii_start().starts_with(b"\"events\"")
}

/// Log lines of the worker, with the fields of an event nested and flat.
#[cfg(test)]
mod samples {
    pub(super) const NESTED: &str = r#"{"timestamp":"2026-11-01T00:00:00Z","level":"INFO","fields":{"message":"sent","event":"send_attempt","job_id":"a","started_at_us":1761955200000001,"ended_at_us":1761955200060002,"outcome":"accepted"},"target":"email_worker"}"#;
    pub(super) const FLAT: &str = r#"{"level":"INFO","event":"send_attempt","job_id":"\u00e9","started_at_us":1,"ended_at_us":2,"outcome":"transient"}"#;
}

#[cfg(test)]
mod tests {
    use super::{
        samples::{FLAT, NESTED},
        *,
    };

    fn arrival(start: i64, end: i64) -> Arrival {
        Arrival::between(start, end).unwrap()
    }

    fn parse(input: &str) -> Records {
        Records::read(input.as_bytes()).unwrap()
    }

    fn error(input: &str) -> String {
        Records::read(input.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn log_lines_nested_or_flat_among_others() {
        let records = parse(&format!(
            "START RequestId: 1\n{NESTED}\r\n\n{FLAT}\n{{\"message\":\"no send_attempt here\"}}\n"
        ));
        assert_eq!(
            records,
            Records {
                arrivals: vec![
                    arrival(1_761_955_200_000_001_000, 1_761_955_200_060_002_000),
                    arrival(1000, 2000)
                ],
                skipped: 2,
                format: Format::JsonLines
            }
        );
    }

    #[test]
    fn text_around_the_json_is_ignored() {
        let input = format!("2026-11-01T00:00:00.000Z {FLAT}\nEVENTS\t36\ta\t{FLAT}\t17619\n");
        assert_eq!(parse(&input).arrivals, [arrival(1000, 2000); 2]);
    }

    #[test]
    fn pages_of_log_events() {
        let event = |message: &str| {
            format!(
                "{{\n \"logStreamName\": \"2026/11/01/[$LATEST]a\",\n \"timestamp\": 1,\n \
                 \"message\": {}\n}}",
                serde_json::to_string(message).unwrap()
            )
        };
        let page = |events: &str| format!("{{\n \"events\": [{events}],\n \"nextToken\": \"n\"}}");
        let records = parse(&format!(
            "{}\n{}",
            page(&[event("START\n"), event(NESTED)].join(",")),
            page(&event(FLAT))
        ));
        assert_eq!(records.format, Format::LogEvents);
        assert_eq!((records.arrivals.len(), records.skipped), (2, 1));
    }

    #[test]
    fn csv_of_points_and_of_spans_with_a_header() {
        let records = parse("start,end\n1761955200,1761955201\n\"1761955202\"\n\n");
        assert_eq!(records.format, Format::Csv);
        let second = 1_000_000_000;
        assert_eq!(
            records.arrivals,
            [
                arrival(1_761_955_200 * second, 1_761_955_201 * second),
                arrival(1_761_955_202 * second, 1_761_955_202 * second)
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (input, expected) in [
            ("", "no send records"),
            ("level\n", "no send records"),
            (r#"{"level":"INFO"}"#, "no send records"),
            ("1\n{\"level\":1}", "line 2: neither a moment nor a log line"),
            ("1761955200\nyesterday1\n", "line 2: \"yesterday1\" is neither RFC 3339 nor"),
            ("1,2,3", "line 1: more than two columns"),
            ("2,1", "line 1: ends before it starts"),
            ("1.2.3", "line 1: \"1.2.3\" is neither"),
            ("9223372036854775807.5.1", "line 1: \"9223372036854775807.5.1\" is neither"),
            ("send_attempt", "line 1: mentions a send, but is not JSON"),
            ("\n{\"event\":\"send_attempt\"", "line 2: mentions a send, but is not a log line: "),
            (r#"{"event":"send_attempt","ended_at_us":2}"#, "line 1: a send without started_at_us"),
            (r#"{"event":"send_attempt","started_at_us":2}"#, "line 1: a send without ended_at_us"),
            (
                r#"{"event":"send_attempt","started_at_us":2,"ended_at_us":1}"#,
                "line 1: ends before it starts",
            ),
            (
                r#"{"event":"send_attempt","started_at_us":9223372036854775807,"ended_at_us":1}"#,
                "line 1: started_at_us is out of range",
            ),
            (r#"{"events":[{"message":1}]}"#, "line 1: not a page of log events: "),
            (
                r#"{"events":[{"message":"a"},{"message":"{\"event\":\"send_attempt\"}"}]}"#,
                "log event 2: a send without started_at_us",
            ),
        ] {
            assert!(error(input).starts_with(expected), "{input}: {}", error(input));
        }
    }
}
