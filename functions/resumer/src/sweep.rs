//! One run: finds overdue enrollments in the shards of the index and finishes them, with bounds of
//! concurrency, work and time. The others stay overdue for the next run.

use std::time::Duration;

use enrollment::{
    Adapters, CourseId, Ports, StudentId,
    ports::{FindEnrollment, FindOverdue},
    resume::{self, Resumed},
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

/// Maximum enrollments per shard and run: with 16 shards, 1,600 per minute.
pub const MAX_PER_SHARD: usize = 100;

/// Maximum shards, and then enrollments, in progress at the same time.
const MAX_CONCURRENT_STEPS: usize = 16;

/// Maximum time for one enrollment: four calls to the payment provider, and some to DynamoDB and SQS.
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
    /// An operator must look.
    pub gave_up: usize,
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
            if Instant::now() > until {
                return Step::Left;
            }
            step(ports, &student, &course, now).await
        })
        .buffer_unordered(MAX_CONCURRENT_STEPS);
    while let Some(step) = steps.next().await {
        match step {
            Step::Done(Resumed::Finished) | Step::Gone => report.finished += 1,
            Step::Done(Resumed::Later) => report.later += 1,
            Step::Done(Resumed::GaveUp) => report.gave_up += 1,
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
            // The index is a little behind the table: it may be finished already.
            Some(found) if found.resume_at.is_some_and(|at| at <= now) => {
                resume::resume(ports, found, now).await.map(Step::Done)
            }
            _ => Ok(Step::Gone),
        }
    };
    resumed.await.unwrap_or_else(|error: Unavailable| {
        tracing::error!(course_id = %course, %error, "an enrollment could not be finished yet");
        Step::Failed
    })
}

#[cfg(test)]
mod tests;
