//! What operators do to the one enrollment of a crash matrix.

use std::{future::Future, pin::Pin};

use time::OffsetDateTime;

use super::world::World;
use crate::{
    course::CourseId,
    enrollment::{Enrollment, EnrollmentState},
    operator::{self, Action, Details, Place, RefundChoice, Signature},
    resolution::Resolution,
    student::StudentId,
};

/// An action of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Retry,
    Grant,
    Unenroll(RefundChoice),
    Refund,
    Correct,
    Resend,
    Resolve(Resolution),
}

impl Deed {
    pub const ALL: [Self; 10] = [
        Self::Retry,
        Self::Grant,
        Self::Unenroll(RefundChoice::None),
        Self::Unenroll(RefundChoice::Full),
        Self::Refund,
        Self::Correct,
        Self::Resend,
        Self::Resolve(Resolution::Grant),
        Self::Resolve(Resolution::Refund),
        Self::Resolve(Resolution::Fail),
    ];

    /// Does it to this student's enrollment in this course. It names the attempt that there was before the task
    /// began.
    pub fn act<'a>(
        self,
        world: &'a World,
        student: &str,
        course: &str,
        at: OffsetDateTime,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        let student_id: StudentId = student.parse().unwrap();
        let course_id: CourseId = course.parse().unwrap();
        let attempt = world.enrollments().pop().and_then(|found| found.attempt());
        Box::pin(async move {
            let place = Place { student_id, course_id };
            let by = "arn:aws:iam::123456789012:user/grace".parse().unwrap();
            let signature = Signature { by, reason: "asked".parse().unwrap(), at };
            let action = match self {
                Self::Retry => {
                    let _ = operator::retry(world, &place, at).await;
                    return;
                }
                Self::Grant => {
                    let _ = operator::grant(world, world, &place, details(), &signature).await;
                    return;
                }
                Self::Unenroll(refund) => Action::Unenroll { attempt, refund },
                Self::Refund => Action::Refund { attempt },
                Self::Correct => Action::Correct(details()),
                Self::Resend => Action::Resend,
                Self::Resolve(resolution) => Action::Resolve(resolution),
            };
            let _ = operator::operate(world, &place, &action, &signature).await;
        })
    }
}

fn details() -> Details {
    let email = "king@example.com".parse().unwrap();
    Details { name: Some("Ada King".parse().unwrap()), email: Some(email) }
}

/// Whether it stays as it is until an operator acts.
pub fn waits_for_operator(found: &Enrollment) -> bool {
    found.state == EnrollmentState::Stuck && found.resolution.is_none()
}
