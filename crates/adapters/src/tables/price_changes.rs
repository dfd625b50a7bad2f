//! Table `price-changes`: partition key `course_id`, sort key `change`. One item per change, which is never written
//! again, so the course itself stays small.
//!
//! The sort key is the time and the version. A version alone could come twice: a course that was deleted and created
//! again, or that an earlier release has replaced, begins at 1.

use aws_sdk_dynamodb::Client;
use enrollment::{CourseId, price_change::PriceChange};
use unavailable::Unavailable;

use super::item::{Item, read, text, write};

/// The item of a change.
pub(super) fn item(operation: &'static str, change: &PriceChange) -> Result<Item, Unavailable> {
    let mut item = write(operation, change)?;
    let microseconds = change.at.unix_timestamp_nanos() / 1_000;
    item.insert("change".to_owned(), text(format!("{microseconds:020}#{:010}", change.version)));
    Ok(item)
}

/// The history of the prices. Needs `dynamodb:Query`; [`CatalogueTables`](super::CatalogueTables) writes it.
#[derive(Debug, Clone)]
pub struct PriceChangesTable {
    client: Client,
    name: String,
}

impl PriceChangesTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// The last changes of a course's price, the newest first.
    pub async fn newest(
        &self,
        course_id: &CourseId,
        max: u16,
    ) -> Result<Vec<PriceChange>, Unavailable> {
        const READ: &str = "reading the history of a price";
        let found = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("course_id = :course")
            .expression_attribute_values(":course", text(course_id))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(max.into())
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error))?;
        found.items.unwrap_or_default().into_iter().map(|item| read(READ, item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::query::QueryOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn newest_changes_are_read_as_they_were_written() {
        let change: PriceChange = serde_json::from_value(json!({
            "course_id": "rust-101", "version": 3, "at": "1970-01-01T00:00:00Z",
            "by": "arn:aws:iam::1:user/ada", "old": {"price": 4900, "currency": "USD"},
            "new": {"price": 5900, "currency": "USD"},
        }))
        .unwrap();
        let item = item("a test", &change).unwrap();
        assert_eq!(item["change"], text("00000000000000000000#0000000003"));
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.scan_index_forward() == Some(false)
                    && request.limit() == Some(7)
                    && request.expression_attribute_values().unwrap()[":course"] == text("rust-101")
            })
            .then_output(move || QueryOutput::builder().items(item.clone()).build());
        let client = mock_client!(aws_sdk_dynamodb, [&query]);
        let table = PriceChangesTable::new(client, "price-changes".to_owned());
        assert_eq!(table.newest(&change.course_id, 7).await.unwrap(), [change]);
    }
}
