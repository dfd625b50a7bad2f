//! The worker's log line about one attempt.

use std::borrow::Cow;

use memchr::{memchr, memmem::Finder};
use pacer::audit::Arrival;
use serde::Deserialize;

use super::EVENT;

const NANOS_PER_MICRO: i64 = 1_000;

/// Reads log lines that mention a send.
pub(super) struct LogReader(Glance);

impl LogReader {
    pub(super) fn new() -> Self {
        Self(Glance::new())
    }

    /// Takes the JSON of a line, wherever it begins; what follows it is of no interest. Nothing, if
    /// the line turns out to be about something else.
    pub(super) fn arrival(&self, line: &[u8]) -> Result<Option<Arrival>, String> {
        let start = memchr(b'{', line).ok_or("mentions a send, but is not JSON")?;
        let json = &line[start..];
        let attempt = match self.0.attempt(json) {
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

/// A log line, with its fields in an object of their own or beside the others.
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

/// Reads an attempt off the bytes of its line, several times faster than by parsing the line.
struct Glance {
    event: Finder<'static>,
    started_at: Finder<'static>,
    ended_at: Finder<'static>,
}

impl Glance {
    fn new() -> Self {
        Self {
            event: Finder::new(br#""event":"#),
            started_at: Finder::new(br#""started_at_us":"#),
            ended_at: Finder::new(br#""ended_at_us":"#),
        }
    }

    /// The attempt of a JSON object, or nothing if a glance is not enough to tell.
    fn attempt(&self, json: &[u8]) -> Option<Fields<'static>> {
        let event = value(json, &self.event)?.strip_prefix(b"\"")?;
        let is_ours = event.strip_prefix(EVENT.as_bytes())?.first() == Some(&b'"');
        (is_ours && json.last() == Some(&b'}')).then_some(())?;
        Some(Fields {
            event: Some(Cow::Borrowed(EVENT)),
            started_at_us: Some(number(value(json, &self.started_at)?)?),
            ended_at_us: Some(number(value(json, &self.ended_at)?)?),
        })
    }
}

/// What follows a key that occurs once. Within a string a quote has a backslash in front of it,
/// so that `"key":` cannot be a part of one.
fn value<'a>(json: &'a [u8], key: &Finder<'_>) -> Option<&'a [u8]> {
    let value = &json[key.find(json)? + key.needle().len()..];
    key.find(value).is_none().then(|| value.trim_ascii_start())
}

/// A whole number of at most 18 digits, with the end of a field behind it.
fn number(value: &[u8]) -> Option<i64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = matches!(value.get(digits), Some(b',' | b'}'));
    (ends && (1..=18).contains(&digits)).then(|| {
        value[..digits].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::samples::{FLAT, NESTED};

    #[test]
    fn a_glance_sees_what_parsing_sees() {
        // The key, as a part of a string, is none.
        let quoted = FLAT.replace("u00e9", "\"started_at_us\\\":7,");
        for line in [NESTED, FLAT, &FLAT.replace(':', ": "), &quoted] {
            let parsed = parsed(line.as_bytes()).unwrap();
            assert!(parsed.is_some());
            assert_eq!(Glance::new().attempt(line.as_bytes()), parsed, "{line}");
        }
    }

    #[test]
    fn a_glance_does_not_guess() {
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
            assert_eq!(Glance::new().attempt(line.as_bytes()), None, "{line}");
        }
    }
}
