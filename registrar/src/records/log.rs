//! The worker's log line for one attempt.

use memchr::{memchr, memmem::Finder};
use pacer::audit::Arrival;

/// The `event` of the worker's log line for one attempt.
pub(super) const EVENT: &str = "send_attempt";

const NANOS_PER_MICRO: i64 = 1_000;

/// An attempt between two times, in microseconds since 1970.
pub(super) fn arrival(started_at_us: i64, ended_at_us: i64) -> Result<Arrival, String> {
    let start = nanos_of(started_at_us, "started_at_us")?;
    let end = nanos_of(ended_at_us, "ended_at_us")?;
    Arrival::between(start, end).ok_or_else(|| "ends before it starts".into())
}

fn nanos_of(micros: i64, name: &str) -> Result<i64, String> {
    micros.checked_mul(NANOS_PER_MICRO).ok_or_else(|| format!("{name} is out of range"))
}

/// Finds the fields of an attempt in the bytes of its line, several times faster than a JSON parser.
pub(super) struct AttemptScanner {
    mention: Finder<'static>,
    event: Finder<'static>,
    started_at: Finder<'static>,
    ended_at: Finder<'static>,
}

impl AttemptScanner {
    pub(super) fn new() -> Self {
        Self {
            mention: Finder::new(EVENT),
            event: Finder::new(br#""event":"#),
            started_at: Finder::new(br#""started_at_us":"#),
            ended_at: Finder::new(br#""ended_at_us":"#),
        }
    }

    /// The attempt of a line that is one JSON object with any text in front of it. `mention` is where
    /// [`EVENT`] first occurs; it must be the only place. Returns `None` if only a parser can read the line.
    pub(super) fn scan(&self, line: &[u8], mention: usize) -> Option<Arrival> {
        let json = &line[memchr(b'{', line)?..];
        let event =
            value(json, &self.event)?.strip_prefix(b"\"")?.strip_prefix(EVENT.as_bytes())?;
        let is_first = line.len() - event.len() == mention + EVENT.len();
        let is_whole = json.last() == Some(&b'}') && event.first() == Some(&b'"') && is_first;
        (is_whole && self.mention.find(event).is_none()).then_some(())?;
        let started_at = number(value(json, &self.started_at)?)?;
        let ended_at = number(value(json, &self.ended_at)?)?;
        arrival(started_at, ended_at).ok()
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
    use super::{super::Records, *};

    // Log lines of the worker, with the fields of an event nested and flat.
    pub(in crate::records) const NESTED: &str = r#"{"timestamp":"2026-11-01T00:00:00Z","level":"INFO","fields":{"message":"sent","event":"send_attempt","job_id":"a","started_at_us":1761955200000001,"ended_at_us":1761955200060002,"outcome":"accepted"},"target":"email_worker"}"#;
    pub(in crate::records) const FLAT: &str = r#"{"level":"INFO","event":"send_attempt","job_id":"\u00e9","started_at_us":1,"ended_at_us":2,"outcome":"transient"}"#;

    fn scan(line: &str) -> Option<Arrival> {
        AttemptScanner::new().scan(line.as_bytes(), line.find(EVENT).unwrap())
    }

    #[test]
    fn scanner_returns_the_same_as_the_parser() {
        // A key within a string is not a key.
        let quoted = FLAT.replace("u00e9", "\"started_at_us\\\":7,");
        for line in [NESTED, FLAT, &FLAT.replace(':', ": "), &quoted] {
            let scanned = scan(line);
            assert!(scanned.is_some(), "{line}");
            // A parser reads arrays, and the scanner does not.
            let parsed = Records::read(format!("[{line}]").as_bytes()).unwrap();
            assert_eq!(parsed.arrivals, [scanned.unwrap()], "{line}");
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
            ("\"started_at_us\":1", "\"started_at_us\":3"),
            ("\"level\"", "\"send_attempt\""),
            ("}", "} and more"),
        ] {
            let line = FLAT.replace(from, to);
            assert_ne!(line, FLAT);
            assert_eq!(scan(&line), None, "{line}");
        }
        let joined = format!("{FLAT}{}", FLAT.replace(':', " :"));
        assert_eq!(scan(&joined), None);
    }
}
