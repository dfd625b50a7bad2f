//! The worker's log line for one attempt.

use std::borrow::Cow;

use memchr::{memchr, memmem::Finder};
use pacer::audit::Arrival;
use serde::Deserialize;

/// The `event` of the worker's log line for one attempt.
pub(super) const EVENT: &str = "send_attempt";

const NANOS_PER_MICRO: i64 = 1_000;

/// Reads log lines that contain [`EVENT`].
pub(super) struct LogReader(AttemptScanner);

impl LogReader {
    pub(super) fn new() -> Self {
        Self(AttemptScanner::new())
    }

    /// Reads the first JSON object of a line, and ignores the text around it. Returns `None` if the
    /// line is not about an attempt.
    pub(super) fn arrival(&self, line: &[u8]) -> Result<Option<Arrival>, String> {
        let start = memchr(b'{', line).ok_or("mentions a send, but is not JSON")?;
        let json = &line[start..];
        let attempt = match self.0.scan(json) {
            Some(attempt) => Some(attempt),
            None => parsed(json)
                .map_err(|error| format!("mentions a send, but is not a log line: {error}"))?,
        };
        attempt.map(|attempt| attempt.arrival()).transpose()
    }
}

fn parsed(json: &[u8]) -> serde_json::Result<Option<Fields<'_>>> {
    let mut json = serde_json::Deserializer::from_slice(json);
    LogLine::deserialize(&mut json).map(LogLine::into_attempt)
}

/// A log line. The event's fields are in `fields` or at the top level.
#[derive(Deserialize)]
struct LogLine<'a> {
    #[serde(borrow)]
    fields: Option<Fields<'a>>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    started_at_us: Option<i64>,
    ended_at_us: Option<i64>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    started_at_us: Option<i64>,
    ended_at_us: Option<i64>,
}

impl<'a> LogLine<'a> {
    fn into_attempt(self) -> Option<Fields<'a>> {
        let Self { fields, event, started_at_us, ended_at_us } = self;
        [fields, Some(Fields { event, started_at_us, ended_at_us })]
            .into_iter()
            .flatten()
            .find(|fields| fields.event.as_deref() == Some(EVENT))
    }
}

impl Fields<'_> {
    fn arrival(&self) -> Result<Arrival, String> {
        let start = nanos_of(self.started_at_us, "started_at_us")?;
        let end = nanos_of(self.ended_at_us, "ended_at_us")?;
        Arrival::between(start, end).ok_or_else(|| "ends before it starts".into())
    }
}

fn nanos_of(micros: Option<i64>, name: &str) -> Result<i64, String> {
    let micros = micros.ok_or_else(|| format!("a send without {name}"))?;
    micros.checked_mul(NANOS_PER_MICRO).ok_or_else(|| format!("{name} is out of range"))
}

/// Finds the fields of an attempt in the bytes of its line, several times faster than a JSON parser.
struct AttemptScanner {
    event: Finder<'static>,
    started_at: Finder<'static>,
    ended_at: Finder<'static>,
}

impl AttemptScanner {
    fn new() -> Self {
        Self {
            event: Finder::new(br#""event":"#),
            started_at: Finder::new(br#""started_at_us":"#),
            ended_at: Finder::new(br#""ended_at_us":"#),
        }
    }

    /// Returns `None` if only a parser can read the object.
    fn scan(&self, json: &[u8]) -> Option<Fields<'static>> {
        let event = value(json, &self.event)?.strip_prefix(b"\"")?;
        let is_attempt = event.strip_prefix(EVENT.as_bytes())?.first() == Some(&b'"');
        (is_attempt && json.last() == Some(&b'}')).then_some(())?;
        Some(Fields {
            event: Some(Cow::Borrowed(EVENT)),
            started_at_us: Some(number(value(json, &self.started_at)?)?),
            ended_at_us: Some(number(value(json, &self.ended_at)?)?),
        })
    }
}

/// Returns the bytes after a key that occurs exactly once. `"key":` cannot be part of a string, where a
/// backslash precedes each quote.
fn value<'a>(json: &'a [u8], key: &Finder<'_>) -> Option<&'a [u8]> {
    let value = &json[key.find(json)? + key.needle().len()..];
    key.find(value).is_none().then(|| value.trim_ascii_start())
}

/// Reads an integer of at most 18 digits, if it is the whole value.
fn number(value: &[u8]) -> Option<i64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = matches!(value.get(digits), Some(b',' | b'}'));
    (ends && (1..=18).contains(&digits)).then(|| {
        value[..digits].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    // Log lines of the worker, with the fields of an event nested and flat.
    pub(in crate::records) const NESTED: &str = r#"{"timestamp":"2026-11-01T00:00:00Z","level":"INFO","fields":{"message":"sent","event":"send_attempt","job_id":"a","started_at_us":1761955200000001,"ended_at_us":1761955200060002,"outcome":"accepted"},"target":"email_worker"}"#;
    pub(in crate::records) const FLAT: &str = r#"{"level":"INFO","event":"send_attempt","job_id":"\u00e9","started_at_us":1,"ended_at_us":2,"outcome":"transient"}"#;

    #[test]
    fn scanner_returns_the_same_as_the_parser() {
        // A key within a string is not a key.
        let quoted = FLAT.replace("u00e9", "\"started_at_us\\\":7,");
        for line in [NESTED, FLAT, &FLAT.replace(':', ": "), &quoted] {
            let parsed = parsed(line.as_bytes()).unwrap();
            assert!(parsed.is_some());
            assert_eq!(AttemptScanner::new().scan(line.as_bytes()), parsed, "{line}");
        }
    }

    #[test]
    fn scanner_returns_none_if_it_is_not_sure() {
        for (from, to) in [
            ("send_attempt\"", "send_attempts\""),
            ("\"started_at_us\":1", "\"started_at_us\":1.5"),
            ("\"started_at_us\":1", "\"started_at_us\":-1"),
            ("\"started_at_us\":1", "\"started_at_us\":null"),
            ("\"started_at_us\":1", "\"started_at_us\":1,\"a\":{\"started_at_us\":3}"),
            ("\"started_at_us\":1", "\"started_at_us\":1234567890123456789"),
            ("}", "} and more"),
        ] {
            let line = FLAT.replace(from, to);
            assert_ne!(line, FLAT);
            assert_eq!(AttemptScanner::new().scan(line.as_bytes()), None, "{line}");
        }
    }
}
