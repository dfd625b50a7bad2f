//! The email queue's contract: one JSON body, one email, one recipient.
//!
//! ```json
//! {"v":1, "id":"0198…", "to":"ada@example.com", "template":"enrollment-confirmation", "data":{…}}
//! {"v":1, "id":"0198…", "to":"ada@example.com", "subject":"Hello", "text":"…", "html":"…"}
//! ```
//!
//! Any service of the platform may enqueue. `id` is the idempotency key: of two jobs with the same id,
//! one is sent. A job cannot choose the sender. Unknown fields are ignored.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    address::{EmailAddress, InvalidEmailAddress},
    message::{InvalidSubject, Message},
};

/// The contract's version: the value of `v`.
pub const VERSION: u64 = 1;

/// An idempotency key: 1 to 128 of `A-Z a-z 0-9 - _ .`.
///
/// It becomes the value of a tag on the email, and providers allow few characters there.
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

/// One email to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    /// The provider counts recipients: a job with two would be two sends.
    pub to: EmailAddress,
    pub content: Content,
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

/// Why a body is not a job. Messages name the field and never repeat its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJob {
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
    /// the dead-letter queue.
    pub fn parse(body: &str) -> Result<Self, MalformedJob> {
        let value: Value = serde_json::from_str(body)
            .map_err(|e| MalformedJob::NotJson { line: e.line(), column: e.column() })?;
        let Value::Object(mut fields) = value else { return Err(MalformedJob::NotAnObject) };
        match fields.get("v") {
            None => return Err(MalformedJob::Missing("v")),
            Some(v) if v.as_u64() != Some(VERSION) => return Err(MalformedJob::UnknownVersion),
            Some(_) => {}
        }
        let id = required(&mut fields, "id")?.parse()?;
        let to = required(&mut fields, "to")?.parse()?;
        Ok(Self { id, to, content: Content::parse(&mut fields)? })
    }

    /// The body from which [`Job::parse`] reads the same job.
    pub fn to_body(&self) -> String {
        let Self { id, to, content } = self;
        match content {
            Content::Template { name, data } => {
                json!({"v": VERSION, "id": id, "to": to, "template": name, "data": data})
            }
            Content::Message(Message { subject, text, html: None }) => {
                json!({"v": VERSION, "id": id, "to": to, "subject": subject.as_str(), "text": text})
            }
            Content::Message(Message { subject, text, html: Some(html) }) => {
                json!({"v": VERSION, "id": id, "to": to, "subject": subject.as_str(), "text": text, "html": html})
            }
        }
        .to_string()
    }
}

impl Content {
    fn parse(fields: &mut Map<String, Value>) -> Result<Self, MalformedJob> {
        match (optional(fields, "template")?, optional(fields, "subject")?) {
            (Some(name), None) => match fields.remove("data") {
                None => Err(MalformedJob::Missing("data")),
                Some(Value::Object(data)) => Ok(Self::Template { name, data }),
                Some(_) => Err(MalformedJob::WrongType { field: "data", expected: "an object" }),
            },
            (None, Some(subject)) => Ok(Self::Message(Message {
                subject: subject.parse()?,
                text: required(fields, "text")?,
                html: optional(fields, "html")?,
            })),
            (None, None) => Err(MalformedJob::NoContent),
            (Some(_), Some(_)) => Err(MalformedJob::TwoContents),
        }
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
            (r#"{"v":1,"id":"a","to":"ada"}"#, "`to` is not an email address"),
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
                "`subject` has a line break or another control character",
            ),
            (r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s"}"#, "`text` is missing"),
        ] {
            assert_eq!(Job::parse(body).unwrap_err().to_string(), why, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_parses_without_a_panic_and_errors_repeat_no_value(body in ".{0,200}") {
            if let Err(error) = Job::parse(&body) {
                prop_assert!(error.to_string().len() < 100);
            }
        }

        #[test]
        fn a_written_job_parses_back(
            id in "[A-Za-z0-9._-]{1,128}",
            local in "[a-z0-9]{1,20}",
            subject in "[ -~]{0,80}x",
            text in ".*",
            html in proptest::option::of(".*"),
            templated: bool,
        ) {
            let content = if templated {
                let data = Map::from_iter([("text".to_owned(), Value::from(text))]);
                Content::Template { name: subject, data }
            } else {
                Content::Message(Message { subject: subject.parse().unwrap(), text, html })
            };
            let to = format!("{local}@example.com").parse().unwrap();
            let job = Job { id: id.parse().unwrap(), to, content };
            prop_assert_eq!(Job::parse(&job.to_body()), Ok(job));
        }
    }
}
