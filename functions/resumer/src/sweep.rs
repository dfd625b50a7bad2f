//! One run: finds overdue enrollments in the shards of the index and finishes them, with bounds of
//! concurrency, work and time. The others stay overdue for the next run.

use std::time::Duration;

use enrollment::{
    Adapters, CourseId, Enrollment, Ports, StudentId,
    ports::{FindEnrollment, FindOverdue},
    resume::{self, Resumed},
};
use futures_util::{StreamExt, stream};
use invocation::trace::{self, TraceHeader};
use lambda::{
    clock,
    log_events::{
        ENROLLMENT_STUCK, PAYMENT_ORPHANED, PAYMENT_PROVIDER_REFUSED, REFUND_NOT_SETTLED,
    },
};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};
use unavailable::Unavailable;

/// Maximum enrollments per shard and run: with 16 shards, 1,600 per minute.
pub const MAX_PER_SHARD: usize = 100;

/// Maximum shards, and then enrollments, in progress at the same time.
const MAX_CONCURRENT_STEPS: usize = 16;

/// Maximum time for one enrollment: four requests to the payment provider, and some to DynamoDB and SQS.
/// The run starts none in this last part of its time.
pub const MAX_STEP_DURATION: Duration = Duration::from_secs(30);

/// Maximum time for a run: the function's timeout in template.yaml.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// The enrollments of a run, by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Out of the index, also if an earlier run finished them.
    pub finished: usize,
    /// They wait for the provider or the student.
    pub later: usize,
    /// The payment provider refuses us; they are kept for a later run.
    pub refused: usize,
    /// An operator must look.
    pub stuck: usize,
    /// A dependency was down; they stay overdue. A shard that could not be read counts as one.
    pub failed: usize,
    /// Left for the next run, for lack of time.
    pub left: usize,
}

/// The result for one enrollment.
enum Step {
    Done(Resumed),
    /// It was finished before.
    Gone,
    Failed,
    Left,
}

/// Finishes overdue enrollments. Starts none after `until`.
pub async fn sweep<A>(ports: &Ports<A>, now: OffsetDateTime, until: Instant) -> Report
where
    A: Adapters<Enrollments: FindOverdue>,
{
    let enrollments = &ports.enrollments;
    let mut report = Report::default();
    let shards =
        stream::iter(0..A::Enrollments::SHARDS)
            .map(|shard| async move {
                (shard, enrollments.find_overdue(shard, now, MAX_PER_SHARD).await)
            })
            .buffer_unordered(MAX_CONCURRENT_STEPS)
            .collect::<Vec<_>>()
            .await;
    let mut overdue = Vec::new();
    for (shard, found) in shards {
        match found {
            Ok(keys) => overdue.extend(keys),
            Err(error) => {
                tracing::error!(shard, %error, "a shard could not be read");
                report.failed += 1;
            }
        }
    }
    let mut steps = stream::iter(overdue)
        .map(|(student, course)| async move {
            if clock::instant() > until {
                return Step::Left;
            }
            let span = tracing::info_span!(
                "enrollment", course_id = %course, enrollment_id = Empty, trace_id = Empty,
            );
            step(ports, &student, &course, now).instrument(span).await
        })
        .buffer_unordered(MAX_CONCURRENT_STEPS);
    while let Some(step) = steps.next().await {
        match step {
            Step::Done(Resumed::Finished) | Step::Gone => report.finished += 1,
            Step::Done(Resumed::Later | Resumed::Orphaned(_)) => report.later += 1,
            Step::Done(Resumed::Refused(_)) => report.refused += 1,
            Step::Done(Resumed::Stuck(_)) => report.stuck += 1,
            Step::Failed => report.failed += 1,
            Step::Left => report.left += 1,
        }
    }
    report
}

async fn step<A: Adapters>(
    ports: &Ports<A>,
    student: &StudentId,
    course: &CourseId,
    now: OffsetDateTime,
) -> Step {
    let resumed = async {
        match ports.enrollments.find_enrollment(student, course).await? {
            Some(found) if found.resume_at.is_some_and(|at| at <= now) => {
                let trace = found.trace.as_deref().and_then(TraceHeader::parse);
                let span = Span::current();
                span.record("enrollment_id", tracing::field::display(found.id));
                span.record("trace_id", trace.as_ref().map(TraceHeader::id));
                trace::within(trace, take_up(ports, found, now)).await.map(Step::Done)
            }
            _ => Ok(Step::Gone),
        }
    };
    resumed.await.unwrap_or_else(|error: Unavailable| {
        tracing::error!(course_id = %course, %error, "an enrollment could not be finished yet");
        Step::Failed
    })
}

/// Resumes one enrollment, and logs what an operator must look at.
async fn take_up<A: Adapters>(
    ports: &Ports<A>,
    overdue: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let enrollment_id = overdue.id;
    let late_refund = overdue.intent().filter(|_| overdue.refund_is_late(now)).cloned();
    let resumed = resume::resume(ports, overdue, now).await;
    if let Some(intent_id) = late_refund
        && !matches!(resumed, Ok(Resumed::Finished))
    {
        tracing::error!(
            event = REFUND_NOT_SETTLED,
            %enrollment_id,
            %intent_id,
            "a refund has been due for over an hour",
        );
    }
    match &resumed {
        Ok(Resumed::Refused(refusal)) => tracing::error!(
            event = PAYMENT_PROVIDER_REFUSED,
            %enrollment_id,
            operation = refusal.operation,
            status = refusal.status,
            error_type = refusal.error_type,
            code = refusal.code,
            "the payment provider refuses us; the enrollment is kept as it is",
        ),
        Ok(Resumed::Orphaned(intent_id)) => tracing::error!(
            event = PAYMENT_ORPHANED,
            %enrollment_id,
            %intent_id,
            "a charge belongs to an attempt that was over; a refund was requested",
        ),
        Ok(Resumed::Stuck(reason)) => tracing::error!(
            event = ENROLLMENT_STUCK,
            %enrollment_id,
            why = reason.as_str(),
            "an enrollment cannot be settled; an operator must look",
        ),
        Ok(Resumed::Finished | Resumed::Later) | Err(_) => {}
    }
    resumed
}

#[cfg(test)]
mod tests;
