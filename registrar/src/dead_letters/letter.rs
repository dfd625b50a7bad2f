//! A dead letter, as it is received from its queue.

use std::collections::BTreeMap;

use email::{
    Job, JobId,
    dead_letter::{JOB_TOO_LARGE, TOO_MANY_RECEIVES, attribute},
    job::MalformedJob,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// SQS's attribute of when a message was sent, in milliseconds since 1970.
const SENT_TIMESTAMP: &str = "SentTimestamp";

/// Deletes or hides a letter. SQS accepts only the last receipt of a letter reliably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// The letter's id, the same for every receive.
    pub(crate) message_id: String,
    pub(crate) handle: String,
}

#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) receipt: Receipt,
    pub(crate) body: String,
    /// The attributes in [`attribute`], and any others.
    pub(crate) attributes: BTreeMap<String, String>,
    /// SQS's own attributes of the message, such as `SentTimestamp`.
    pub(crate) system_attributes: BTreeMap<String, String>,
    /// The id of the job in the body.
    pub(crate) job: Result<JobId, MalformedJob>,
    /// The deadline that the job has of its own.
    pub(crate) deadline: Option<OffsetDateTime>,
}

impl Letter {
    pub(crate) fn new(
        receipt: Receipt,
        body: String,
        attributes: BTreeMap<String, String>,
        system_attributes: BTreeMap<String, String>,
    ) -> Self {
        let job = Job::parse(&body);
        let deadline = job.as_ref().ok().and_then(|job| job.deadline);
        let job = job.map(|job| job.id);
        Self { receipt, body, attributes, system_attributes, job, deadline }
    }

    /// The id of the letter itself.
    pub(crate) fn message_id(&self) -> &str {
        &self.receipt.message_id
    }

    /// The job's id, if the worker found one, even in a malformed body.
    pub(crate) fn job_id(&self) -> Option<JobId> {
        let attribute = || self.attribute(attribute::JOB_ID)?.parse().ok();
        self.job.as_ref().ok().cloned().or_else(attribute)
    }

    /// The id that commands print: the job's id, otherwise the letter's id.
    pub(crate) fn id(&self) -> String {
        self.job_id().map_or_else(|| self.message_id().to_owned(), Into::into)
    }

    /// Whether `id` is the id of the job, of the letter, or of the message that the job came in.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.message_id() == id
            || self.attribute(attribute::SQS_MESSAGE_ID) == Some(id)
            || self.job_id().is_some_and(|job_id| job_id.as_str() == id)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn error_code(&self) -> &str {
        self.attribute(attribute::ERROR_CODE).unwrap_or(match self.job {
            // Beside a large body there is no room for attributes.
            Err(MalformedJob::TooLarge) => JOB_TOO_LARGE,
            _ => TOO_MANY_RECEIVES,
        })
    }

    /// Why it is a dead letter, in words.
    pub(crate) fn reason(&self) -> &str {
        self.attribute(attribute::REASON).unwrap_or(match self.error_code() {
            TOO_MANY_RECEIVES => {
                "SQS moved it after too many receives: no worker reported a reason"
            }
            JOB_TOO_LARGE => "the body leaves no room for the attributes of a dead letter",
            _ => "",
        })
    }

    /// When it was sent to the dead-letter queue. A message that SQS moved there itself keeps the time at which
    /// it was sent to the email queue (Amazon SQS Developer Guide, "Using dead-letter queues": the enqueue
    /// timestamp is unchanged).
    pub(crate) fn kept_at(&self) -> Option<OffsetDateTime> {
        self.system_attributes.get(SENT_TIMESTAMP).and_then(|text| from_milliseconds(text))
    }

    pub(crate) fn time(&self, attribute: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.attribute(attribute)?, &Rfc3339).ok()
    }
}

/// A time of SQS: milliseconds since 1970.
pub(crate) fn from_milliseconds(text: &str) -> Option<OffsetDateTime> {
    let milliseconds: i64 = text.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}
