//! What is overdue for over an hour, although runs should have finished it: reported in one line per run.

use std::{ops::Range, sync::Mutex};

use enrollment::unfinished::{FindOverdue, LATE_AFTER};
use futures_util::{StreamExt, stream};
use lambda::log_events::ENROLLMENTS_OVERDUE;
use time::OffsetDateTime;

/// Maximum shards that are read at the same time.
const MAX_CONCURRENT_QUERIES: usize = 16;

/// Enrollments that are overdue for over an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Overdue {
    /// At least so many: of each shard, only the first page is counted.
    count: usize,
    oldest: Option<OffsetDateTime>,
}

impl Overdue {
    fn add(&mut self, since: OffsetDateTime) {
        self.count += 1;
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
    }
}

/// Counts what a run takes up and cannot finish, and in the end what it did not take up.
#[derive(Debug)]
pub(crate) struct Hour {
    now: OffsetDateTime,
    failed: Mutex<Overdue>,
}

impl Hour {
    pub(crate) fn new(now: OffsetDateTime) -> Self {
        Self { now, failed: Mutex::default() }
    }

    /// An item that could not be finished, and since when it is overdue.
    pub(crate) fn count(&self, since: Option<OffsetDateTime>) {
        let late = since.filter(|since| self.now - *since > LATE_AFTER);
        if let (Some(since), Ok(mut failed)) = (late, self.failed.lock()) {
            failed.add(since);
        }
    }

    /// Adds what is still in the index, and logs the sum if there is any.
    pub(crate) async fn log<E: FindOverdue + Sync>(&self, enrollments: &E) {
        let hour_ago = self.now - LATE_AFTER;
        let Range { start, end } = E::PAYMENT_SHARDS;
        let mut pages = stream::iter((start..end).chain(E::OTHER_SHARDS))
            .map(|shard| enrollments.find_overdue(shard, hour_ago, None))
            .buffer_unordered(MAX_CONCURRENT_QUERIES);
        let mut overdue = self.failed.lock().map(|failed| *failed).unwrap_or_default();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    // One that is not a time is taken as an hour ago.
                    let since = page.keys.iter().map(|key| key.since().unwrap_or(hour_ago));
                    since.for_each(|since| overdue.add(since));
                }
                Err(error) => tracing::warn!(%error, "the overdue enrollments were not counted"),
            }
        }
        if let Some(oldest) = overdue.oldest {
            tracing::error!(
                event = ENROLLMENTS_OVERDUE,
                at_least = overdue.count,
                oldest_seconds = (self.now - oldest).whole_seconds(),
                "enrollments have been overdue for over an hour",
            );
        }
    }
}
