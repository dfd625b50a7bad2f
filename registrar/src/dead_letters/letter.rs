//! A dead letter, as it is received from its queue.

use std::collections::BTreeMap;

use email::{
    Job, JobId,
    dead_letter::{TOO_MANY_RECEIVES, attribute},
    job::MalformedJob,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

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
}

impl Letter {
    pub(crate) fn new(
        receipt: Receipt,
        body: String,
        attributes: BTreeMap<String, String>,
        system_attributes: BTreeMap<String, String>,
    ) -> Self {
        let job = Job::parse(&body).map(|job| job.id);
        Self { receipt, body, attributes, system_attributes, job }
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
        self.attribute(attribute::ERROR_CODE).unwrap_or(TOO_MANY_RECEIVES)
    }

    /// Why it is a dead letter, in words.
    pub(crate) fn reason(&self) -> &str {
        self.attribute(attribute::REASON).unwrap_or(match self.error_code() {
            TOO_MANY_RECEIVES => {
                "SQS moved it after too many receives: no worker reported a reason"
            }
            _ => "",
        })
    }

    pub(crate) fn time(&self, attribute: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.attribute(attribute)?, &Rfc3339).ok()
    }
}
