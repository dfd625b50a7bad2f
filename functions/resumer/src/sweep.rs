//! One run: finds overdue enrollments in the shards of the index and finishes them, with bounds of
//! concurrency, memory and time. The others stay overdue for the next run.

use std::{ops::Range, time::Duration};

use enrollment::{
    Adapters, Ports,
    unfinished::{FindOverdue, OverdueKey, OverduePage, PutOff, ReadOverdue},
};
use futures_util::{Stream, StreamExt, future::ready, stream};
use lambda::clock;
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

use crate::{lines::Line, report::Report, step::Run};

/// Maximum payments in progress at the same time, each with calls to the payment provider, which has a
/// limit of its own (Stripe docs, "Rate limits": 100 per second in live mode, 25 in test mode).
const MAX_CONCURRENT_PAYMENTS: usize = 16;

/// Enrollments per step of the others, whose email jobs are enqueued together: SQS's maximum for a batched
/// call.
const PER_STEP: usize = 10;

/// Maximum steps of the others in progress at the same time. A step is four calls after each other, so calls
/// of 10 ms allow 2,000 items per second. `cargo bench -p registrar-bench --bench resumer` measures it.
const MAX_CONCURRENT_STEPS: usize = 8;

/// Maximum time for one step: four requests to the payment provider, and some to DynamoDB and SQS.
const MAX_STEP_DURATION: Duration = Duration::from_secs(30);

/// Maximum time to count what is overdue in the end: two rounds of queries.
const MAX_COUNT_DURATION: Duration = Duration::from_secs(6);

/// The last part of a run's time, in which it starts nothing.
pub const LAST_PART: Duration = MAX_STEP_DURATION.saturating_add(MAX_COUNT_DURATION);

/// Maximum time for a run: the function's timeout in template.yaml.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Finishes overdue enrollments. Starts none after `until`.
pub async fn sweep<A>(ports: &Ports<A>, now: OffsetDateTime, until: Instant) -> Report
where
    A: Adapters<Enrollments: FindOverdue + ReadOverdue + PutOff>,
{
    let run = Run::new(ports, now);
    let (payments, others) = (A::Enrollments::PAYMENT_SHARDS, A::Enrollments::OTHER_SHARDS);
    // Payments come first, and leave a quarter of the time.
    let started = clock::instant();
    let most = started + until.saturating_duration_since(started) * 3 / 4;
    let of_payments = Lane {
        shards: payments.clone(),
        per_step: 1,
        concurrency: MAX_CONCURRENT_PAYMENTS,
        until: most,
    };
    let mut report = of_payments.run(&run, &run.lines.payments).await;
    let of_others =
        Lane { shards: others, per_step: PER_STEP, concurrency: MAX_CONCURRENT_STEPS, until };
    let first = report;
    report += of_others.run(&run, &run.lines.emails).await;
    if first.left && !run.lines.payments.is_down() {
        // What was finished or put off before is not found again.
        report += Lane { until, ..of_payments }.run(&run, &run.lines.payments).await;
    }
    run.hour.log(&ports.enrollments).await;
    report
}

/// Some shards, and how their items are taken up.
struct Lane {
    shards: Range<u8>,
    per_step: usize,
    concurrency: usize,
    until: Instant,
}

impl Lane {
    async fn run<A>(&self, run: &Run<'_, A>, line: &Line) -> Report
    where
        A: Adapters<Enrollments: FindOverdue + ReadOverdue + PutOff>,
    {
        let enrollments = &run.ports.enrollments;
        let mut report = Report::default();
        let goes_on =
            || clock::instant() <= self.until && !line.is_down() && !run.lines.reads.is_down();
        // All shards at once; each holds one page.
        let shards = self.shards.clone();
        let shards = shards.map(|shard| Box::pin(keys(enrollments, shard, run.now)));
        let mut left = false;
        let mut steps = stream::select_all(shards)
            .take_while(|_| {
                left = !goes_on();
                ready(!left)
            })
            .chunks(self.per_step)
            .map(|found| async move {
                let mut failed = 0;
                let found = found.into_iter().filter_map(|key| {
                    key.inspect_err(|error: &Unavailable| {
                        failed += 1;
                        tracing::error!(%error, "a shard could not be read");
                    })
                    .ok()
                });
                let found = found.collect();
                let mut report = run.step(found).await;
                report.failed += failed;
                report
            })
            .buffer_unordered(self.concurrency);
        while let Some(step) = steps.next().await {
            report += step;
        }
        drop(steps);
        report.left |= left;
        report
    }
}

/// The keys of one shard that are overdue at `now`, page by page. It ends with the first page that cannot
/// be read.
fn keys<E: FindOverdue>(
    enrollments: &E,
    shard: u8,
    now: OffsetDateTime,
) -> impl Stream<Item = Result<OverdueKey, Unavailable>> {
    /// Where a page begins.
    enum Next {
        First,
        After(OverdueKey),
    }
    stream::unfold(Some(Next::First), move |next| async move {
        let after = match next? {
            Next::First => None,
            Next::After(key) => Some(key),
        };
        match enrollments.find_overdue(shard, now, after.as_ref()).await {
            Ok(OverduePage { keys, next }) => {
                let keys = keys.into_iter().map(Ok).collect();
                Some((keys, next.map(Next::After)))
            }
            Err(error) => Some((vec![Err(error)], None)),
        }
    })
    .flat_map(stream::iter)
}

#[cfg(test)]
mod tests;
