//! Reads the facts from the deployed stack. What an operator may not read, or what a dependency does not
//! return, becomes a note, unless there is no answer without it.

use adapters::tables::SuppressionsTable;
use email::{EmailAddress, JobId, ledger::State};
use enrollment::{Enrollment, enrollment::EnrollmentState, ports::FindEnrollment};
use time::OffsetDateTime;

use crate::{
    account::Account,
    aws_call::CallFailed,
    dead_letters::{Wanted, search_dead_letters},
    outcome::Failure,
    sending::{Depth, Sending},
    ses_list::SesList,
    stack::Stack,
};

use super::facts::{Facts, JobFacts, OnSesList, RecipientFacts, Subject};

/// The facts, and notes on what is missing.
pub(crate) async fn gather(
    stack: &Stack,
    subject: Subject,
    now: OffsetDateTime,
) -> Result<(Facts, Vec<String>), Failure> {
    let mut notes = Vec::new();
    let account = noted(Account::read(stack.sdk()).await, &mut notes);
    let sending = Box::pin(Sending::read(stack, account.as_ref())).await?;
    let enrollment = enrollment(stack, &subject).await?;
    let recipient = match recipient(&subject, enrollment.as_ref()) {
        Some(address) => Some(recipient_facts(stack, address, &mut notes).await?),
        None => None,
    };
    let job = match job_id(&subject, enrollment.as_ref()) {
        Some(id) => Some(job_facts(stack, id).await?),
        None => None,
    };
    let mut facts =
        Facts { subject, now, enrollment, job, recipient, letters: Vec::new(), sending };
    if let Some(wanted) = letters_to_look_for(&facts) {
        match letters(stack, &wanted).await {
            Ok(letters) => facts.letters = letters,
            Err(Failure::Call(error)) => {
                notes.push(format!("the dead letters were not searched: {error}"));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((facts, notes))
}

async fn enrollment(stack: &Stack, subject: &Subject) -> Result<Option<Enrollment>, Failure> {
    let Subject::Enrollment(student, course) = subject else { return Ok(None) };
    let found = stack.enrollments()?.find_enrollment(student, course).await;
    Ok(found.map_err(|error| CallFailed::other("reading the enrollment", &error))?)
}

/// The email that is due in the enrollment's state.
fn job_id(subject: &Subject, enrollment: Option<&Enrollment>) -> Option<JobId> {
    if let Subject::Job(id) = subject {
        return Some(id.clone());
    }
    let enrollment = enrollment?;
    match enrollment.state {
        EnrollmentState::Active => Some(enrollment.confirmation_job_id()),
        EnrollmentState::Refunded => Some(enrollment.refund_job_id()),
        _ => None,
    }
}

fn recipient<'a>(
    subject: &'a Subject,
    enrollment: Option<&'a Enrollment>,
) -> Option<&'a EmailAddress> {
    match subject {
        Subject::Recipient(address) => Some(address),
        _ => enrollment.map(|enrollment| &enrollment.student.email),
    }
}

async fn job_facts(stack: &Stack, id: JobId) -> Result<JobFacts, Failure> {
    let found = stack.progress()?.find(&id).await;
    let progress = found.map_err(|error| CallFailed::other("reading the ledger", &error))?;
    Ok(JobFacts { id, progress })
}

async fn recipient_facts(
    stack: &Stack,
    address: &EmailAddress,
    notes: &mut Vec<String>,
) -> Result<RecipientFacts, Failure> {
    let table: SuppressionsTable = stack.suppressions()?;
    let ours = table.record(address).await;
    let ours = ours.map_err(|error| CallFailed::other("reading the suppressions", &error))?;
    let listed = noted(SesList::new(stack.sdk()).find(address).await, notes);
    let ses = match listed {
        Some(Some(listed)) => OnSesList::Listed(listed),
        Some(None) => OnSesList::NotListed,
        None => OnSesList::Unknown,
    };
    Ok(RecipientFacts { ours, ses })
}

/// Whose dead letters could change the answer. A job that SQS itself moved is `sending` in the ledger.
fn letters_to_look_for(facts: &Facts) -> Option<Wanted> {
    if let Subject::Recipient(address) = &facts.subject {
        return Some(Wanted::Recipient(address.as_str().to_owned()));
    }
    let job = facts.job.as_ref()?;
    let is_open = job.progress.as_ref().is_none_or(|progress| {
        progress.entry.state == State::Sending
            && progress.claimed_until.is_none_or(|until| until <= facts.now)
    });
    is_open.then(|| Wanted::Job(job.id.clone()))
}

async fn letters(
    stack: &Stack,
    wanted: &Wanted,
) -> Result<Vec<crate::dead_letters::FoundLetter>, Failure> {
    let url = stack.dead_letter_queue_url()?;
    if Depth::read(&stack.sqs(), &url).await?.total() == 0 {
        return Ok(Vec::new());
    }
    search_dead_letters(stack.sqs(), url, wanted).await
}

fn noted<T>(result: Result<T, CallFailed>, notes: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| notes.push(error.to_string())).ok()
}
