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

#[cfg(test)]
mod tests {
    use adapters::tables::{IndexKey, IndexPage, UnfinishedItem};

    use super::*;

    /// Two enrollments per shard of payments, of which one has gone, and more pages of the first.
    struct Index;

    fn key(shard: u8, number: u8) -> IndexKey {
        IndexKey {
            student_id: format!("s-{shard}-{number}"),
            course_id: "c".to_owned(),
            resume_at: (1_000 - u32::from(shard)).to_string(),
        }
    }

    impl UnfinishedEnrollments for Index {
        async fn page(
            &self,
            shard: u8,
            after: Option<&IndexKey>,
        ) -> Result<IndexPage, Unavailable> {
            assert_eq!(after, None, "a second page was read");
            let keys = if PAYMENT_SHARDS.contains(&shard) {
                vec![key(shard, 0), key(shard, 1)]
            } else {
                Vec::new()
            };
            Ok(IndexPage { keys, next: (shard == PAYMENT_SHARDS.start).then(|| key(shard, 2)) })
        }

        async fn item(&self, key: &IndexKey) -> Result<Option<UnfinishedItem>, Unavailable> {
            Ok(key.student_id.ends_with("-0").then(UnfinishedItem::default))
        }
    }

    #[tokio::test]
    async fn first_page_of_every_shard_is_listed_and_more_are_reported() {
        let found = first_pages(&Index).await.unwrap();
        assert_eq!(found.enrollments.len(), PAYMENT_SHARDS.len());
        assert!(found.more);
        let first = &found.enrollments[0].student_id;
        assert_eq!(*first, format!("s-{}-0", PAYMENT_SHARDS.end - 1), "the earliest is first");
    }
}
