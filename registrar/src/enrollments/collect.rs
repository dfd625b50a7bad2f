//! The unfinished enrollments as a list in memory, for the console.

use adapters::tables::{OTHER_SHARDS, PAYMENT_SHARDS, ResumeIndex};
use futures_util::{StreamExt, TryStreamExt, stream};
use unavailable::Unavailable;

use crate::aws_call::CallFailed;

use super::list::{Listed, MAX_CONCURRENT_READS, UnfinishedEnrollments};

/// Unfinished enrollments, of every shard of the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) enrollments: Vec<Listed>,
    /// Whether a shard has more than its first page, which is not listed. The longest overdue are on it.
    pub(crate) more: bool,
}

/// Reads the first page of each shard, and the item of each key. Needs `dynamodb:Query` on the index and
/// `dynamodb:GetItem` on the table.
pub(crate) async fn unfinished(index: &ResumeIndex) -> Result<Unfinished, CallFailed> {
    first_pages(index).await.map_err(|error| CallFailed::other("listing the enrollments", &error))
}

async fn first_pages(index: &impl UnfinishedEnrollments) -> Result<Unfinished, Unavailable> {
    let mut found = Unfinished::default();
    for shard in PAYMENT_SHARDS.chain(OTHER_SHARDS) {
        let page = index.page(shard, None).await?;
        found.more |= page.next.is_some();
        let items = stream::iter(page.keys).map(|key| async {
            index.item(&key).await.map(|item| item.map(|item| Listed::new(key, item)))
        });
        let items: Vec<Option<Listed>> = items.buffered(MAX_CONCURRENT_READS).try_collect().await?;
        found.enrollments.extend(items.into_iter().flatten());
    }
    found.enrollments.sort_by_key(|listed| listed.overdue_since.or(listed.next_attempt_at));
    Ok(found)
}
