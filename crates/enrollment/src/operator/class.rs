//! A line of a class: one student whom an operator enrolls, or whose access ends, as one of many.
//!
//! A line is carried out by the actions of [`super`], so repeating it is harmless, and it is written with its
//! entry in the history. Whatever a line's result is, the other lines do not depend on it.

use unavailable::Unavailable;

use super::{
    Action, Details, OperateError, Operated, Place, RefundChoice, Refusal, Signature, grant_in,
    operate,
};
use crate::{
    course::{Course, CourseState},
    enrollment::{Enrollment, EnrollmentState},
    history::Reason,
    ports::{FindCourse, FindEnrollment, InsertEnrollment, SaveEnrollment},
    student::Student,
};

/// A student to enroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolling {
    pub place: Place,
    pub student: Student,
    /// Needed if the access is granted though the course has a price or is closed.
    pub reason: Option<Reason>,
}

/// An access to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub place: Place,
    /// The payment attempt that this undoes, needed if there is a payment.
    pub attempt: Option<u32>,
    pub refund: RefundChoice,
}

/// Whether lines may give access that a student could not have for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granting {
    Allowed,
    Refused,
}

/// Why a line does not fit its course. Nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("there is no such course")]
    NoSuchCourse,
    #[error("the course has a price, and granting without payment is not allowed")]
    Priced,
    #[error("the course is closed, and granting is not allowed")]
    Closed,
    #[error("is missing, and the course has a price or is closed")]
    NoReason,
}

impl Obstacle {
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuchCourse => "no_such_course",
            Self::Priced => "course_has_price",
            Self::Closed => "course_closed",
            Self::NoReason => "reason_missing",
        }
    }

    /// The field that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::NoSuchCourse | Self::Priced | Self::Closed => "course_id",
            Self::NoReason => "reason",
        }
    }
}

/// The final result of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineResult {
    /// The student has access by this line.
    Enrolled,
    /// The same, in a course that has a price or is closed.
    Granted,
    /// The access has ended by this line.
    Unenrolled {
        refunding: bool,
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

/// Checks a line against its course, as it is now.
///
/// # Errors
///
/// The course is missing, or gives no access for nothing.
pub fn check_course(
    course: Option<&Course>,
    granting: Granting,
    has_reason: bool,
) -> Result<(), Obstacle> {
    let course = course.ok_or(Obstacle::NoSuchCourse)?;
    match (needs_grant(course), granting) {
        (None, _) => Ok(()),
        (Some(why), Granting::Refused) => Err(why),
        (Some(_), Granting::Allowed) if has_reason => Ok(()),
        (Some(_), Granting::Allowed) => Err(Obstacle::NoReason),
    }
}

fn needs_grant(course: &Course) -> Option<Obstacle> {
    if !course.price.is_free() {
        Some(Obstacle::Priced)
    } else if course.state == CourseState::Closed {
        Some(Obstacle::Closed)
    } else {
        None
    }
}

/// Enrolls the student of a line. If `apply` is false, nothing is written, and the result is what would be done.
///
/// # Errors
///
/// The table did not respond. Repeat the line.
pub async fn enroll_line(
    courses: &(impl FindCourse + Sync),
    enrollments: &(impl FindEnrollment + InsertEnrollment + SaveEnrollment + Sync),
    line: &Enrolling,
    granting: Granting,
    signature: &Signature,
    apply: bool,
) -> Result<LineResult, Unavailable> {
    let course = courses.find_course_now(&line.place.course_id).await?;
    if let Err(obstacle) = check_course(course.as_ref(), granting, line.reason.is_some()) {
        return Ok(LineResult::refused(obstacle.code(), obstacle));
    }
    let Some(course) = course else {
        return Ok(LineResult::refused(Obstacle::NoSuchCourse.code(), Obstacle::NoSuchCourse));
    };
    let done = match needs_grant(&course) {
        Some(_) => LineResult::Granted,
        None => LineResult::Enrolled,
    };
    let Student { name, email, .. } = line.student.clone();
    let details = Details { name: Some(name), email: Some(email) };
    if apply {
        let granted = grant_in(&course, enrollments, &line.place, details, signature).await;
        return result(granted, done, |active| already(active, &line.student));
    }
    let Place { student_id, course_id } = &line.place;
    let Some(found) = enrollments.find_enrollment(student_id, course_id).await? else {
        return Ok(done);
    };
    let granted = Action::Grant { title: course.title, details }.apply(&found, signature);
    result(would_be(granted, found), done, |active| already(active, &line.student))
}

/// Ends the access of a line. If `apply` is false, nothing is written, and the result is what would be done.
///
/// # Errors
///
/// The table did not respond. Repeat the line.
pub async fn unenroll_line(
    enrollments: &(impl FindEnrollment + SaveEnrollment + Sync),
    line: &Ending,
    signature: &Signature,
    apply: bool,
) -> Result<LineResult, Unavailable> {
    let action = Action::Unenroll { attempt: line.attempt, refund: line.refund };
    let ended = if apply {
        operate(enrollments, &line.place, &action, signature).await
    } else {
        let Place { student_id, course_id } = &line.place;
        match enrollments.find_enrollment(student_id, course_id).await? {
            Some(found) => would_be(action.apply(&found, signature), found),
            None => Err(OperateError::NotEnrolled),
        }
    };
    let refunding =
        matches!(&ended, Ok(Operated::Changed(next)) if next.state == EnrollmentState::Refunding);
    result(ended, LineResult::Unenrolled { refunding }, |_| LineResult::Already)
}

fn would_be(
    applied: Result<Option<Enrollment>, Refusal>,
    found: Enrollment,
) -> Result<Operated, OperateError> {
    Ok(applied?.map_or(Operated::Unchanged(found), Operated::Changed))
}

fn result(
    operated: Result<Operated, OperateError>,
    done: LineResult,
    unchanged: impl FnOnce(&Enrollment) -> LineResult,
) -> Result<LineResult, Unavailable> {
    match operated {
        Ok(Operated::Changed(_)) => Ok(done),
        Ok(Operated::Unchanged(found)) => Ok(unchanged(&found)),
        Err(OperateError::Unavailable(error)) => Err(error),
        // Nobody's fault: the next try decides.
        Err(busy @ OperateError::Busy) => Err(Unavailable::new("changing an enrollment", busy)),
        Err(refused) => Ok(LineResult::refused(code(&refused), refused)),
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
            Refusal::NoDetails => "details_missing",
            Refusal::HistoryFull => "history_full",
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;
    use crate::testing::{Bank, World};

    fn course(id: &str, price: u32, state: &str) -> Course {
        serde_json::from_value(json!({
            "course_id": id, "title": "T", "price": price, "currency": "USD", "state": state,
        }))
        .unwrap()
    }

    fn world() -> World {
        let courses = [("free", 0, "open"), ("priced", 4900, "open"), ("free-closed", 0, "closed")];
        World::new(courses.map(|(id, price, state)| course(id, price, state)), Bank::Accepts)
    }

    fn signature() -> Signature {
        Signature {
            by: "arn:aws:iam::1:user/ada".parse().unwrap(),
            reason: "a class".parse().unwrap(),
            at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn line(course: &str, reason: Option<&str>) -> Enrolling {
        let place =
            Place { student_id: "s-1".parse().unwrap(), course_id: course.parse().unwrap() };
        let student = Student {
            id: place.student_id.clone(),
            email: "ada@example.com".parse().unwrap(),
            name: "Ada".parse().unwrap(),
        };
        Enrolling { place, student, reason: reason.map(|text| text.parse().unwrap()) }
    }

    async fn enroll(world: &World, line: &Enrolling, granting: Granting) -> LineResult {
        let dry = enroll_line(world, world, line, granting, &signature(), false).await.unwrap();
        let real = enroll_line(world, world, line, granting, &signature(), true).await.unwrap();
        assert_eq!(dry, real, "the dry run says what is done");
        real
    }

    fn code_of(result: &LineResult) -> &'static str {
        match result {
            LineResult::Refused { code, .. } => code,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[tokio::test]
    async fn free_course_enrolls_and_a_priced_or_closed_one_needs_a_grant_with_a_reason() {
        let world = world();
        assert_eq!(
            enroll(&world, &line("free", None), Granting::Refused).await,
            LineResult::Enrolled
        );
        let again = enroll(&world, &line("free", None), Granting::Refused).await;
        assert_eq!(again, LineResult::Already);
        for (course, obstacle) in [("priced", "course_has_price"), ("free-closed", "course_closed")]
        {
            let refused = enroll(&world, &line(course, Some("won")), Granting::Refused).await;
            assert_eq!(code_of(&refused), obstacle);
            let no_reason = enroll(&world, &line(course, None), Granting::Allowed).await;
            assert_eq!(code_of(&no_reason), "reason_missing");
            let granted = enroll(&world, &line(course, Some("won")), Granting::Allowed).await;
            assert_eq!(granted, LineResult::Granted);
        }
        let missing = enroll(&world, &line("none", None), Granting::Allowed).await;
        assert_eq!(code_of(&missing), "no_such_course");
        let place = line("priced", None).place;
        let found = world.find_enrollment(&place.student_id, &place.course_id).await.unwrap();
        let history = found.unwrap().history;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0].by.as_str(), "arn:aws:iam::1:user/ada");
    }

    #[tokio::test]
    async fn student_with_other_details_is_refused_and_the_refusal_has_no_details() {
        let world = world();
        enroll(&world, &line("free", None), Granting::Refused).await;
        let mut other = line("free", None);
        other.student.email = "eve@example.com".parse().unwrap();
        let refused = enroll(&world, &other, Granting::Refused).await;
        assert_eq!(code_of(&refused), "differs");
        assert!(!format!("{refused:?}").contains('@'), "{refused:?}");
    }

    #[tokio::test]
    async fn access_ends_once_and_a_payment_must_be_named() {
        let world = world();
        enroll(&world, &line("free", None), Granting::Refused).await;
        let end = |course: &str, attempt| Ending {
            place: line(course, None).place,
            attempt,
            refund: RefundChoice::Full,
        };
        let unenroll = async |line: Ending| {
            let dry = unenroll_line(&world, &line, &signature(), false).await.unwrap();
            let real = unenroll_line(&world, &line, &signature(), true).await.unwrap();
            assert_eq!(dry, real);
            real
        };
        let ended = LineResult::Unenrolled { refunding: false };
        assert_eq!(unenroll(end("free", None)).await, ended);
        assert_eq!(unenroll(end("free", None)).await, LineResult::Already);
        assert_eq!(code_of(&unenroll(end("free-closed", None)).await), "not_enrolled");

        let request = json!({
            "student_id": "s-1", "course_id": "priced", "email": "ada@example.com", "name": "Ada",
            "payment_method": "pm_1",
        });
        let request = crate::EnrollRequest::from_fields(request.as_object().unwrap()).unwrap();
        let time_left = || std::time::Duration::from_mins(1);
        let (ports, now) = (world.ports(), OffsetDateTime::UNIX_EPOCH);
        crate::enroll(&ports, request, now, crate::Deadline::new(&time_left)).await.unwrap();
        assert_eq!(code_of(&unenroll(end("priced", None)).await), "attempt_missing");
        assert_eq!(code_of(&unenroll(end("priced", Some(2))).await), "other_attempt");
        let refunding = LineResult::Unenrolled { refunding: true };
        assert_eq!(unenroll(end("priced", Some(1))).await, refunding);
    }
}
