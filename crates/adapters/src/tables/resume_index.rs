//! The index `resume` of the table `enrollments`: the sparse index of the enrollments that are not known to
//! be finished. Its partition key is `resume_shard`, its sort key `resume_at` (seconds since 1970). It
//! contains keys only, and its keys are taken as they are stored.

use std::ops::Range;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::item::{Item, number, text};

const RESUME_INDEX: &str = "resume";

/// Payments that are in progress or are paid back.
pub const PAYMENT_SHARDS: Range<u8> = 16..32;

/// Everything else. An earlier version wrote payments here too.
pub const OTHER_SHARDS: Range<u8> = 0..16;

/// Keys per page. A key has about 100 bytes, so a page is far below the 1 MB at which DynamoDB ends one
/// (Developer Guide, "Paginating table query results"), and all 32 shards' pages are below a megabyte.
const PAGE_SIZE: i32 = 200;

/// A key of the index, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    pub student_id: String,
    pub course_id: String,
    /// A number.
    pub resume_at: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    /// The smallest `resume_at` first.
    pub keys: Vec<IndexKey>,
    /// Where the next page begins; `None` if this one is the last.
    pub next: Option<IndexKey>,
}

/// What the item of a key says of itself, for an operator. Every attribute is optional, because the item may
/// be one that no enrollment can be read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnfinishedItem {
    pub enrollment_id: Option<String>,
    pub state: Option<String>,
    pub stuck_reason: Option<String>,
    /// What an operator decided about it, until the resumer has carried it out.
    pub resolution: Option<String>,
    /// The resumer could not read it.
    pub unreadable: bool,
    /// Failures in a row, by its own fault.
    pub failures: u32,
    /// When it first was overdue, if it was put off since: seconds since 1970.
    pub overdue_since: Option<i64>,
}

/// Reads the index. Needs `dynamodb:Query` on it, and [`ResumeIndex::item`] `dynamodb:GetItem` on the table.
#[derive(Debug, Clone)]
pub struct ResumeIndex {
    client: Client,
    table: String,
}

impl ResumeIndex {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// A page of one shard, up to a `resume_at` if one is given. The read is eventually consistent, as every
    /// read of a global secondary index is.
    pub async fn page(
        &self,
        shard: u8,
        until: Option<OffsetDateTime>,
        after: Option<&IndexKey>,
    ) -> Result<IndexPage, Unavailable> {
        const QUERY: &str = "looking for unfinished enrollments";
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(RESUME_INDEX)
            .expression_attribute_values(":shard", number(shard))
            .set_exclusive_start_key(after.map(|key| start(shard, key)))
            .limit(PAGE_SIZE);
        query = match until {
            Some(until) => query
                .key_condition_expression("resume_shard = :shard AND resume_at <= :until")
                .expression_attribute_values(":until", number(until.unix_timestamp())),
            None => query.key_condition_expression("resume_shard = :shard"),
        };
        let page = query.send().await.map_err(|error| Unavailable::new(QUERY, error))?;
        let keys = page.items.unwrap_or_default().iter().filter_map(key).collect();
        Ok(IndexPage { keys, next: page.last_evaluated_key.as_ref().and_then(key) })
    }
}

impl ResumeIndex {
    /// `None` if there is no such item any more, or it is no longer in the index.
    pub async fn item(&self, key: &IndexKey) -> Result<Option<UnfinishedItem>, Unavailable> {
        const READ: &str = "reading an unfinished enrollment";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(primary_key(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error))?;
        let item = found.item.filter(|item| item.contains_key("resume_at"));
        Ok(item.as_ref().map(unfinished_item))
    }
}

fn unfinished_item(item: &Item) -> UnfinishedItem {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let number = |name| item.get(name).and_then(|value| value.as_n().ok());
    UnfinishedItem {
        enrollment_id: text("id"),
        state: text("state"),
        stuck_reason: text("stuck_reason"),
        resolution: text("resolution"),
        unreadable: item.contains_key("unreadable"),
        failures: number("resume_failures").and_then(|count| count.parse().ok()).unwrap_or(0),
        overdue_since: number("overdue_since").and_then(|at| at.parse().ok()),
    }
}

/// DynamoDB promises the types of keys.
pub(super) fn key(item: &Item) -> Option<IndexKey> {
    let text = |name| item.get(name)?.as_s().ok().cloned();
    Some(IndexKey {
        student_id: text("student_id")?,
        course_id: text("course_id")?,
        resume_at: item.get("resume_at")?.as_n().ok()?.clone(),
    })
}

/// The key of the table's item.
pub(super) fn primary_key(key: &IndexKey) -> Item {
    Item::from([
        ("student_id".to_owned(), text(&key.student_id)),
        ("course_id".to_owned(), text(&key.course_id)),
    ])
}

/// The key of the index and of the table, as `ExclusiveStartKey` of a query of an index has it.
fn start(shard: u8, key: &IndexKey) -> Item {
    let mut start = primary_key(key);
    start.insert("resume_shard".to_owned(), number(shard));
    start.insert("resume_at".to_owned(), AttributeValue::N(key.resume_at.clone()));
    start
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::{get_item::GetItemOutput, query::QueryOutput};
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;

    fn stored(student: &str) -> Item {
        start(
            3,
            &IndexKey {
                student_id: student.to_owned(),
                course_id: "c".to_owned(),
                resume_at: "60.5".to_owned(),
            },
        )
    }

    fn index(rule: &Rule) -> ResumeIndex {
        let client = mock_client!(aws_sdk_dynamodb, [rule]);
        ResumeIndex::new(client, "enrollments".to_owned())
    }

    #[test]
    fn capacity_counts_on_as_many_shards() {
        assert_eq!(OTHER_SHARDS.len(), capacity::usage::RESUME_SHARDS as usize);
    }

    #[tokio::test]
    async fn page_has_keys_that_no_enrollment_could_have_and_where_the_next_one_begins() {
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.index_name() == Some("resume")
                    && request.key_condition_expression()
                        == Some("resume_shard = :shard AND resume_at <= :until")
                    && request.expression_attribute_values().unwrap()[":until"] == number(60)
                    && request.exclusive_start_key() == Some(&stored("a b"))
            })
            .then_output(|| {
                QueryOutput::builder()
                    .items(stored("c d"))
                    .set_last_evaluated_key(Some(stored("c d")))
                    .build()
            });
        let after = key(&stored("a b")).unwrap();
        let until = OffsetDateTime::UNIX_EPOCH + time::Duration::MINUTE;
        let page = index(&query).page(3, Some(until), Some(&after)).await.unwrap();
        let found = key(&stored("c d")).unwrap();
        assert_eq!(found.resume_at, "60.5");
        assert_eq!(page, IndexPage { keys: vec![found.clone()], next: Some(found) });
    }

    #[tokio::test]
    async fn item_says_what_it_can() {
        let odd = key(&stored("s")).unwrap();
        let get = |item: Item| {
            mock!(Client::get_item)
                .then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build())
        };
        let mut item = stored("s");
        item.insert("id".to_owned(), number(1));
        item.insert("state".to_owned(), text("stuck"));
        item.insert("resolution".to_owned(), text("grant"));
        item.insert("unreadable".to_owned(), AttributeValue::Bool(true));
        item.insert("resume_failures".to_owned(), number(3));
        item.insert("overdue_since".to_owned(), number(60));
        let said = UnfinishedItem {
            state: Some("stuck".to_owned()),
            resolution: Some("grant".to_owned()),
            unreadable: true,
            failures: 3,
            overdue_since: Some(60),
            ..UnfinishedItem::default()
        };
        assert_eq!(index(&get(item.clone())).item(&odd).await.unwrap(), Some(said));
        item.remove("resume_at");
        assert_eq!(index(&get(item)).item(&odd).await.unwrap(), None);
    }

    #[tokio::test]
    async fn page_without_a_bound_and_a_start_is_the_first_of_all() {
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.key_condition_expression() == Some("resume_shard = :shard")
                    && request.exclusive_start_key().is_none()
            })
            .then_output(|| QueryOutput::builder().build());
        assert_eq!(index(&query).page(3, None, None).await.unwrap(), IndexPage::default());
    }
}
