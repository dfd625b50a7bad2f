//! One run: looks through the shards of the index for what is overdue and finishes it, a few at a
//! time, within bounds of work and time. What it does not get to is overdue still, and found by the
//! next run.

use std::{future::Future, time::Duration};

use email::ledger::KnowsEmail;
use email::queue::EnqueueEmail;
use enrollment::{
    CourseId, StudentId,
    ports::{FindCourse, FindEnrollment, Payments, SaveEnrollment},
    resume::{self, Resumed},
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

/// How many enrollments of a shard one run takes up: with 16 shards, 1,600 a minute.
pub const MOST_A_SHARD: usize = 100;

/// How many enrollments are under way at once.
const AT_ONCE: usize = 16;

/// How long a single enrollment can take: four calls to the payment provider, and some to DynamoDB
/// and SQS. Nothing is begun later than this before the run's end.
pub const LONGEST_STEP: Duration = Duration::from_secs(30);

/// How long a run may take: the function's timeout in template.yaml.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Finds enrollments by time.
pub trait FindOverdue {
    /// How many shards there are.
    const SHARDS: u8;

    /// The keys of a shard's enrollments whose `resume_at` has passed; at most `limit`.
    fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(StudentId, CourseId)>, Unavailable>>;
}

impl<C: Sync> FindOverdue for adapters::World<C> {
    const SHARDS: u8 = adapters::tables::RESUME_SHARDS;

    async fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        limit: usize,
    ) -> Result<Vec<(StudentId, CourseId)>, Unavailable> {
        self.enrollments().overdue(shard, now, limit).await
    }
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Finished, and out of the index.
    pub finished: usize,
    /// Waiting for the provider or the student.
    pub later: usize,
    /// Given up: a person must look.
    pub gave_up: usize,
    /// A dependency was down; they are overdue still.
    pub failed: usize,
    /// Left for the next run, for want of time.
    pub left: usize,
}

/// What became of one of them.
enum Step {
    Done(Resumed),
    Gone,
    Failed,
    Left,
}

/// Finishes what is overdue, beginning nothing after `until`.
pub async fn sweep<World>(world: &World, now: OffsetDateTime, until: Instant) -> Report
where
    World: FindOverdue
        + FindCourse
        + FindEnrollment
        + SaveEnrollment
        + Payments
        + KnowsEmail
        + EnqueueEmail
        + Sync,
{
    let mut report = Report::default();
    let shards = stream::iter(0..World::SHARDS)
        .map(|shard| async move { (shard, world.find_overdue(shard, now, MOST_A_SHARD).await) })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut overdue = Vec::new();
    for (shard, found) in shards {
        match found {
            Ok(keys) => overdue.extend(keys),
            Err(error) => {
                tracing::error!(shard, %error, "a shard could not be looked through");
                report.failed += 1;
            }
        }
    }
    let mut steps = stream::iter(overdue)
        .map(|(student, course)| async move {
            if Instant::now() > until {
                return Step::Left;
            }
            step(world, &student, &course, now).await
        })
        .buffer_unordered(AT_ONCE);
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

async fn step<World>(
    world: &World,
    student: &StudentId,
    course: &CourseId,
    now: OffsetDateTime,
) -> Step
where
    World:
        FindCourse + FindEnrollment + SaveEnrollment + Payments + KnowsEmail + EnqueueEmail + Sync,
{
    let resumed = async {
        match world.find_enrollment(student, course).await? {
            // The index is a little behind the table: another may have finished it meanwhile.
            Some(found) if found.resume_at.is_some_and(|at| at <= now) => {
                resume::resume(world, found, now).await.map(Step::Done)
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
