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
        let mut holds: Holds = get(READ, item).await?.unwrap_or_default();
        // The key is not a field of the record, and must not be kept as an unknown one.
        holds.unknown.remove("name");
        Ok(holds)
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
    use email::hold::{HoldCause, LastEnd, LoweredLimit, MachineHold, OperatorHold};
    use serde_json::json;
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
        let operator = OperatorHold { reason: "wrong text".to_owned(), since: at, until: Some(at) };
        let lowered = LoweredLimit {
            limit: 100.try_into().unwrap(),
            window_seconds: 60.try_into().unwrap(),
            reason: "warming up".to_owned(),
            since: at,
            until: Some(at),
        };
        // A field of a later release.
        let unknown = json!({"quiet_hours": {"from": 22, "days": ["sat"], "share": 0.5}});
        Holds {
            machine: Some(machine),
            last_end: Some(last_end),
            templates: [("enrollment-refund".to_owned(), operator)].into(),
            lowered: Some(lowered),
            unknown: unknown.as_object().unwrap().clone(),
            version: 7,
            ..Holds::default()
        }
    }

    #[tokio::test]
    async fn record_is_read_as_it_was_written() {
        let put = mock!(Client::put_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                let item = request.item().unwrap();
                let mut fields = item.clone();
                values[":before"] == number(6)
                    && fields.remove("name") == Some(text("email"))
                    && read::<Holds>("reading", fields).unwrap() == held()
            })
            .then_output(|| PutItemOutput::builder().build());
        let table = HoldsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "holds".to_owned());
        assert!(table.replace(&held()).await.unwrap());

        let get = mock!(Client::get_item).then_output(|| {
            let mut item = write("writing", held()).unwrap();
            item.insert("name".to_owned(), text("email"));
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
