//! The document that `registrar export` writes. docs/privacy.md describes it; a field is never renamed or removed within
//! one format.

use adapters::tables::Suppressed;
use email::{EmailAddress, suppression::SuppressionCause};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{dead_letters::Letter, ses_list::Listed};

pub(super) const FORMAT: &str = "registrar-export/1";

/// An item as it is stored.
pub(super) type Stored = Map<String, Value>;

/// What is not in a document, whoever asks for it.
const NOT_INCLUDED: [&str; 5] = [
    "what was sent to or kept under an address that the student has no more: name it with --address",
    "logs and traces: they have ids, and no name or address",
    "backups: they have what the tables had at each second of the last 35 days",
    "the payment provider: it has the payments, under the ids in `payment`, with the student's id in their metadata",
    "the content of emails that were sent: it is not kept; SES and the recipient's provider may have it",
];

#[derive(Debug, Serialize)]
pub(super) struct Document {
    format: &'static str,
    pub(super) stack: String,
    pub(super) student_id: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) exported_at: OffsetDateTime,
    pub(super) addresses: Vec<String>,
    pub(super) enrollments: Vec<Stored>,
    pub(super) emails: Vec<Stored>,
    pub(super) suppressions: Vec<Suppression>,
    pub(super) messages: Vec<Message>,
    not_included: [&'static str; 5],
    /// What could not be searched this time. Otherwise the document is complete.
    pub(super) missed: Vec<String>,
}

impl Document {
    pub(super) fn new(stack: &str, student_id: &str, exported_at: OffsetDateTime) -> Self {
        Self {
            format: FORMAT,
            stack: stack.to_owned(),
            student_id: student_id.to_owned(),
            exported_at,
            addresses: Vec::new(),
            enrollments: Vec::new(),
            emails: Vec::new(),
            suppressions: Vec::new(),
            messages: Vec::new(),
            not_included: NOT_INCLUDED,
            missed: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.enrollments.is_empty()
            && self.emails.is_empty()
            && self.suppressions.is_empty()
            && self.messages.is_empty()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Suppression {
    address: String,
    /// The stack's copy of the list.
    in_stack: Option<Suppressed>,
    in_ses: Option<OnSesList>,
}

#[derive(Debug, Serialize)]
struct OnSesList {
    cause: SuppressionCause,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

impl Suppression {
    /// `None` if the address is on neither list.
    pub(super) fn new(
        address: &EmailAddress,
        in_stack: Option<Suppressed>,
        in_ses: Option<Listed>,
    ) -> Option<Self> {
        let in_ses = in_ses.map(|Listed { cause, since, .. }| OnSesList { cause, since });
        (in_stack.is_some() || in_ses.is_some()).then(|| Self {
            address: address.as_str().to_owned(),
            in_stack,
            in_ses,
        })
    }
}

/// A message on a queue.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    queue: &'static str,
    sqs_message_id: String,
    #[serde(with = "time::serde::rfc3339::option")]
    sent_at: Option<OffsetDateTime>,
    attributes: std::collections::BTreeMap<String, String>,
    /// As JSON, if it is.
    body: Value,
}

impl Message {
    pub(super) fn new(queue: &'static str, letter: Letter) -> Self {
        let body = serde_json::from_str(&letter.body).unwrap_or(Value::String(letter.body.clone()));
        Self {
            queue,
            sqs_message_id: letter.message_id().to_owned(),
            sent_at: letter.kept_at(),
            attributes: letter.attributes,
            body,
        }
    }
}
