//! The tasks that a schedule interleaves and kills.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Settled,
    catalogue::{Author, Precondition, put_course},
    enroll,
    payment::PaymentError,
    ports::FindEnrollment,
    resume,
    resume::Resumed,
    settle_intent,
    testing::{Deed, Report, World},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(crate) const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// With this card, the student also corrects the name.
pub(crate) const CARD_OF_CORRECTED_NAME: &str = "pm_3";

/// With this card, the request has too little time left to confirm anything.
pub(crate) const CARD_OF_LATE_REQUEST: &str = "pm_4";

pub(crate) fn request(method: &str) -> EnrollRequest {
    let name = if method == CARD_OF_CORRECTED_NAME { "Ada Lovelace" } else { "Ada" };
    let Value::Object(body) = json!({
        "student_id": "s-1", "course_id": "rust-101", "email": "ada@example.com", "name": name,
        "payment_method": method,
    }) else {
        unreachable!("the literal is an object")
    };
    EnrollRequest::from_fields(&body).unwrap()
}

/// A request, whose response does not matter here; only the state and the log that it leaves behind do.
pub(crate) fn asks<'a>(world: &'a World, method: &'a str, at: OffsetDateTime) -> Task<'a> {
    Box::pin(async move {
        let late = method == CARD_OF_LATE_REQUEST;
        let left = || Duration::from_secs(if late { 10 } else { 29 });
        match enroll(&world.ports(), request(method), at, Deadline::new(&left)).await {
            Err(EnrollError::Stuck(reason)) => world.report(Report::Stuck(reason)),
            Err(EnrollError::Orphaned(orphan)) => world.report(Report::Orphaned(orphan.intent)),
            Err(EnrollError::ProviderRefused(why)) => world.report(Report::ProviderRefused(why)),
            _ => {}
        }
    })
}

pub(crate) fn resumes(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        for enrollment in world.overdue(at) {
            if enrollment.refund_is_late(at) {
                world.report(Report::RefundNotSettled);
            }
            match resume(&world.ports(), enrollment, at).await {
                Ok(Resumed::Stuck(reason)) => world.report(Report::Stuck(reason)),
                Ok(Resumed::Orphaned(orphan)) => world.report(Report::Orphaned(orphan.intent)),
                Ok(Resumed::Refused(why)) => world.report(Report::ProviderRefused(why)),
                _ => {}
            }
        }
    })
}

/// Reports every event so far, and every intent in its current status.
pub(crate) fn webhook(world: &World, at: OffsetDateTime) -> Task<'_> {
    Box::pin(async move {
        let events = world.past_events().into_iter().rev().chain(world.events());
        for (attempt, intent) in events {
            let Some(enrollment) = world.enrollments().pop() else {
                world.report(Report::WithoutEnrollment(intent.id));
                continue;
            };
            let (student, course) = (&enrollment.student.id, &enrollment.course_id);
            let Ok(Some(enrollment)) = world.find_enrollment(student, course).await else {
                continue;
            };
            match settle_intent(&world.ports(), &enrollment, attempt, intent, at).await {
                Ok(Settled::Stuck(reason)) => world.report(Report::Stuck(reason)),
                Ok(Settled::Orphaned(orphan)) => world.report(Report::Orphaned(orphan.intent)),
                Err(PaymentError::Refused(why)) => world.report(Report::ProviderRefused(why)),
                _ => {}
            }
        }
    })
}

pub(crate) fn works(world: &World) -> Task<'_> {
    Box::pin(world.worker())
}

/// An operator acts on the enrollment.
pub(crate) fn acts(world: &World, deed: Deed, at: OffsetDateTime) -> Task<'_> {
    deed.act(world, "s-1", "rust-101", at)
}

/// An operator writes the course.
pub(crate) fn offers(world: &World, course: Course) -> Task<'_> {
    Box::pin(async move {
        let by = "arn:aws:iam::1:user/ada".parse().unwrap();
        let author = Author { by, at: START };
        let _ = put_course(world, course, &Precondition::None, &author).await;
    })
}

/// Polls once; returns whether the task has ended.
pub(crate) fn poll(task: &mut Task<'_>) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Runs a task to its end, or kills it after this number of points.
pub(crate) fn run(mut task: Task<'_>, points: u32) {
    for _ in 0..=points {
        if poll(&mut task) {
            return;
        }
    }
}
