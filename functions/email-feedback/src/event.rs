//! SES's events in the form in which EventBridge puts them on the queue.
//!
//! ```json
//! {"detail-type":"Email Bounced", "source":"aws.ses", "time":"2026-11-25T04:18:33Z", "detail":{
//!   "eventType":"Bounce",
//!   "mail":{"timestamp":"…", "messageId":"0100…", "destination":["…"], "tags":{"job_id":["0193…"]}},
//!   "bounce":{"timestamp":"…", "bounceType":"Permanent", "bounceSubType":"General",
//!             "bouncedRecipients":[{"emailAddress":"…"}]}}}
//! ```
//!
//! Fields and their meaning: SES Developer Guide, "Monitoring SES events using Amazon EventBridge" (the
//! envelope) and "Contents of event data that Amazon SES publishes" (`detail`, the same for every
//! kind of destination). Unknown fields are ignored.

use adapters::ses_tags;
use email::{
    EmailAddress, JobId,
    feedback::{Event, Feedback},
    text::without_byte_order_mark,
};
use serde_json::Value;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// The content of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An event for the ledger or the suppressions.
    Feedback {
        feedback: Feedback,
        /// The number of recipients without a valid address.
        unreadable: usize,
    },
    /// An event of another kind, such as an open: nothing to do.
    Ignored,
}

/// Why a body is not an event of SES. Messages name the field and never repeat its value, which can be an
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first error, from 1.
        line: usize,
        /// Column of the first error, from 1.
        column: usize,
    },
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{field}` is not {expected}")]
    Wrong {
        field: &'static str,
        /// The type that it must have, with its article.
        expected: &'static str,
    },
}

/// Reads an event from the body of a queue message. A time that is not one, such as a 31st of February, is taken
/// for `now`: what happened matters more than when.
///
/// # Errors
///
/// `Err` is final: the same body never parses. Redelivery only raises the receive count until the message
/// is a dead letter.
pub fn parse(body: &str, now: OffsetDateTime) -> Result<Parsed, MalformedEvent> {
    let json: Value = serde_json::from_str(without_byte_order_mark(body))
        .map_err(|e| MalformedEvent::NotJson { line: e.line(), column: e.column() })?;
    let (event, at, recipients) = match text(&json, "detail.eventType")? {
        "Send" => (Event::Sent, "detail.mail.timestamp", "detail.mail.destination"),
        "Delivery" => (Event::Delivered, "detail.delivery.timestamp", "detail.delivery.recipients"),
        "Bounce" => (bounce(&json)?, "detail.bounce.timestamp", "detail.bounce.bouncedRecipients"),
        "Complaint" => match complaint(&json)? {
            Some(event) => {
                (event, "detail.complaint.timestamp", "detail.complaint.complainedRecipients")
            }
            None => return Ok(Parsed::Ignored),
        },
        // Only this kind has no time of its own: EventBridge's replaces it.
        "Reject" => (reject(&json)?, "time", "detail.mail.destination"),
        _ => return Ok(Parsed::Ignored),
    };
    let (recipients, unreadable) = addresses(&json, recipients)?;
    let feedback = Feedback {
        job_id: job_id(&json),
        ses_message_id: text(&json, "detail.mail.messageId")?.to_owned(),
        sent_at: time(&json, "detail.mail.timestamp", now)?,
        at: time(&json, at, now)?,
        recipients,
        event,
    };
    Ok(Parsed::Feedback { feedback, unreadable })
}

/// Only `Permanent` bounces are for good, whether reported by the recipient's server or by SES, which has
/// the address on a suppression list (`Suppressed`, `OnAccountSuppressionList`). `Transient` means a full
/// mailbox or a server that was down; the cause of `Undetermined` is unknown.
fn bounce(json: &Value) -> Result<Event, MalformedEvent> {
    let kind = text(json, "detail.bounce.bounceType")?;
    let detail = match optional_text(json, "detail.bounce.bounceSubType")? {
        Some(subtype) => format!("{kind}/{subtype}"),
        None => kind.to_owned(),
    };
    Ok(Event::Bounced { for_good: kind == "Permanent", detail })
}

/// `None` for a report that the email is *not* unwanted, which mail providers send to correct a mistake
/// (`not-spam`, RFC 5965 and IANA's registry of feedback types).
fn complaint(json: &Value) -> Result<Option<Event>, MalformedEvent> {
    let kind = optional_text(json, "detail.complaint.complaintFeedbackType")?;
    // Set if SES did not send the email because of an earlier complaint.
    let subtype = optional_text(json, "detail.complaint.complaintSubType")?;
    let detail = match (kind, subtype) {
        (Some("not-spam"), None) => return Ok(None),
        (Some(kind), Some(subtype)) => format!("{kind}/{subtype}"),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => "no reason given".to_owned(),
    };
    Ok(Some(Event::Complained { detail }))
}

fn reject(json: &Value) -> Result<Event, MalformedEvent> {
    let reason = optional_text(json, "detail.reject.reason")?;
    Ok(Event::Rejected { detail: reason.unwrap_or("no reason given").to_owned() })
}

/// The email's job, from the worker's tag.
fn job_id(json: &Value) -> Option<JobId> {
    let tag = json.pointer("/detail/mail/tags")?.get(ses_tags::JOB_ID)?.get(0)?.as_str()?;
    ses_tags::job_id(tag)
}

/// The recipients of an event, and the number of unreadable ones. A list has addresses or objects with an
/// `emailAddress`.
///
/// If an email was forwarded, its bounce names the address that it was forwarded to. Our emails have one
/// recipient, so the event is about that one too.
fn addresses(
    json: &Value,
    field: &'static str,
) -> Result<(Vec<EmailAddress>, usize), MalformedEvent> {
    let named = list(json, field)?;
    let written_to = match &list(json, "detail.mail.destination")?[..] {
        [sole] => Some(sole),
        _ => None,
    };
    let (mut readable, mut unreadable) = (Vec::new(), 0);
    for item in named.iter().chain(written_to) {
        let address = item.as_str().or_else(|| item.get("emailAddress")?.as_str());
        match address.map(str::parse::<EmailAddress>) {
            Some(Ok(address)) if readable.contains(&address) => {}
            Some(Ok(address)) => readable.push(address),
            Some(Err(_)) | None => unreadable += 1,
        }
    }
    Ok((readable, unreadable))
}

/// A field by its path. Null counts as missing.
fn find<'a>(json: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(json, |value, name| value.get(name)).filter(|value| !value.is_null())
}

fn optional_text<'a>(
    json: &'a Value,
    field: &'static str,
) -> Result<Option<&'a str>, MalformedEvent> {
    let wrong = MalformedEvent::Wrong { field, expected: "a string" };
    find(json, field).map(|value| value.as_str().ok_or(wrong)).transpose()
}

fn text<'a>(json: &'a Value, field: &'static str) -> Result<&'a str, MalformedEvent> {
    optional_text(json, field)?.ok_or(MalformedEvent::Missing(field))
}

fn time(
    json: &Value,
    field: &'static str,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, MalformedEvent> {
    let read = OffsetDateTime::parse(text(json, field)?, &Rfc3339);
    // In UTC, a year may lie beyond those that RFC 3339 can write.
    let utc = read.ok().and_then(|at| at.checked_to_offset(UtcOffset::UTC));
    Ok(utc.filter(|at| (0..=9999).contains(&at.year())).unwrap_or(now))
}

fn list<'a>(json: &'a Value, field: &'static str) -> Result<&'a Vec<Value>, MalformedEvent> {
    find(json, field)
        .ok_or(MalformedEvent::Missing(field))?
        .as_array()
        .ok_or(MalformedEvent::Wrong { field, expected: "a list" })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
