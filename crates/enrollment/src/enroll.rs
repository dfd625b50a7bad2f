//! The critical path: enroll a student in a course.
//!
//! For a free course: (1) a conditional write of the active enrollment, (2) the email job, (3) the
//! answer. Once the grant is written the answer is success; what fails after it is finished later,
//! because the enrollment carries its `resume_at` from the first write.

use time::OffsetDateTime;

use crate::{
    CourseId, Enrollment,
    course::CourseState,
    enrollment::EnrollRequest,
    fields::FieldErrors,
    ports::{EnqueueEmail, FindCourse, FindEnrollment, InsertEnrollment, Inserted, Unavailable},
};

/// The student is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// By this request.
    New(Enrollment),
    /// By an earlier request that said the same.
    Already(Enrollment),
}

/// Why the student is not enrolled. Nothing has been granted; only for
/// [`EnrollError::Unavailable`] may a write have taken place, and asking again is then safe.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// There is no such course.
    #[error("there is no course {0}")]
    NoSuchCourse(CourseId),
    /// The course takes no new students.
    #[error("the course is closed")]
    CourseClosed,
    /// The student is enrolled already, by a request that said something else.
    #[error("the student was enrolled with other details")]
    Differs(FieldErrors),
    /// The course costs something and no payment provider is configured.
    #[error("payments are not configured")]
    PaymentsNotConfigured,
    /// A dependency is down.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Enrolls the student, once however often it is asked.
pub async fn enroll<World>(
    world: &World,
    request: EnrollRequest,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError>
where
    World: FindCourse + FindEnrollment + InsertEnrollment + EnqueueEmail,
{
    let Some(course) = world.find_course(&request.course_id).await? else {
        return Err(EnrollError::NoSuchCourse(request.course_id));
    };
    if let Some(obstacle) = obstacle(course.state, course.price.is_free()) {
        // Who is enrolled stays so, whatever became of the course.
        return match world.find_enrollment(&request.student.id, &request.course_id).await? {
            Some(existing) => already(existing, &request),
            None => Err(obstacle),
        };
    }

    let enrollment = Enrollment::active(request.student.clone(), request.course_id.clone(), now);
    match world.insert_enrollment(&enrollment).await? {
        // A write that the client repeated because its answer was lost finds its own id.
        Inserted::Exists(existing) if existing.id != enrollment.id => {
            return already(existing, &request);
        }
        Inserted::New | Inserted::Exists(_) => {}
    }

    if let Err(error) = world.enqueue_email(&enrollment.confirmation(&course)).await {
        tracing::warn!(
            enrollment_id = %enrollment.id,
            %error,
            "the email job was not enqueued; the enrollment stands and its resume_at remains",
        );
    }
    Ok(Enrolled::New(enrollment))
}

fn obstacle(state: CourseState, free: bool) -> Option<EnrollError> {
    match (state, free) {
        (CourseState::Closed, _) => Some(EnrollError::CourseClosed),
        (CourseState::Open, false) => Some(EnrollError::PaymentsNotConfigured),
        (CourseState::Open, true) => None,
    }
}

fn already(existing: Enrollment, request: &EnrollRequest) -> Result<Enrolled, EnrollError> {
    let differences = existing.differences(request);
    if differences.is_empty() {
        Ok(Enrolled::Already(existing))
    } else {
        Err(EnrollError::Differs(differences))
    }
}

#[cfg(test)]
mod tests;
