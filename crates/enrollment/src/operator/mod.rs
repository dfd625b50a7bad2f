//! Actions of operators on enrollments. An action is written by one conditional write, with its entry in the
//! history; the resumer carries out what it needs of the payment provider and the email queue. So an
//! operator's machine needs neither, and a crash leaves nothing half done.

mod action;
mod request;

use time::OffsetDateTime;
use unavailable::Unavailable;

pub use self::{
    action::{Action, Details, RefundChoice, Refusal, Signature},
    request::{OperatorRequest, RequestedDeed},
};
use crate::{
    course::{Course, CourseId},
    enrollment::Enrollment,
    history::{Entry, What},
    ports::{FindCourse, FindEnrollment, InsertEnrollment, Inserted, SaveEnrollment, Saved},
    student::{Student, StudentId},
    unfinished::MakeDue,
};

/// Rounds of one action, each after a lost race.
const MAX_ROUNDS: usize = 8;

/// The result of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operated {
    Changed(Enrollment),
    /// It was like this already.
    Unchanged(Enrollment),
}

/// Nothing was changed, except after `Unavailable`, where a write may have happened: repeat the action.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    #[error("this student has no enrollment in this course")]
    NotEnrolled,
    #[error("there is no course {0}")]
    NoSuchCourse(CourseId),
    #[error(
        "the student has no enrollment in this course yet, so the name and the address are needed"
    )]
    DetailsNeeded,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("no seat of this course is free: give it more seats, or end another student's access")]
    Full,
    #[error("others change the enrollment at the same time; repeat this")]
    Busy,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The key of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub student_id: StudentId,
    pub course_id: CourseId,
}

/// Acts on an enrollment that exists. Repeating it is harmless.
///
/// # Errors
///
/// The action does not fit the enrollment, or the table did not respond.
pub async fn operate(
    enrollments: &(impl FindEnrollment + SaveEnrollment + Sync),
    place: &Place,
    action: &Action,
    signature: &Signature,
) -> Result<Operated, OperateError> {
    let found = enrollments.find_enrollment(&place.student_id, &place.course_id).await?;
    operate_on(enrollments, found.ok_or(OperateError::NotEnrolled)?, action, signature).await
}

async fn operate_on(
    enrollments: &(impl SaveEnrollment + Sync),
    mut found: Enrollment,
    action: &Action,
    signature: &Signature,
) -> Result<Operated, OperateError> {
    for _ in 0..MAX_ROUNDS {
        let Some(next) = action.apply(&found, signature)? else {
            return Ok(Operated::Unchanged(found));
        };
        match enrollments.save_enrollment(&found, &next).await? {
            Saved::Done => return Ok(Operated::Changed(next)),
            Saved::Conflict(current) => found = current,
            Saved::Full => return Err(OperateError::Full),
        }
    }
    Err(OperateError::Busy)
}

/// Gives a student access without a payment, also one who has no enrollment in the course.
///
/// # Errors
///
/// As [`operate`]; and if there is no such course, or the details of a new student are missing.
pub async fn grant(
    courses: &(impl FindCourse + Sync),
    enrollments: &(impl FindEnrollment + InsertEnrollment + SaveEnrollment + Sync),
    place: &Place,
    details: Details,
    signature: &Signature,
) -> Result<Operated, OperateError> {
    let Some(course) = courses.find_course_now(&place.course_id).await? else {
        return Err(OperateError::NoSuchCourse(place.course_id.clone()));
    };
    let found = enrollments.find_enrollment(&place.student_id, &place.course_id).await?;
    let found = if let Some(found) = found {
        found
    } else {
        let new = new_grant(&course, place, &details, signature)?;
        match enrollments.insert_enrollment(&new).await? {
            Inserted::Exists(existing) if existing.id != new.id => existing,
            Inserted::New | Inserted::Exists(_) => return Ok(Operated::Changed(new)),
            Inserted::Full => return Err(OperateError::Full),
        }
    };
    let action = Action::Grant { course: Box::new(course), details };
    operate_on(enrollments, found, &action, signature).await
}

fn new_grant(
    course: &Course,
    place: &Place,
    details: &Details,
    signature: &Signature,
) -> Result<Enrollment, OperateError> {
    let (Some(name), Some(email)) = (details.name.clone(), details.email.clone()) else {
        return Err(OperateError::DetailsNeeded);
    };
    let student = Student { id: place.student_id.clone(), email, name };
    let mut new = Enrollment::new(student, course, None, signature.at);
    new.resume_at = Some(signature.at);
    new.history.push(Entry {
        at: signature.at,
        by: signature.by.clone(),
        what: What::Granted,
        attempt: None,
        reason: Some(signature.reason.clone()),
        object: None,
    });
    Ok(new)
}

/// Why a retry of this enrollment would do nothing.
fn check_retry(found: &Enrollment) -> Result<(), Refusal> {
    match found.stuck_reason {
        Some(reason) if found.resolution.is_none() => Err(Refusal::Stuck(reason)),
        _ if found.resume_at.is_none() => Err(Refusal::NothingToRetry(found.state)),
        _ => Ok(()),
    }
}

/// Makes an unfinished enrollment due now, as if it had never failed: the resumer's next run takes it up.
///
/// # Errors
///
/// There is nothing to retry, or the table did not respond.
pub async fn retry(
    enrollments: &(impl FindEnrollment + MakeDue + Sync),
    place: &Place,
    now: OffsetDateTime,
) -> Result<Enrollment, OperateError> {
    let Place { student_id, course_id } = place;
    let found = enrollments.find_enrollment(student_id, course_id).await?;
    let found = found.ok_or(OperateError::NotEnrolled)?;
    check_retry(&found)?;
    if enrollments.make_due(student_id.as_str(), course_id.as_str(), now).await? {
        Ok(Enrollment { resume_at: Some(now), ..found })
    } else {
        // It was finished in the meantime.
        Err(Refusal::NothingToRetry(found.state).into())
    }
}
