//! The tasks that a schedule interleaves and kills.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use enrollment::{
    Deadline, EnrollError, EnrollRequest, Settled,
    catalogue::{Author, Precondition, put_course},
    enroll,
    outside::{Outside, PaymentOf, record_outside},
    payment::PaymentError,
    ports::FindEnrollment,
    resume,
    resume::Resumed,
    settle_intent,
    testing::{Deed, Report, waits_for_operator},
};
use serde_json::{Value, json};
use stripe::{
    notice::{self, News, Notice},
    testing::Event,
    webhook,
};
use time::OffsetDateTime;

use crate::world::{COURSE, STUDENT, World, course};

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn request(method: &str) -> EnrollRequest {
    let Value::Object(body) = json!({
        "student_id": STUDENT, "course_id": COURSE, "email": "ada@example.com", "name": "Ada",
        "payment_method": method,
    }) else {
        unreachable!("the literal is an object")
    };
    EnrollRequest::from_fields(&body).unwrap()
}

impl World {
    /// A request. Its response does not matter; the state and the log that it leaves do.
    pub fn asks<'a>(&'a self, method: &'a str, at: OffsetDateTime) -> Task<'a> {
        Box::pin(async move {
            let left = || Duration::from_secs(28);
            let ports = self.ports();
            match Box::pin(enroll(&ports, request(method), at, Deadline::new(&left))).await {
                Err(EnrollError::Stuck(reason)) => self.tables.report(Report::Stuck(reason)),
                Err(EnrollError::Orphaned(orphan)) => {
                    self.tables.report(Report::Orphaned(orphan.intent));
                }
                Err(EnrollError::ProviderRefused(why)) => {
                    self.tables.report(Report::ProviderRefused(why));
                }
                _ => {}
            }
        })
    }

    /// A run of the resumer.
    pub fn resumes(&self, at: OffsetDateTime) -> Task<'_> {
        Box::pin(async move {
            for enrollment in self.tables.overdue(at) {
                if enrollment.refund_is_late(at) {
                    self.tables.report(Report::RefundNotSettled);
                }
                match resume(&self.ports(), enrollment, at).await {
                    Ok(Resumed::Stuck(reason)) => self.tables.report(Report::Stuck(reason)),
                    Ok(Resumed::Orphaned(orphan)) => {
                        self.tables.report(Report::Orphaned(orphan.intent));
                    }
                    Ok(Resumed::Refused(why)) => self.tables.report(Report::ProviderRefused(why)),
                    _ => {}
                }
            }
        })
    }

    /// Deliveries of these events, in this order, as `POST /webhooks/stripe` handles them.
    pub fn receives(&self, events: Vec<Event>, at: OffsetDateTime) -> Task<'_> {
        Box::pin(async move {
            for event in events {
                let body = event.body.as_bytes();
                if let Some(notice) = notice::read(body) {
                    self.takes_notice(notice, at).await;
                    continue;
                }
                let Ok(Some(event)) = webhook::read(body) else { continue };
                let ports = self.ports();
                let found =
                    ports.enrollments.find_enrollment(&event.student_id, &event.course_id).await;
                let Ok(found) = found else { continue };
                let Some(enrollment) =
                    found.filter(|found| found.id.to_string() == event.enrollment_id)
                else {
                    self.tables.report(Report::WithoutEnrollment(event.intent.id));
                    continue;
                };
                match settle_intent(&ports, &enrollment, event.attempt, event.intent, at).await {
                    Ok(Settled::Stuck(reason)) => self.tables.report(Report::Stuck(reason)),
                    Ok(Settled::Orphaned(orphan)) => {
                        self.tables.report(Report::Orphaned(orphan.intent));
                    }
                    Err(PaymentError::Refused(why)) => {
                        self.tables.report(Report::ProviderRefused(why));
                    }
                    _ => {}
                }
            }
        })
    }

    async fn takes_notice(&self, notice: Notice, at: OffsetDateTime) {
        if let News::RefundFailed { .. } = notice.news {
            self.tables.report(Report::Orphaned(notice.intent));
            return;
        }
        let ports = self.ports();
        let Some(payments) = &ports.payments else { return };
        let Ok(Some(payment)) = payments.find_attempt(&notice.intent).await else { return };
        let charged = payment.intent.money.amount;
        let outside = match notice.news {
            News::Disputed { dispute, stage, amount } => {
                let Ok(refunds) = payments.refunds_of_others(&notice.intent).await else { return };
                Some(Outside::disputed(dispute, stage, amount, charged, &refunds))
            }
            _ => match payments.refunds_of_others(&notice.intent).await {
                Ok(refunds) => Outside::refunded(charged, refunds),
                Err(_) => return,
            },
        };
        let found =
            ports.enrollments.find_enrollment(&payment.student_id, &payment.course_id).await;
        let (Some(outside), Ok(Some(found))) = (outside, found) else { return };
        let of = PaymentOf { intent: &payment.intent.id, attempt: payment.attempt };
        let _ = record_outside(&ports.enrollments, found, of, &outside, self.access, at).await;
    }

    /// The email worker.
    pub fn works(&self) -> Task<'_> {
        Box::pin(self.tables.worker())
    }

    /// An operator acts on the enrollment.
    pub fn acts(&self, deed: Deed, at: OffsetDateTime) -> Task<'_> {
        deed.act(&self.tables, STUDENT, COURSE, at)
    }

    /// An operator offers the course at this price.
    pub fn offers(&self, price: u32) -> Task<'_> {
        Box::pin(async move {
            let by = "arn:aws:iam::1:user/ada".parse().unwrap();
            let author = Author { by, at: self.start };
            let _ = put_course(&self.tables, course(price), &Precondition::None, &author).await;
        })
    }

    /// Nothing fails any more: the resumer and the worker run until nothing is left to do, and Stripe
    /// delivers its events once more. A payment that is processed ends after a day.
    pub fn recover(&self, from: OffsetDateTime, success: bool, resumer: bool) {
        self.account(stripe::testing::Account::clear_faults);
        self.tables.unreliable(None);
        let mut now = from;
        for round in 0..2_000 {
            let unfinished = self.tables.enrollments().into_iter();
            let unfinished = unfinished.filter(|found| !waits_for_operator(found));
            let next = unfinished.filter_map(|found| found.resume_at).max();
            let Some(next) = next.filter(|_| resumer) else { break };
            now = (now + Duration::from_mins(1)).max(next);
            self.set_time(now);
            if now - from > Duration::from_hours(24) || round > 60 {
                self.bank_decides(success);
            }
            run(self.resumes(now), u32::MAX);
        }
        run(self.receives(self.events(), now), u32::MAX);
        run(self.works(), u32::MAX);
    }
}

/// Polls once; returns whether the task has ended.
pub fn poll(task: &mut Task<'_>) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Runs a task to its end, or kills it after this number of points.
pub fn run(mut task: Task<'_>, points: u32) {
    for _ in 0..=points {
        if poll(&mut task) {
            return;
        }
    }
}
