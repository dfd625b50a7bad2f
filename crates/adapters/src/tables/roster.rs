//! The index `roster` of the table `enrollments`: partition key `roster_shard`, which is `<course id>#<shard>`, sort key
//! `roster_at`, a [`RosterPlace`]. It contains keys only.
//!
//! **Shards.** DynamoDB gives a partition key at most 1,000 write units per second, and adaptive capacity cannot split one
//! whose sort key only grows, because every write goes to its end (DynamoDB Developer Guide, "Best practices for
//! designing and using partition keys effectively", "DynamoDB burst and adaptive capacity"). If an index cannot take
//! its writes, the writes of the table are throttled ("Using Global Secondary Indexes", back-pressure), and so the
//! enrollments of every other course too. An entry takes one unit, once per enrollment. Eight shards take 8,000
//! enrollments of one course per second, four times the burst of the API's stage (2,000), so chance may be uneven.
//! There may be more later: readers read them all. There must never be fewer.
//!
//! **Keys only.** An enrollment changes several times, and its keys never: it is written to this index once. A reader then
//! reads the item itself, consistently.

use std::ops::Range;

use aws_sdk_dynamodb::Client;
use enrollment::{
    CourseId, Enrollment,
    page::{Page, PageRequest},
    roster::RosterPlace,
};
use unavailable::Unavailable;

use super::item::{Item, text};

const INDEX: &str = "roster";
const SHARD: &str = "roster_shard";
const PLACE: &str = "roster_at";

pub(super) const SHARDS: Range<u8> = 0..8;

fn shard_of(course_id: &CourseId, shard: u8) -> String {
    format!("{course_id}#{shard}")
}

/// The attributes of an enrollment in this index. The shard comes from the random end of its id, which never changes.
pub(super) fn keys(enrollment: &Enrollment) -> Item {
    let [.., last] = enrollment.id.as_bytes();
    let shard = shard_of(&enrollment.course_id, last % SHARDS.end);
    Item::from([
        (SHARD.to_owned(), text(shard)),
        (PLACE.to_owned(), text(RosterPlace::from(enrollment))),
    ])
}

pub(super) async fn list_places(
    client: &Client,
    table: &str,
    course_id: &CourseId,
    shard: u8,
    page: &PageRequest<RosterPlace>,
) -> Result<Page<RosterPlace, RosterPlace>, Unavailable> {
    const QUERY: &str = "reading a roster";
    let condition = match page.after {
        Some(_) => "roster_shard = :shard AND roster_at > :after",
        None => "roster_shard = :shard",
    };
    let mut query = client
        .query()
        .table_name(table)
        .index_name(INDEX)
        .key_condition_expression(condition)
        .expression_attribute_values(":shard", text(shard_of(course_id, shard)))
        .limit(page.size.get().into());
    if let Some(after) = &page.after {
        query = query.expression_attribute_values(":after", text(after));
    }
    let found = query.send().await.map_err(|error| Unavailable::new(QUERY, error))?;
    let entries = found.items.unwrap_or_default();
    let entries = entries.iter().map(|item| place(QUERY, item));
    let next = found.last_evaluated_key.map(|key| place(QUERY, &key)).transpose()?;
    Ok(Page { entries: entries.collect::<Result<_, _>>()?, next })
}

fn place(operation: &'static str, item: &Item) -> Result<RosterPlace, Unavailable> {
    let text = item.get(PLACE).and_then(|value| value.as_s().ok());
    let text = text.ok_or_else(|| Unavailable::new(operation, "an item has no place"))?;
    text.parse().map_err(|error| Unavailable::new(operation, error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::query::QueryOutput;
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use serde_json::json;

    use super::*;

    fn enrollment(id: &str) -> Enrollment {
        serde_json::from_value(json!({
            "id": id, "student_id": "s-1", "email": "ada@example.com", "name": "Ada",
            "course_id": "rust-101", "course_title": "Rust 101", "state": "active",
            "created_at": "1970-01-01T00:00:01.5Z", "version": 1,
        }))
        .unwrap()
    }

    async fn listed(
        rule: &Rule,
        shard: u8,
        page: &PageRequest<RosterPlace>,
    ) -> Result<Page<RosterPlace, RosterPlace>, Unavailable> {
        let client = mock_client!(aws_sdk_dynamodb, [rule]);
        list_places(&client, "enrollments", &"rust-101".parse().unwrap(), shard, page).await
    }

    #[test]
    fn capacity_counts_on_as_many_shards() {
        assert_eq!(u32::from(SHARDS.end), capacity::usage::ROSTER_SHARDS);
    }

    #[test]
    fn keys_come_from_what_never_changes() {
        let first = enrollment("01a21304-1630-7215-83f8-bf1567ec447e");
        let later = Enrollment { version: 9, resume_at: None, ..first.clone() };
        assert_eq!(keys(&first), keys(&later));
        assert_eq!(keys(&first)[SHARD], text("rust-101#6"));
        assert_eq!(keys(&first)[PLACE], text("00000000001500000000#s-1"));
        let other = enrollment("01a21304-1630-7215-83f8-bf1567ec4401");
        assert_eq!(keys(&other)[SHARD], text("rust-101#1"));
    }

    #[tokio::test]
    async fn page_of_a_shard_begins_after_a_place_and_says_where_it_ended() {
        let keys = keys(&enrollment("01a21304-1630-7215-83f8-bf1567ec447e"));
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.index_name() == Some("roster")
                    // DynamoDB refuses a consistent read of an index.
                    && request.consistent_read().is_none()
                    && request.limit() == Some(2)
                    && request.key_condition_expression()
                        == Some("roster_shard = :shard AND roster_at > :after")
                    && request.expression_attribute_values().unwrap()
                        == &Item::from([
                            (":shard".to_owned(), text("rust-101#7")),
                            (":after".to_owned(), text("00000000000000000007#s-0")),
                        ])
            })
            .then_output(move || {
                QueryOutput::builder()
                    .items(keys.clone())
                    .set_last_evaluated_key(Some(keys.clone()))
                    .build()
            });
        let after = "00000000000000000007#s-0".parse().unwrap();
        let request = PageRequest { size: "2".parse().unwrap(), after: Some(after) };
        let page = listed(&query, 7, &request).await.unwrap();
        let place = RosterPlace::from(&enrollment("01a21304-1630-7215-83f8-bf1567ec447e"));
        assert_eq!(page, Page { entries: vec![place.clone()], next: Some(place) });
    }

    #[tokio::test]
    async fn first_page_has_no_start_and_a_key_that_cannot_be_read_fails_it() {
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.key_condition_expression() == Some("roster_shard = :shard")
            })
            .then_output(|| {
                let item = Item::from([(PLACE.to_owned(), text("not a place"))]);
                QueryOutput::builder().items(item).build()
            });
        assert!(listed(&query, 0, &PageRequest::default()).await.is_err());
    }
}
