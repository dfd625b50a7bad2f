//! `registrar enrollment show`.

use std::io::Write;

use adapters::tables::{IndexKey, ProgressTable, UnfinishedItem};
use email::JobId;
use enrollment::{
    Enrollment,
    enrollment::EnrollmentState,
    operator::{OperateError, Place},
    ports::FindEnrollment,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    outcome::{Failure, Outcome},
    stack::Stack,
};

use super::{
    PlaceArgs,
    facts::{Email, EmailKind, Facts},
};

/// Maximum entries of the ledger that are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print the student's name and address too
    #[arg(long)]
    personal: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    stack: &Stack,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let Place { student_id, course_id } = args.place.place();
    let found = stack.enrollments()?.find_enrollment(&student_id, &course_id).await;
    let found = found.map_err(|error| failed(&error))?.ok_or(OperateError::NotEnrolled)?;
    let unfinished = unfinished(stack, &found).await?;
    let emails = emails(&stack.progress()?, &found).await.map_err(|error| failed(&error))?;
    let facts = Facts::new(found, &unfinished, emails, args.personal, now);
    if args.json {
        let line = serde_json::to_string(&facts).map_err(std::io::Error::from)?;
        writeln!(out, "{line}")?;
    } else {
        write!(out, "{facts}")?;
    }
    Ok(if facts.needs_person { Outcome::NeedsPerson } else { Outcome::Fine })
}

/// What the item has beside the enrollment, if it is unfinished.
async fn unfinished(stack: &Stack, found: &Enrollment) -> Result<UnfinishedItem, Failure> {
    let key = IndexKey {
        student_id: found.student.id.to_string(),
        course_id: found.course_id.to_string(),
        resume_at: String::new(),
    };
    let item = stack.resume_index()?.item(&key).await.map_err(|error| failed(&error))?;
    Ok(item.unwrap_or_default())
}

/// The email that is due, and those that the ledger has.
async fn emails(ledger: &ProgressTable, found: &Enrollment) -> Result<Vec<Email>, Unavailable> {
    let due = match found.state {
        EnrollmentState::Active => Some(found.confirmation_job_id()),
        EnrollmentState::Refunded => Some(found.refund_job_id()),
        _ => None,
    };
    let attempts = found.payment.as_ref().map_or(found.earlier_attempts, |last| last.attempt);
    let confirmations = found.confirmation_job_ids().map(|id| (id, EmailKind::Confirmation));
    let notices = (1..=attempts).map(|attempt| found.id.refund_job_id(attempt));
    let all: Vec<(JobId, EmailKind)> =
        confirmations.chain(notices.map(|id| (id, EmailKind::RefundNotice))).collect();
    let read = stream::iter(all).map(|(id, kind)| async move {
        let progress = ledger.find(&id).await?;
        Ok::<_, Unavailable>((id, kind, progress))
    });
    let read: Vec<_> = read.buffered(MAX_CONCURRENT_READS).try_collect().await?;
    let shown =
        read.into_iter().filter(|(id, _, progress)| progress.is_some() || due.as_ref() == Some(id));
    Ok(shown.map(|(id, kind, progress)| Email::new(&id, kind, progress)).collect())
}

fn failed(error: &Unavailable) -> CallFailed {
    CallFailed::other("reading the enrollment", error)
}
