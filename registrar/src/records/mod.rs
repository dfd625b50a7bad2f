//! Reads the sends of a log: the worker's log lines, CloudWatch Logs exports, or CSV with times.
//!
//! It reads a million lines in well under a second: it looks only at lines that contain [`EVENT`], and
//! parses only those of them that a scanner cannot read.

mod csv;
mod log;
mod log_events;

use std::{
    fmt,
    io::{self, BufRead},
};

use memchr::memmem::Finder;
use pacer::audit::Arrival;

use self::log::{EVENT, LogReader};

/// The detected format of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object per line, with any text in front of it.
    JsonLines,
    /// JSON documents with log events, as the AWS command line prints them.
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
    /// Number of lines or log events that are not about a send.
    pub skipped: usize,
    pub format: Format,
}

impl Records {
    /// Reads all of `input`, and detects its format.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadError> {
        let records = if log_events::is_document(input.fill_buf()?) {
            let mut document = Vec::new();
            input.read_to_end(&mut document)?;
            Self::from_log_events(&document)?
        } else {
            Self::from_lines(input)?
        };
        if records.arrivals.is_empty() { Err(ReadError::NoRecords) } else { Ok(records) }
    }

    /// Reads lines as CSV until one contains [`EVENT`]. Then all of them are log lines: a log may begin
    /// with lines that are not JSON.
    fn from_lines(mut input: impl BufRead) -> Result<Self, ReadError> {
        let (contains_event, reader) = (Finder::new(EVENT), LogReader::new());
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
            if contains_event.find(line).is_some() {
                records.switch_to_log(number);
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
        for page in log_events::pages(document) {
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

    /// The lines before the `number`th were not CSV, but part of a log.
    fn switch_to_log(&mut self, number: usize) {
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
        // A header.
        if number == 1 && !line.iter().any(u8::is_ascii_digit) {
            self.skipped += 1;
            return Ok(());
        }
        if line.contains(&b'{') {
            return Err(format!("neither a time nor a log line with the event \"{EVENT}\""));
        }
        self.arrivals.push(csv::arrival(line)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        log::tests::{FLAT, NESTED},
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
    fn nested_and_flat_log_lines_are_read_and_others_are_skipped() {
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
    fn pages_of_log_events_are_read() {
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
    fn csv_with_one_or_two_times_per_line_is_read_and_its_header_skipped() {
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
    fn error_has_the_line_or_log_event_and_the_problem() {
        for (input, expected) in [
            ("", "no send records"),
            ("level\n", "no send records"),
            (r#"{"level":"INFO"}"#, "no send records"),
            ("1\n{\"level\":1}", "line 2: neither a time nor a log line"),
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
