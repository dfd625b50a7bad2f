//! What is known about an email or an enrollment.

use adapters::tables::{Progress, Suppressed};
use email::{EmailAddress, JobId};
use enrollment::{CourseId, Enrollment, StudentId};
use time::OffsetDateTime;

use crate::{dead_letters::FoundLetter, sending::Sending, ses_list::Listed};

/// What the operator asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Job(JobId),
    Recipient(EmailAddress),
    Enrollment(StudentId, CourseId),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) subject: Subject,
    pub(crate) now: OffsetDateTime,
    /// The student's, if the subject is one.
    pub(crate) enrollment: Option<Enrollment>,
    /// The email that is due, if there is one.
    pub(crate) job: Option<JobFacts>,
    pub(crate) recipient: Option<RecipientFacts>,
    /// Dead letters of the job or the recipient. Empty if nobody had to look.
    pub(crate) letters: Vec<FoundLetter>,
    pub(crate) sending: Sending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobFacts {
    pub(crate) id: JobId,
    /// `None` if no worker has claimed it, or if its entry has expired.
    pub(crate) progress: Option<Progress>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecipientFacts {
    /// In our copy of SES's list.
    pub(crate) ours: Option<Suppressed>,
    pub(crate) ses: OnSesList,
}

/// Whether SES suppresses the recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnSesList {
    Listed(Listed),
    NotListed,
    /// SES was not asked, or did not respond.
    Unknown,
}
