//! The email queue's contract: one JSON body, one email, one recipient.
//!
//! ```json
//! {"v":1, "id":"0198…", "to":"ada@example.com", "template":"enrollment-confirmation", "data":{…}}
//! {"v":1, "id":"0198…", "to":"ada@example.com", "subject":"Hello", "text":"…", "html":"…"}
//! {"v":1, "id":"0198…", "to":"ada@example.com", "subject":"Your code", "text":"…", "deadline":"2026-11-25T04:22:30Z"}
//! ```
//!
//! Any service of the platform may enqueue. `id` is the idempotency key: a job that is enqueued twice is
//! sent once, and a different job under the same id is not sent. A job cannot choose the sender. Unknown
//! fields are ignored, and so is a byte order mark.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{
    address::{EmailAddress, InvalidEmailAddress},
    message::{InvalidSubject, Message},
    text::{UnwantedCharacter, check_carried, normalized, without_byte_order_mark},
};

/// The contract's version: the value of `v`.
pub const VERSION: f64 = 1.0;

/// SQS's maximum for a message, body and attributes together: 1 MiB (Amazon SQS API Reference,
/// `SendMessage`).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The room that a dead letter needs beside its body, for its attributes.
pub const DEAD_LETTER_ROOM: usize = 8_192;

/// The maximum size of a job's body: a larger one could not be kept as a dead letter with its reason. The
/// queue itself refuses it (`MaximumMessageSize` in template.yaml).
pub const MAX_JOB_BYTES: usize = MAX_MESSAGE_BYTES - DEAD_LETTER_ROOM;

/// An idempotency key: 1 to 128 of `A-Z a-z 0-9 - _ .`.
///
/// It becomes the value of a tag on the email, encoded if the provider does not allow its characters there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// The text is not a [`JobId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 128 of the characters A-Z a-z 0-9 - _ .")]
pub struct InvalidJobId;

impl JobId {
    /// In characters.
    pub const MAX_LENGTH: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidJobId)
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of a job's email: recipient and content, without the id. Two jobs with one id and different
/// digests are two emails.
///
/// It is stored for as long as the ledger keeps a job, so its definition must not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentDigest(String);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One email to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    /// The provider counts recipients: a job with two would be two sends.
    pub to: EmailAddress,
    pub content: Content,
    /// It is not sent after this. `None` for the [default](crate::deadline).
    pub deadline: Option<OffsetDateTime>,
}

/// The content of a job's email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One of the worker's templates, filled in with data.
    Template {
        /// The template's name. Only the worker knows which names exist.
        name: String,
        /// The template's fields.
        data: Map<String, Value>,
    },
    /// A message that the enqueueing service wrote itself.
    Message(Message),
}

impl Content {
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::Template { name, .. } => Some(name),
            Self::Message(_) => None,
        }
    }
}

/// Why a body is not a job. Messages name the field and never repeat its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJob {
    #[error("the body is larger than {MAX_JOB_BYTES} bytes")]
    TooLarge,
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first error, from 1.
        line: usize,
        /// Column of the first error, from 1.
        column: usize,
    },
    /// The body is JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("`v` is not {VERSION}, the only known version of the contract")]
    UnknownVersion,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{field}` is not {expected}")]
    WrongType {
        field: &'static str,
        /// The type that it must have, with its article.
        expected: &'static str,
    },
    #[error("`id` {0}")]
    Id(#[from] InvalidJobId),
    #[error("`to` {0}")]
    To(#[from] InvalidEmailAddress),
    #[error("`subject` {0}")]
    Subject(#[from] InvalidSubject),
    #[error("`{field}` {why}")]
    Character {
        field: &'static str,
        /// The character and its kind.
        why: UnwantedCharacter,
    },
    #[error("`deadline` is not a time in RFC 3339, such as 2026-11-25T04:22:30Z")]
    Deadline,
    #[error("neither `template` nor `subject` is present")]
    NoContent,
    #[error("both `template` and `subject` are present")]
    TwoContents,
}

impl Job {
    /// Reads a job from the body of a queue message.
    ///
    /// # Errors
    ///
    /// `Err` is final: the same body never parses, so redelivery does not help. The message belongs in
    /// the dead-letter queue, an unknown version after [a while](crate::retry::RELEASE_OVERLAP).
    pub fn parse(body: &str) -> Result<Self, MalformedJob> {
        if body.len() > MAX_JOB_BYTES {
            return Err(MalformedJob::TooLarge);
        }
        let value: Value = serde_json::from_str(without_byte_order_mark(body))
            .map_err(|e| MalformedJob::NotJson { line: e.line(), column: e.column() })?;
        let Value::Object(mut fields) = value else { return Err(MalformedJob::NotAnObject) };
        match fields.get("v") {
            None => return Err(MalformedJob::Missing("v")),
            // JSON has one type of number: 1.0 is 1.
            Some(v) if v.as_f64() != Some(VERSION) => return Err(MalformedJob::UnknownVersion),
            Some(_) => {}
        }
        let id = required(&mut fields, "id")?.parse()?;
        let to = required(&mut fields, "to")?.parse()?;
        let deadline = optional(&mut fields, "deadline")?.as_deref().map(moment).transpose()?;
        Ok(Self { id, to, content: Content::parse(&mut fields)?, deadline })
    }

    /// The digest of its email. The deadline is not part of it.
    pub fn digest(&self) -> ContentDigest {
        let mut digest = Sha256::new();
        add(&mut digest, self.to.as_str());
        match &self.content {
            Content::Template { name, data } => {
                add(&mut digest, "template");
                add(&mut digest, name);
                add(&mut digest, &sorted(&Value::Object(data.clone())).to_string());
            }
            Content::Message(Message { subject, text, html }) => {
                add(&mut digest, "message");
                add(&mut digest, subject.as_str());
                add(&mut digest, text);
                if let Some(html) = html {
                    add(&mut digest, html);
                }
            }
        }
        ContentDigest(hex::encode(digest.finalize()))
    }

    /// The body from which [`Job::parse`] reads the same job, in characters that the queue carries.
    pub fn to_body(&self) -> String {
        let Self { id, to, content, deadline } = self;
        let mut body = match content {
            Content::Template { name, data } => {
                json!({"v": 1, "id": id, "to": to, "template": name, "data": data})
            }
            Content::Message(Message { subject, text, html: None }) => {
                json!({"v": 1, "id": id, "to": to, "subject": subject.as_str(), "text": text})
            }
            Content::Message(Message { subject, text, html: Some(html) }) => {
                json!({"v": 1, "id": id, "to": to, "subject": subject.as_str(), "text": text, "html": html})
            }
        };
        if let Some(deadline) = deadline.and_then(|at| at.format(&Rfc3339).ok()) {
            body["deadline"] = deadline.into();
        }
        // JSON does not require these two to be escaped; the others that the queue does not carry it does.
        body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }
}

/// Adds a text and its length, so that no two lists of texts are the same bytes. Normal form C, because a producer
/// may write a text in one form and, after an update, in another.
fn add(digest: &mut Sha256, text: &str) {
    let text = normalized(text);
    digest.update(text.len().to_string());
    digest.update(":");
    digest.update(text.as_bytes());
}

/// The value with its fields in the order of their names: their order means nothing in JSON.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        scalar => scalar.clone(),
    }
}

impl Content {
    fn parse(fields: &mut Map<String, Value>) -> Result<Self, MalformedJob> {
        match (optional(fields, "template")?, optional(fields, "subject")?) {
            (Some(name), None) => match fields.remove("data") {
                None => Err(MalformedJob::Missing("data")),
                Some(Value::Object(data)) => {
                    data.values().try_for_each(check_texts)?;
                    Ok(Self::Template { name, data })
                }
                Some(_) => Err(MalformedJob::WrongType { field: "data", expected: "an object" }),
            },
            (None, Some(subject)) => Ok(Self::Message(Message {
                subject: subject.parse()?,
                text: carried("text", required(fields, "text")?)?,
                html: optional(fields, "html")?.map(|html| carried("html", html)).transpose()?,
            })),
            (None, None) => Err(MalformedJob::NoContent),
            (Some(_), Some(_)) => Err(MalformedJob::TwoContents),
        }
    }
}

/// A time whose year RFC 3339 can write in UTC as well.
fn moment(text: &str) -> Result<OffsetDateTime, MalformedJob> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok();
    let utc = at.and_then(|at| at.checked_to_offset(UtcOffset::UTC));
    utc.filter(|at| (0..=9999).contains(&at.year())).ok_or(MalformedJob::Deadline)
}

/// A body's text, which may have many lines.
fn carried(field: &'static str, text: String) -> Result<String, MalformedJob> {
    check_carried(&text).map_err(|why| MalformedJob::Character { field, why })?;
    Ok(text)
}

/// Every text in the data of a template.
fn check_texts(data: &Value) -> Result<(), MalformedJob> {
    match data {
        Value::String(text) => {
            check_carried(text).map_err(|why| MalformedJob::Character { field: "data", why })
        }
        Value::Array(items) => items.iter().try_for_each(check_texts),
        Value::Object(fields) => fields.values().try_for_each(check_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn optional(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, MalformedJob> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(MalformedJob::WrongType { field, expected: "a string" }),
    }
}

fn required(fields: &mut Map<String, Value>, field: &'static str) -> Result<String, MalformedJob> {
    optional(fields, field)?.ok_or(MalformedJob::Missing(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_kinds_of_content_parse() {
        let job = Job::parse(
            r#"{"v":1,"id":"a-1","to":"ada@example.com","template":"hello","data":{"name":"Ada"}}"#,
        )
        .unwrap();
        assert_eq!(job.id.as_str(), "a-1");
        assert!(matches!(job.content, Content::Template { ref name, .. } if name == "hello"));

        let job = Job::parse(
            r#"{"v":1,"id":"a-1","to":"ada@example.com","subject":"Hi","text":"Hello","html":null}"#,
        )
        .unwrap();
        assert!(matches!(job.content, Content::Message(Message { html: None, .. })));
    }

    #[test]
    fn each_error_names_the_field() {
        for (body, why) in [
            ("nonsense", "the body is not JSON (line 1, column 2)"),
            ("[]", "the body is not a JSON object"),
            ("{}", "`v` is missing"),
            (r#"{"v":2}"#, "`v` is not 1, the only known version of the contract"),
            (r#"{"v":1}"#, "`id` is missing"),
            (r#"{"v":1,"id":7}"#, "`id` is not a string"),
            (r#"{"v":1,"id":"a b"}"#, "`id` is not 1 to 128 of the characters A-Z a-z 0-9 - _ ."),
            (r#"{"v":1,"id":"a","to":"ada"}"#, "`to` is not an email address: it has no @"),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com"}"#,
                "neither `template` nor `subject` is present",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","subject":"s"}"#,
                "both `template` and `subject` are present",
            ),
            (r#"{"v":1,"id":"a","to":"ada@example.com","template":"t"}"#, "`data` is missing"),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":[]}"#,
                "`data` is not an object",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"a\nb","text":""}"#,
                "`subject` has a line break or another control character (U+000A)",
            ),
            (r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s"}"#, "`text` is missing"),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"\u0001"}"#,
                "`text` has a line break or another control character (U+0001)",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","html":"\uffff"}"#,
                "`html` has a character that the email queue cannot carry (U+FFFF)",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":["\ufffe"]}}"#,
                "`data` has a character that the email queue cannot carry (U+FFFE)",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":1}"#,
                "`deadline` is not a string",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":"tomorrow"}"#,
                "`deadline` is not a time in RFC 3339, such as 2026-11-25T04:22:30Z",
            ),
            (
                r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":"9999-12-31T23:59:59-01:00"}"#,
                "`deadline` is not a time in RFC 3339, such as 2026-11-25T04:22:30Z",
            ),
            (r#"{"v":"1"}"#, "`v` is not 1, the only known version of the contract"),
            (r#"{"v":1.5}"#, "`v` is not 1, the only known version of the contract"),
            (&" ".repeat(MAX_JOB_BYTES + 1), "the body is larger than 1040384 bytes"),
        ] {
            assert_eq!(Job::parse(body).unwrap_err().to_string(), why, "{body}");
        }
    }

    #[test]
    fn version_as_any_number_and_a_byte_order_mark_are_read() {
        let job = |v: &str| {
            let rest = r#""id":"a","to":"ada@example.com","subject":"s","text":"t""#;
            format!(r#"{{"v":{v},{rest}}}"#)
        };
        let expected = Job::parse(&job("1")).unwrap();
        for body in [job("1.0"), job("1e0"), job("10e-1"), format!("\u{feff}{}", job("1"))] {
            assert_eq!(Job::parse(&body).as_ref(), Ok(&expected), "{body}");
        }
    }

    #[test]
    fn deadline_is_read_in_any_offset_and_is_not_part_of_the_email() {
        let job = |deadline: &str| {
            let rest = r#""id":"a","to":"ada@example.com","subject":"s","text":"t""#;
            Job::parse(&format!(r#"{{"v":1,{rest},"deadline":{deadline}}}"#)).unwrap()
        };
        let one = job(r#""2026-11-25T04:22:30Z""#);
        assert_eq!(one, job(r#""2026-11-25T05:22:30.000+01:00""#));
        assert_eq!(one.deadline.unwrap().unix_timestamp(), 1_795_580_550);
        assert_eq!(job("null").deadline, None);
        assert_eq!(one.digest(), job("null").digest());
    }

    #[test]
    fn digest_is_of_the_email_and_not_of_its_writing() {
        let digest = |body: &str| Job::parse(body).unwrap().digest();
        let one = digest(
            r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":"1","y":{"b":1,"a":2}}}"#,
        );
        let same = digest(
            r#"{"data":{"y":{"a":2,"b":1},"x":"1"},"template":"t","to":"ada@EXAMPLE.com","id":"b","v":1.0}"#,
        );
        assert_eq!(one, same);
        let plain = |to: &str, subject: &str, text: &str, html: &str| {
            digest(&format!(
                r#"{{"v":1,"id":"a","to":"{to}@example.com","subject":"{subject}","text":"{text}","html":{html}}}"#
            ))
        };
        let first = plain("ada", "s", "t", "null");
        assert_eq!(first, plain("ada", "s", "t", "null"));
        assert_eq!(plain("ada", "s", "e\u{301}", "null"), plain("ada", "s", "\u{e9}", "null"));
        for other in [
            plain("bob", "s", "t", "null"),
            plain("ada", "s2", "t", "null"),
            plain("ada", "s", "t2", "null"),
            plain("ada", "s", "t", r#""""#),
            plain("ada", "st", "", "null"),
            one,
        ] {
            assert_ne!(first, other);
        }
        // Entries of the ledger have it: it must stay the same.
        assert_eq!(
            first.to_string(),
            "1d980c918b0ac957f20b90beb09502735d0c2591fb3ead005c6d56a6124f58dd"
        );
    }

    #[test]
    fn written_job_has_only_characters_that_the_queue_carries() {
        let text = "\0\u{1f}\u{7f}\u{fffe}\u{ffff}\\\u{ffff}".to_owned();
        let subject = "s".parse().unwrap();
        let content = Content::Message(Message { subject, text: text.clone(), html: None });
        let job = Job {
            id: "a".parse().unwrap(),
            to: "ada@example.com".parse().unwrap(),
            content,
            deadline: None,
        };
        let body = job.to_body();
        assert_eq!(check_carried(&body), Ok(()));
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["text"], text);
    }

    proptest! {
        #[test]
        fn any_body_parses_without_a_panic_and_errors_repeat_no_value(body in ".{0,200}") {
            if let Err(error) = Job::parse(&body) {
                prop_assert!(error.to_string().len() < 140);
            }
        }

        #[test]
        fn a_written_job_parses_back(
            id in "[A-Za-z0-9._-]{1,128}",
            local in "[a-z0-9]{1,20}",
            subject in "[ -~]{0,80}x",
            text in "[\\t\\r\\n -~é\u{fffd}😀]*",
            html in proptest::option::of("[\\n -~é]*"),
            templated: bool,
            deadline in proptest::option::of(0_i64..250_000_000_000),
        ) {
            let deadline = deadline.map(|at| OffsetDateTime::from_unix_timestamp(at).unwrap());
            let content = if templated {
                let data = Map::from_iter([("text".to_owned(), Value::from(text))]);
                Content::Template { name: subject, data }
            } else {
                Content::Message(Message { subject: subject.parse().unwrap(), text, html })
            };
            let to = format!("{local}@example.com").parse().unwrap();
            let job = Job { id: id.parse().unwrap(), to, content, deadline };
            prop_assert_eq!(Job::parse(&job.to_body()), Ok(job));
        }
    }
}
