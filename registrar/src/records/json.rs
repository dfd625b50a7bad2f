//! Finds the sends in JSON of any shape: a log line, an array of them, or the envelopes of CloudWatch Logs
//! and Firehose, where a log line is a string, or compressed and in base64.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{
    attempts::{End, Job, Line},
    failure::{Failure, Place},
    log::EVENT,
};

/// The beginning of gzip data in base64.
pub(super) const GZIP_IN_BASE64: &str = "H4sI";

/// What a key's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// No key: the value itself was given.
    Top,
    Event,
    StartedAt,
    EndedAt,
    Timeout,
    /// It may be [`EVENT`] too.
    JobId,
    /// The log events of an envelope.
    Events,
    /// In an envelope's log event: a line of the log.
    Message,
    /// Base64 in the envelopes of Firehose, Kinesis and Lambda's `awslogs`.
    Data,
    /// A name that a person chose; it may be [`EVENT`].
    Name,
    /// The event's name is a key.
    Mention,
    Other,
}

impl Key {
    fn of(key: &str) -> Self {
        // Exports flatten objects: `fields.event`.
        match key.rsplit('.').next().unwrap_or(key) {
            "event" => Self::Event,
            "started_at_us" => Self::StartedAt,
            "ended_at_us" => Self::EndedAt,
            "timeout_ms" => Self::Timeout,
            "job_id" => Self::JobId,
            "events" | "logEvents" => Self::Events,
            "message" => Self::Message,
            "data" | "Data" => Self::Data,
            "subscriptionFilters"
            | "logGroup"
            | "logStream"
            | "logStreamName"
            | "searchedLogStreams" => Self::Name,
            EVENT => Self::Mention,
            _ => Self::Other,
        }
    }
}

/// What the caller needs to know of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The text [`EVENT`].
    Event,
    Number(i64),
    Job(Job),
    Null,
    Other,
}

/// What is found in JSON.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sends: Vec<Line>,
    /// Number of records without a send.
    pub(super) skipped: usize,
    /// Number of log events in envelopes.
    pub(super) events: usize,
    pub(super) has_envelopes: bool,
    /// Why JSON is invalid: serde's errors carry only text.
    pub(super) failure: Option<Failure>,
}

impl Found {
    /// An object may hold the same send twice: its fields, and the line that they were read from.
    fn push_unless_since(&mut self, first: usize, send: Line) {
        if !self.sends[first..].iter().any(|before| before.is_same(&send)) {
            self.sends.push(send);
        }
    }
}

/// Reads the strings of JSON, which may have JSON in them.
pub(super) trait ReadStrings {
    fn found(&mut self) -> &mut Found;

    /// `is_line`: a line of a log, in which a mention of a send is a record.
    fn embedded(&mut self, text: &str, is_line: bool) -> Result<(), Failure>;

    /// `text` may be base64.
    fn encoded(&mut self, text: &str) -> Result<(), Failure>;
}

/// Reads one value.
pub(super) struct Walk<'r> {
    reader: &'r mut dyn ReadStrings,
    key: Key,
    /// Whether the value is a log event of an envelope.
    is_log_event: bool,
}

impl<'r> Walk<'r> {
    pub(super) fn top(reader: &'r mut dyn ReadStrings) -> Self {
        Self { reader, key: Key::Top, is_log_event: false }
    }

    fn child(&mut self, key: Key, is_log_event: bool) -> Walk<'_> {
        Walk { reader: self.reader, key, is_log_event }
    }

    fn fail<T, E: Error>(&mut self, failure: impl Into<Failure>) -> Result<T, E> {
        self.reader.found().failure.get_or_insert(failure.into());
        Err(E::custom("a record cannot be read"))
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Seen, E> {
        Ok(Seen::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Seen, E> {
        Ok(i64::try_from(number).map_or(Seen::Other, Seen::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Seen, E> {
        // Some tools print large integers as 1.7e15, which is exact up to 2^53.
        let is_exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
        #[allow(clippy::cast_possible_truncation)]
        Ok(if is_exact { Seen::Number(number as i64) } else { Seen::Other })
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Seen, E> {
        if text == EVENT {
            return match self.key {
                Key::Event | Key::Name => Ok(Seen::Event),
                Key::JobId => Ok(Seen::Job(Job::of(text.as_bytes()))),
                _ => self.fail(format!("has the value \"{EVENT}\", but not as its event")),
            };
        }
        let read = match self.key {
            Key::StartedAt | Key::EndedAt | Key::Timeout => {
                return Ok(text.trim().parse().map_or(Seen::Other, Seen::Number));
            }
            Key::Name => Ok(()),
            Key::Data => self.reader.encoded(text),
            _ if text.starts_with(GZIP_IN_BASE64) => self.reader.encoded(text),
            Key::Message if self.is_log_event => self.reader.embedded(text, true),
            _ => self.reader.embedded(text, false),
        };
        match read {
            Ok(()) if self.key == Key::JobId => Ok(Seen::Job(Job::of(text.as_bytes()))),
            Ok(()) => Ok(Seen::Other),
            Err(failure) => self.fail(failure),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Seen, A::Error> {
        let are_records = matches!(self.key, Key::Top | Key::Events);
        let are_events = self.key == Key::Events;
        // The elements of an array in a field are as good as the field's value.
        let key = if matches!(self.key, Key::Name | Key::Data) { self.key } else { Key::Other };
        for number in 1.. {
            let before = self.reader.found().sends.len();
            let element = elements.next_element_seed(self.child(key, are_events));
            if element.is_err() && are_records {
                let events = self.reader.found().events;
                if let Some(failure) = &mut self.reader.found().failure {
                    failure.place(if are_events {
                        Place::Event(events + number)
                    } else {
                        Place::Element(number)
                    });
                }
            }
            if element?.is_none() {
                if are_events {
                    self.reader.found().events += number - 1;
                    self.reader.found().has_envelopes = true;
                }
                break;
            }
            if are_records && self.reader.found().sends.len() == before {
                self.reader.found().skipped += 1;
            }
        }
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Seen, A::Error> {
        let first = self.reader.found().sends.len();
        let (mut event, mut started_at, mut ended_at) = (None, None, None);
        let (mut timeout, mut job) = (None, None);
        let mut twice = None;
        while let Some(key) = fields.next_key_seed(KeySeed)? {
            if key == Key::Mention {
                return self.fail(format!("has the key \"{EVENT}\""));
            }
            let is_log_event = self.is_log_event && self.key != Key::Message;
            let seen = fields.next_value_seed(self.child(key, is_log_event))?;
            let (field, name) = match key {
                Key::Event => (&mut event, "event"),
                Key::StartedAt => (&mut started_at, "started_at_us"),
                Key::EndedAt => (&mut ended_at, "ended_at_us"),
                Key::Timeout => (&mut timeout, "timeout_ms"),
                Key::JobId => (&mut job, "job_id"),
                _ => continue,
            };
            if let Some(before) = field.replace(seen) {
                // An export that flattens objects has a job's id of its line and of its spans.
                if key == Key::JobId && before == seen {
                    continue;
                }
                twice = Some(name);
                // Whichever of two counts, the object is about a send.
                if key == Key::Event && before == Seen::Event {
                    event = Some(before);
                }
            }
        }
        if event != Some(Seen::Event) {
            return Ok(Seen::Other);
        }
        if let Some(name) = twice {
            return self.fail(format!("has {name} twice"));
        }
        let job = match job {
            Some(Seen::Job(job)) => Some(job),
            _ => None,
        };
        match whole(started_at, "started_at_us")
            .and_then(|start| Line::new(job, start, end(ended_at, timeout)?))
        {
            Ok(send) => self.reader.found().push_unless_since(first, send),
            Err(problem) => return self.fail(problem),
        }
        Ok(Seen::Other)
    }
}

fn end(ended_at: Option<Seen>, timeout: Option<Seen>) -> Result<End, String> {
    match (ended_at, timeout) {
        (None | Some(Seen::Null), Some(timeout)) if timeout != Seen::Null => {
            whole(Some(timeout), "timeout_ms").map(End::WithinMillis)
        }
        _ => whole(ended_at, "ended_at_us").map(End::AtMicros),
    }
}

fn whole(field: Option<Seen>, name: &str) -> Result<i64, String> {
    match field {
        Some(Seen::Number(micros)) => Ok(micros),
        None | Some(Seen::Null) => Err(format!("a send without {name}")),
        Some(_) => Err(format!("{name} is not a whole number")),
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(Key::of(key))
    }
}
