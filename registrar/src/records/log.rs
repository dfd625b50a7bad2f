//! The worker's log lines for one attempt: `ended_at_us` is in the line of its end, and `timeout_ms` in the
//! line of its start.

use memchr::{memchr, memmem::Finder};

use super::attempts::{End, Job, Line};

/// The `event` of the worker's log lines for one attempt.
pub(super) const EVENT: &str = "send_attempt";

const JOB_ID: &[u8] = b"job_id";

/// Finds the fields of an attempt in the bytes of its line, several times faster than a JSON parser.
pub(super) struct AttemptScanner {
    mention: Finder<'static>,
    event: Finder<'static>,
    started_at: Finder<'static>,
    ended_at: Finder<'static>,
    ends: Finder<'static>,
    timeout: Finder<'static>,
    job_id: Finder<'static>,
}

impl AttemptScanner {
    pub(super) fn new() -> Self {
        Self {
            mention: Finder::new(EVENT),
            event: Finder::new(br#""event":"#),
            started_at: Finder::new(br#""started_at_us":"#),
            ended_at: Finder::new(br#""ended_at_us":"#),
            ends: Finder::new("ended_at_us"),
            timeout: Finder::new(br#""timeout_ms":"#),
            job_id: Finder::new(JOB_ID),
        }
    }

    /// The attempt of a line that is one JSON object with any text in front of it. `mention` is where
    /// [`EVENT`] first occurs; it must be the only place. Returns `None` if only a parser can read the line.
    pub(super) fn scan(&self, line: &[u8], mention: usize) -> Option<Line> {
        let json = &line[memchr(b'{', line)?..];
        let event =
            value(json, &self.event)?.strip_prefix(b"\"")?.strip_prefix(EVENT.as_bytes())?;
        let is_first = line.len() - event.len() == mention + EVENT.len();
        let is_whole = json.last() == Some(&b'}') && event.first() == Some(&b'"') && is_first;
        (is_whole && self.mention.find(event).is_none()).then_some(())?;
        let started_at = number(value(json, &self.started_at)?)?;
        let end = if self.ends.find(json).is_some() {
            End::AtMicros(number(value(json, &self.ended_at)?)?)
        } else {
            End::WithinMillis(number(value(json, &self.timeout)?)?)
        };
        Line::new(Some(self.job(json)?), started_at, end).ok()
    }

    /// The job of a line. The spans of the line have the same id. `None` if only a parser can tell.
    fn job(&self, json: &[u8]) -> Option<Job> {
        let mut job = None;
        for at in self.job_id.find_iter(json) {
            let after = &json[at + JOB_ID.len()..];
            let text = after.strip_prefix(b"\":")?.trim_ascii_start().strip_prefix(b"\"")?;
            let id = &text[..memchr(b'"', text)?];
            let is_key = json[..at].last() == Some(&b'"') && memchr(b'\\', id).is_none();
            is_key.then_some(())?;
            if job.replace(id).is_some_and(|before| before != id) {
                return None;
            }
        }
        job.map(Job::of)
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
    use super::{
        super::{Records, attempts::Attempts},
        *,
    };

    // Log lines of the worker, with the fields of an event nested and flat.
    pub(in crate::records) const NESTED: &str = r#"{"timestamp":"2026-11-01T00:00:00Z","level":"INFO","fields":{"message":"sent","event":"send_attempt","job_id":"a","started_at_us":1761955200000001,"ended_at_us":1761955200060002,"outcome":"accepted"},"target":"email_worker"}"#;
    pub(in crate::records) const FLAT: &str = r#"{"level":"INFO","event":"send_attempt","job_id":"\u00e9","started_at_us":1,"ended_at_us":2,"outcome":"transient"}"#;

    const PLAIN: &str = r#"{"level":"INFO","event":"send_attempt","job_id":"b","started_at_us":1,"ended_at_us":2,"outcome":"transient"}"#;
    // The line of a start, with the spans that the worker's logger adds.
    pub(in crate::records) const START: &str = r#"{"level":"INFO","fields":{"event":"send_attempt","job_id":"a","started_at_us":1761955200000001,"timeout_ms":10000},"span":{"job_id":"a","name":"job"},"spans":[{"requestId":"r","name":"Lambda runtime invoke"},{"job_id":"a","name":"job"}]}"#;

    fn scan(line: &str) -> Option<Line> {
        AttemptScanner::new().scan(line.as_bytes(), line.find(EVENT).unwrap())
    }

    #[test]
    fn scanner_returns_the_same_as_the_parser() {
        // A key within a string is not a key.
        let quoted = PLAIN.replace("transient", "\\\"started_at_us\\\":7,");
        for line in [NESTED, START, PLAIN, &PLAIN.replace(':', ": "), &quoted] {
            let scanned = Attempts::of(&[scan(line).unwrap()]);
            // A parser reads arrays, and the scanner does not.
            let parsed = Records::read(format!("[{line}]").as_bytes()).unwrap();
            assert_eq!((parsed.arrivals, parsed.unended), (scanned.arrivals, scanned.unended));
        }
    }

    #[test]
    fn scanned_line_belongs_to_the_same_attempt_as_a_parsed_one() {
        let end = START.replace("timeout_ms\":10000", "ended_at_us\":1761955200000002");
        for lines in [[START, &end], [&end, START]].map(|[one, two]| format!("{one}\n[{two}]")) {
            let records = Records::read(lines.as_bytes()).unwrap();
            assert_eq!((records.arrivals.len(), records.unended), (1, 0));
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
            ("\"level\"", "\"job_id\":\"other\",\"level\""),
            ("\"level\"", "\"job_id\":1,\"level\""),
            ("\"ended_at_us\":2", "\"ended_at_us\" :2,\"timeout_ms\":3"),
        ] {
            let line = PLAIN.replace(from, to);
            assert_ne!(line, PLAIN);
            assert_eq!(scan(&line), None, "{line}");
        }
        assert_eq!(scan(FLAT), None, "only a parser reads the id");
        let joined = format!("{PLAIN}{}", PLAIN.replace(':', " :"));
        assert_eq!(scan(&joined), None);
    }
}
