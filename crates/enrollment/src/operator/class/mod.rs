//! A line of a class: one student whom an operator enrolls, or whose access ends, as one of many.
//!
//! A line is carried out by the actions of [`super`], each of which is one conditional write with its entry in the
//! history. A line whose response was lost is carried out again: then the entry shows that it was done, also if the
//! student has changed the enrollment in between. Whatever a line's result is, the other lines do not depend on it.

mod line;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;
use unavailable::Unavailable;

pub use self::line::{Ending, Enrolling, Granting, Obstacle, check_course};
use super::{
    Action, Details, OperateError, Operated, Place, Refusal, Signature, grant_in, operate,
};
use crate::{
    enrollment::Enrollment,
    history::{Actor, Entry, Reason, What},
    ports::{FindCourse, FindEnrollment, InsertEnrollment, SaveEnrollment},
    student::Student,
};

/// The run that a line belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub by: Actor,
    /// When the run began, also if it was interrupted and continues.
    pub since: OffsetDateTime,
    pub now: OffsetDateTime,
    /// If it is false, nothing is written, and a result is what would be done.
    pub apply: bool,
}

impl Run {
    fn signature(&self, reason: Reason) -> Signature {
        Signature { by: self.by.clone(), reason, at: self.now }
    }

    /// What this run did to an enrollment.
    fn own_entry<'a>(
        &self,
        found: &'a Enrollment,
        reason: &Reason,
        what: &[What],
    ) -> Option<&'a Entry> {
        let is_own = |entry: &&Entry| {
            entry.at >= self.since
                && entry.reason.as_ref() == Some(reason)
                && what.contains(&entry.what)
        };
        found.history.iter().rev().find(is_own)
    }
}

/// The final result of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineResult {
    /// The student has access by this line.
    Enrolled,
    /// The same, in a course that has a price or takes no new students.
    Granted,
    /// The access has ended by this line.
    Unenrolled {
        /// Whether the charge is or was paid back.
        refund: bool,
    },
    /// It was like this already.
    Already,
    Refused {
        code: &'static str,
        why: String,
    },
}

impl LineResult {
    fn refused(code: &'static str, why: impl ToString) -> Self {
        Self::Refused { code, why: why.to_string() }
    }
}

/// Enrolls the student of a line. The history has the line's reason, or `otherwise` if it has none.
///
/// # Errors
///
/// The table did not respond. Repeat the line.
pub async fn enroll_line(
    courses: &(impl FindCourse + Sync),
    enrollments: &(impl FindEnrollment + InsertEnrollment + SaveEnrollment + Sync),
    line: &Enrolling,
    granting: Granting,
    otherwise: &Reason,
    run: &Run,
) -> Result<LineResult, Unavailable> {
    let Enrolling { place, student, reason } = line;
    let course = courses.find_course_now(&place.course_id).await?;
    let is_grant = match check_course(course.as_ref(), granting, reason.is_some(), run.now) {
        Ok(is_grant) => is_grant,
        Err(obstacle) => return Ok(LineResult::refused(obstacle.code(), obstacle)),
    };
    let Some(course) = course else {
        return Ok(LineResult::refused(Obstacle::NoSuchCourse.code(), Obstacle::NoSuchCourse));
    };
    let done = if is_grant { LineResult::Granted } else { LineResult::Enrolled };
    let reason = reason.as_ref().unwrap_or(otherwise);
    let signature = run.signature(reason.clone());
    let found = enrollments.find_enrollment(&place.student_id, &place.course_id).await?;
    if found.as_ref().and_then(|found| run.own_entry(found, reason, &[What::Granted])).is_some() {
        return Ok(done);
    }
    let Student { name, email, .. } = student.clone();
    let details = Details { name: Some(name), email: Some(email) };
    let granted = match found {
        _ if run.apply => grant_in(&course, enrollments, place, details, &signature).await,
        None => return Ok(done),
        Some(found) => {
            let action = Action::Grant { course: Box::new(course), details };
            would_be(action.apply(&found, &signature), found)
        }
    };
    match settled(granted)? {
        Ok(Operated::Changed(_)) => Ok(done),
        Ok(Operated::Unchanged(active)) => Ok(already(&active, student)),
        Err(refused) => Ok(refused),
    }
}

/// Ends the access of a line.
///
/// # Errors
///
/// The table did not respond. Repeat the line.
pub async fn unenroll_line(
    enrollments: &(impl FindEnrollment + SaveEnrollment + Sync),
    line: &Ending,
    run: &Run,
) -> Result<LineResult, Unavailable> {
    const ENDS: [What; 2] = [What::Unenrolled, What::UnenrolledWithRefund];
    let done =
        |entry: &Entry| LineResult::Unenrolled { refund: entry.what == What::UnenrolledWithRefund };
    let Place { student_id, course_id } = &line.place;
    let found = enrollments.find_enrollment(student_id, course_id).await?;
    if let Some(entry) = found.as_ref().and_then(|found| run.own_entry(found, &line.reason, &ENDS))
    {
        return Ok(done(entry));
    }
    let action = Action::Unenroll { attempt: line.attempt, refund: line.refund };
    let signature = run.signature(line.reason.clone());
    let ended = match found {
        None => Err(OperateError::NotEnrolled),
        Some(_) if run.apply => operate(enrollments, &line.place, &action, &signature).await,
        Some(found) => would_be(action.apply(&found, &signature), found),
    };
    Ok(match settled(ended)? {
        Ok(Operated::Changed(next)) => next.history.last().map_or(LineResult::Already, done),
        Ok(Operated::Unchanged(_)) => LineResult::Already,
        Err(refused) => refused,
    })
}

fn would_be(
    applied: Result<Option<Enrollment>, Refusal>,
    found: Enrollment,
) -> Result<Operated, OperateError> {
    Ok(applied?.map_or(Operated::Unchanged(found), Operated::Changed))
}

/// Separates what is final from what a repetition decides.
fn settled(
    operated: Result<Operated, OperateError>,
) -> Result<Result<Operated, LineResult>, Unavailable> {
    match operated {
        Ok(operated) => Ok(Ok(operated)),
        Err(OperateError::Unavailable(error)) => Err(error),
        Err(busy @ OperateError::Busy) => Err(Unavailable::new("changing an enrollment", busy)),
        Err(refused) => Ok(Err(LineResult::refused(code(&refused), refused))),
    }
}

/// The student has access, perhaps with other details than those of the line.
fn already(active: &Enrollment, student: &Student) -> LineResult {
    let differing = [
        ("email", active.student.email != student.email),
        ("name", active.student.name != student.name),
    ];
    let fields: Vec<_> =
        differing.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
    if fields.is_empty() {
        return LineResult::Already;
    }
    let why = format!(
        "the student has access, with another {}; `registrar enrollment correct` changes it",
        fields.join(" and another ")
    );
    LineResult::refused("differs", why)
}

fn code(error: &OperateError) -> &'static str {
    match error {
        OperateError::NotEnrolled => "not_enrolled",
        OperateError::NoSuchCourse(_) => Obstacle::NoSuchCourse.code(),
        OperateError::DetailsNeeded => "details_missing",
        OperateError::Full => "course_full",
        OperateError::Busy | OperateError::Unavailable(_) => "unavailable",
        OperateError::Refused(refusal) => match refusal {
            Refusal::State(..) => "other_state",
            Refusal::NothingToRetry(_) => "nothing_to_retry",
            Refusal::Stuck(_) => "stuck",
            Refusal::AttemptMissing(_) => "attempt_missing",
            Refusal::OtherAttempt { .. } => "other_attempt",
            Refusal::NoAttempt(_) => "no_attempt",
            Refusal::NothingPaid => "nothing_paid",
            Refusal::RefundInProgress => "refund_in_progress",
            Refusal::EmailNotQueued => "email_not_queued",
            Refusal::Forgotten => "forgotten",
            Refusal::NoDetails => "details_missing",
            Refusal::HistoryFull => "history_full",
        },
    }
}
