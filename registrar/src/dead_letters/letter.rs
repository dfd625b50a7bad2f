//! A dead letter as it is read from its queue, and which letters a command is about.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::Message;
use email::{
    Job, JobId,
    dead_letter::{OUTCOME_UNKNOWN, TOO_MANY_RECEIVES, attribute},
    job::MalformedJob,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The queue's id of a letter: the same, however often the letter is received.
pub(crate) type MessageId = String;

/// What deletes or hides a letter. Only the one of its last receipt surely does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) message_id: MessageId,
    pub(crate) handle: String,
}

/// A dead letter.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) receipt: Receipt,
    pub(crate) body: String,
    /// Those of [`attribute`], and any other.
    pub(crate) attributes: BTreeMap<String, String>,
    /// What the queue knows of the message.
    pub(crate) of_queue: BTreeMap<String, String>,
    /// The job that the body is, or why it is none.
    pub(crate) job: Result<JobId, MalformedJob>,
}

impl Letter {
    pub(crate) fn new(
        receipt: Receipt,
        body: String,
        attributes: BTreeMap<String, String>,
        of_queue: BTreeMap<String, String>,
    ) -> Self {
        let job = Job::parse(&body).map(|job| job.id);
        Self { receipt, body, attributes, of_queue, job }
    }

    /// The queue's id of the letter itself.
    pub(crate) fn message_id(&self) -> &str {
        &self.receipt.message_id
    }

    /// The job's id, where the body has one, even if it is no job.
    pub(crate) fn job_id(&self) -> Option<JobId> {
        let attribute = || self.attribute(attribute::JOB_ID)?.parse().ok();
        self.job.as_ref().ok().cloned().or_else(attribute)
    }

    /// What the letter is called: the job's id, or else the queue's id.
    pub(crate) fn name(&self) -> String {
        self.job_id().map_or_else(|| self.message_id().to_owned(), Into::into)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Why it is here, for machines.
    pub(crate) fn code(&self) -> &str {
        self.attribute(attribute::ERROR_CODE).unwrap_or(TOO_MANY_RECEIVES)
    }

    /// Why it is here, for people.
    pub(crate) fn reason(&self) -> &str {
        self.attribute(attribute::REASON).unwrap_or(match self.code() {
            TOO_MANY_RECEIVES => "the queue moved it: no worker lived to say what became of it",
            _ => "",
        })
    }

    /// A moment that an attribute has.
    pub(crate) fn moment(&self, name: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.attribute(name)?, &Rfc3339).ok()
    }
}

/// `None` for a message without id or receipt, which SQS does not give out.
pub(crate) fn letter(message: Message) -> Option<Letter> {
    let receipt = Receipt { message_id: message.message_id?, handle: message.receipt_handle? };
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    let of_queue = message.attributes.unwrap_or_default().into_iter();
    Some(Letter::new(
        receipt,
        message.body.unwrap_or_default(),
        attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect(),
        of_queue.map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
    ))
}

/// The arguments that say which letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selector {
    /// The letters with these ids: of the job, of the letter, or of the message the job came in
    #[arg(long = "id", value_name = "ID", num_args = 1..)]
    ids: Vec<String>,
    /// The letters with this error code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// All letters
    #[arg(long)]
    all: bool,
}

impl Selector {
    pub(crate) fn selection(&self) -> Selection {
        match &self.reason {
            Some(code) => Selection::Reason(code.clone()),
            None if self.all => Selection::All,
            None => Selection::Ids(self.ids.clone()),
        }
    }
}

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    Ids(Vec<String>),
    Reason(String),
    All,
}

impl Selection {
    pub(crate) fn has(&self, letter: &Letter) -> bool {
        match self {
            Self::Ids(ids) => ids.iter().any(|id| is_named(letter, id)),
            Self::Reason(code) => letter.code() == code,
            Self::All => true,
        }
    }

    /// Whether the operator has said so clearly enough that an email may be sent a second time.
    pub(crate) fn takes_what_may_have_been_sent(&self) -> bool {
        match self {
            Self::Ids(_) => true,
            Self::Reason(code) => code == OUTCOME_UNKNOWN,
            Self::All => false,
        }
    }

    /// The ids that are asked for.
    pub(crate) fn ids(&self) -> &[String] {
        if let Self::Ids(ids) = self { ids } else { &[] }
    }
}

/// Whether that is an id of the letter.
pub(crate) fn is_named(letter: &Letter, id: &str) -> bool {
    letter.message_id() == id
        || letter.attribute(attribute::SQS_MESSAGE_ID) == Some(id)
        || letter.job_id().is_some_and(|job_id| job_id.as_str() == id)
}
