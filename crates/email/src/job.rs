//! The email queue's contract: one JSON body, one email, one recipient.
//!
//! ```json
//! {"v":1, "id":"0198…", "to":"ada@example.com", "template":"enrollment-confirmation", "data":{…}, "locale":"de"}
//! {"v":1, "id":"0198…", "to":"ada@example.com", "subject":"Hello", "text":"…", "html":"…"}
//! {"v":1, "id":"0198…", "to":"ada@example.com", "subject":"Your code", "text":"…", "deadline":"2026-11-25T04:22:30Z"}
//! ```
//!
//! Any service of the platform may enqueue. `id` is the idempotency key: a job that is enqueued twice is
//! sent once, and a different job under the same id is not sent. A job cannot choose the sender, and of the headers only
//! those of [`Headers`]. Unknown fields are ignored, and so is a byte order mark.

mod digest;
mod headers;
mod id;

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{
    address::{EmailAddress, InvalidEmailAddress},
    locale::{InvalidLocale, Locale},
    message::{InvalidSubject, Message},
    text::{UnwantedCharacter, check_carried, without_byte_order_mark},
};

pub use self::{
    digest::ContentDigest,
    headers::{Headers, InvalidHeaders, Unsubscribe},
    id::{InvalidJobId, JobId},
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

/// One email to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    /// The provider counts recipients: a job with two would be two sends.
    pub to: EmailAddress,
    pub content: Content,
    pub headers: Headers,
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
        /// The recipient's language. `None` for the worker's default.
        locale: Option<Locale>,
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
    #[error("`reply_to` {0}")]
    ReplyTo(InvalidEmailAddress),
    #[error("`headers` {0}")]
    Headers(#[from] InvalidHeaders),
    #[error("`locale` {0}")]
    Locale(#[from] InvalidLocale),
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
        let headers = Headers::parse(&mut fields)?;
        Ok(Self { id, to, content: Content::parse(&mut fields)?, headers, deadline })
    }

    /// The body from which [`Job::parse`] reads the same job, in characters that the queue carries.
    pub fn to_body(&self) -> String {
        let Self { id, to, content, headers: Headers { reply_to, unsubscribe }, deadline } = self;
        let mut body = match content {
            Content::Template { name, data, locale: None } => {
                json!({"v": 1, "id": id, "to": to, "template": name, "data": data})
            }
            Content::Template { name, data, locale: Some(locale) } => {
                json!({"v": 1, "id": id, "to": to, "template": name, "data": data, "locale": locale})
            }
            Content::Message(Message { subject, text, html: None }) => {
                json!({"v": 1, "id": id, "to": to, "subject": subject.as_str(), "text": text})
            }
            Content::Message(Message { subject, text, html: Some(html) }) => {
                json!({"v": 1, "id": id, "to": to, "subject": subject.as_str(), "text": text, "html": html})
            }
        };
        if let Some(reply_to) = reply_to {
            body["reply_to"] = json!(reply_to);
        }
        if let Some(unsubscribe) = unsubscribe {
            body["headers"] = unsubscribe.to_field();
        }
        if let Some(deadline) = deadline.and_then(|at| at.format(&Rfc3339).ok()) {
            body["deadline"] = deadline.into();
        }
        // JSON does not require these two to be escaped; the others that the queue does not carry it does.
        body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }
}

impl Headers {
    fn parse(fields: &mut Map<String, Value>) -> Result<Self, MalformedJob> {
        let reply_to = optional(fields, "reply_to")?.as_deref().map(str::parse).transpose();
        let unsubscribe = match fields.remove("headers") {
            None | Some(Value::Null) => None,
            Some(Value::Object(headers)) => Unsubscribe::read(headers)?,
            Some(_) => {
                return Err(MalformedJob::WrongType { field: "headers", expected: "an object" });
            }
        };
        Ok(Self { reply_to: reply_to.map_err(MalformedJob::ReplyTo)?, unsubscribe })
    }
}

impl Content {
    fn parse(fields: &mut Map<String, Value>) -> Result<Self, MalformedJob> {
        match (optional(fields, "template")?, optional(fields, "subject")?) {
            (Some(name), None) => match fields.remove("data") {
                None => Err(MalformedJob::Missing("data")),
                Some(Value::Object(data)) => {
                    data.values().try_for_each(check_texts)?;
                    let locale = optional(fields, "locale")?;
                    Ok(Self::Template {
                        name,
                        data,
                        locale: locale.as_deref().map(str::parse).transpose()?,
                    })
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
mod tests;
