//! What operators do while everything else goes on.

use enrollment::{
    enrollment::EnrollmentState,
    operator::{self, Action, Details, RefundChoice, Signature},
    resolve::Resolution,
    testing::World,
};
use time::OffsetDateTime;

use crate::tasks::Task;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Retry,
    Grant,
    Unenroll(RefundChoice),
    Refund,
    Correct,
    Resend,
    Resolve(Resolution),
}

pub(crate) const DEEDS: [Deed; 10] = [
    Deed::Retry,
    Deed::Grant,
    Deed::Unenroll(RefundChoice::None),
    Deed::Unenroll(RefundChoice::Full),
    Deed::Refund,
    Deed::Correct,
    Deed::Resend,
    Deed::Resolve(Resolution::Grant),
    Deed::Resolve(Resolution::Refund),
    Deed::Resolve(Resolution::Fail),
];

pub(crate) fn signature(at: OffsetDateTime) -> Signature {
    Signature {
        by: "arn:aws:iam::1:user/ada".parse().unwrap(),
        reason: "asked".parse().unwrap(),
        at,
    }
}

pub(crate) fn place() -> operator::Place {
    let (student_id, course_id) = ("s-1".parse().unwrap(), "rust-101".parse().unwrap());
    operator::Place { student_id, course_id }
}

fn details() -> Details {
    Details {
        name: Some("Ada King".parse().unwrap()),
        email: Some("king@example.com".parse().unwrap()),
    }
}

/// An operator names the attempt that there was before the action began.
pub(crate) fn acts(world: &World, deed: Deed, at: OffsetDateTime) -> Task<'_> {
    let payment = world.enrollments().pop().and_then(|found| found.payment);
    let attempt = payment.map(|payment| payment.attempt);
    Box::pin(async move {
        let (place, signature) = (place(), signature(at));
        let action = match deed {
            Deed::Retry => {
                let _ = operator::retry(world, &place, at).await;
                return;
            }
            Deed::Grant => {
                let _ = operator::grant(world, world, &place, details(), &signature).await;
                return;
            }
            Deed::Unenroll(refund) => Action::Unenroll { attempt, refund },
            Deed::Refund => Action::Refund { attempt },
            Deed::Correct => Action::Correct(details()),
            Deed::Resend => Action::Resend,
            Deed::Resolve(resolution) => Action::Resolve(resolution),
        };
        let _ = operator::operate(world, &place, &action, &signature).await;
    })
}

/// Whether only an operator goes on with it.
pub(crate) fn waits_for_operator(found: &enrollment::Enrollment) -> bool {
    found.state == EnrollmentState::Stuck && found.resolution.is_none()
}
