//! Table `holds`: partition key `name`, one item, the record of the holds.

use aws_sdk_dynamodb::{Client, error::SdkError, operation::put_item::PutItemError};
use email::hold::{HoldRecord, Holds};
use unavailable::Unavailable;

use super::item::{get, number, text, write};

/// The item's key.
const NAME: &str = "email";

/// The record of the holds. Needs `dynamodb:GetItem`, and `dynamodb:PutItem` to change it.
#[derive(Debug, Clone)]
pub struct HoldsTable {
    client: Client,
    name: String,
}

impl HoldsTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }
}

impl HoldRecord for HoldsTable {
    async fn read(&self) -> Result<Holds, Unavailable> {
        const READ: &str = "reading the holds";
        let item = self.client.get_item().table_name(&self.name).key("name", text(NAME));
        Ok(get(READ, item).await?.unwrap_or_default())
    }

    async fn replace(&self, next: &Holds) -> Result<bool, Unavailable> {
        const REPLACE: &str = "writing the holds";
        let mut item = write(REPLACE, next)?;
        item.insert("name".to_owned(), text(NAME));
        let replaced = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(version) OR version = :before")
            .expression_attribute_values(":before", number(next.version - 1))
            .send()
            .await;
        match replaced.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(Unavailable::new(REPLACE, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::{get_item::GetItemOutput, put_item::PutItemOutput},
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{mock, mock_client};
    use email::hold::{HoldCause, LastEnd, MachineHold};
    use time::OffsetDateTime;

    use super::{super::item::read, *};

    fn held() -> Holds {
        let at = OffsetDateTime::UNIX_EPOCH;
        let machine = MachineHold {
            earliest_end: Some(at),
            relapses: 2,
            ..MachineHold::new(HoldCause::NotPermitted, at)
        };
        let last_end = LastEnd { at, cause: HoldCause::RejectedInARow, without_report: 3 };
        Holds { machine: Some(machine), last_end: Some(last_end), version: 7, ..Holds::default() }
    }

    #[tokio::test]
    async fn record_is_read_as_it_was_written() {
        let put = mock!(Client::put_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                let item = request.item().unwrap();
                values[":before"] == number(6)
                    && item["name"] == text("email")
                    && read::<Holds>("reading", item.clone()).unwrap() == held()
            })
            .then_output(|| PutItemOutput::builder().build());
        let table = HoldsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "holds".to_owned());
        assert!(table.replace(&held()).await.unwrap());

        let get = mock!(Client::get_item).then_output(|| {
            let item = write("writing", held()).unwrap();
            GetItemOutput::builder().set_item(Some(item)).build()
        });
        let table = HoldsTable::new(mock_client!(aws_sdk_dynamodb, [&get]), "holds".to_owned());
        assert_eq!(table.read().await.unwrap(), held());
    }

    #[tokio::test]
    async fn empty_table_means_no_hold() {
        let get = mock!(Client::get_item).then_output(|| GetItemOutput::builder().build());
        let table = HoldsTable::new(mock_client!(aws_sdk_dynamodb, [&get]), "holds".to_owned());
        assert_eq!(table.read().await.unwrap(), Holds::default());
    }

    #[tokio::test]
    async fn replacement_with_a_stale_version_is_refused() {
        let put = mock!(Client::put_item).then_error(|| {
            let refusal = ConditionalCheckFailedException::builder().build();
            PutItemError::ConditionalCheckFailedException(refusal)
        });
        let table = HoldsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "holds".to_owned());
        assert!(!table.replace(&held()).await.unwrap());
    }
}
