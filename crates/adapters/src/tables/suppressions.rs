//! Table `suppressions`: partition key `recipient`, a copy of the provider's suppression list.

use aws_sdk_dynamodb::{Client, error::SdkError, operation::put_item::PutItemError};
use email::{
    EmailAddress,
    suppression::{Suppress, SuppressionCause},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    item::{get, read, text, timestamp, write},
    recipient::recipient_digest,
};

/// The suppressed recipients, by a digest of the address. The table has no addresses. Reading needs
/// `dynamodb:GetItem`, adding needs `dynamodb:PutItem`, removing needs `dynamodb:DeleteItem`.
#[derive(Debug, Clone)]
pub struct SuppressionsTable {
    client: Client,
    name: String,
}

#[derive(Deserialize)]
struct Item {
    cause: SuppressionCause,
}

/// A suppressed recipient, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// The digest of the address: the table has no addresses.
    pub recipient: String,
    pub cause: SuppressionCause,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// An operator's reason, if an operator added the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SuppressionsTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// The key of a recipient's item.
    pub fn key(recipient: &EmailAddress) -> String {
        recipient_digest(recipient)
    }

    /// A recipient's item. Needs `dynamodb:GetItem`.
    pub async fn record(
        &self,
        recipient: &EmailAddress,
    ) -> Result<Option<Suppressed>, Unavailable> {
        const READ: &str = "reading a suppression";
        let item = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("recipient", text(recipient_digest(recipient)));
        get(READ, item).await
    }

    /// Every item. Needs `dynamodb:Scan`.
    pub async fn all(&self) -> Result<Vec<Suppressed>, Unavailable> {
        const READ: &str = "reading the suppressions";
        let mut all = Vec::new();
        let mut items = self.client.scan().table_name(&self.name).into_paginator().items().send();
        while let Some(item) = items.next().await {
            all.push(read(READ, item.map_err(|error| Unavailable::new(READ, error))?)?);
        }
        Ok(all)
    }

    /// Adds a recipient for an operator, whose reason replaces what is there. Needs `dynamodb:PutItem`.
    pub async fn add(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        const ADD: &str = "adding a suppression";
        let key = recipient_digest(recipient);
        let item = Suppressed { recipient: key, cause, since: at, reason: Some(reason.to_owned()) };
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(write(ADD, item)?))
            .send()
            .await
            .map_err(|error| Unavailable::new(ADD, error))?;
        Ok(())
    }

    /// Why the recipient was suppressed. `None` if the copy does not have it.
    pub async fn find(
        &self,
        recipient: &EmailAddress,
    ) -> Result<Option<SuppressionCause>, Unavailable> {
        const FIND: &str = "looking for a suppression";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("recipient", text(recipient_digest(recipient)))
            .send()
            .await
            .map_err(|error| Unavailable::new(FIND, error))?;
        let item = found.item.map(|item| read::<Item>(FIND, item)).transpose()?;
        Ok(item.map(|item| item.cause))
    }

    /// Removes a recipient that the provider no longer suppresses.
    pub async fn remove(&self, recipient: &EmailAddress) -> Result<(), Unavailable> {
        self.client
            .delete_item()
            .table_name(&self.name)
            .key("recipient", text(recipient_digest(recipient)))
            .send()
            .await
            .map_err(|error| Unavailable::new("removing a suppression", error))?;
        Ok(())
    }
}

impl Suppress for SuppressionsTable {
    async fn suppress(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .item("recipient", text(recipient_digest(recipient)))
            .item("since", timestamp(at)?);
        let put = match cause {
            // A bounce never replaces a complaint, in whatever order the events arrive.
            SuppressionCause::Bounce => put
                .item("cause", text("bounce"))
                .condition_expression("attribute_not_exists(recipient) OR #cause <> :complaint")
                .expression_attribute_names("#cause", "cause")
                .expression_attribute_values(":complaint", text("complaint")),
            SuppressionCause::Complaint => put.item("cause", text("complaint")),
        };
        match put.send().await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(Unavailable::new("writing a suppression", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::{get_item::GetItemOutput, put_item::PutItemOutput},
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    fn address(text: &str) -> EmailAddress {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn bounce_does_not_replace_a_complaint() {
        let put = mock!(Client::put_item)
            .match_requests(|request| request.condition_expression().unwrap().contains("<>"))
            .then_error(|| {
                PutItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().build(),
                )
            });
        let table = SuppressionsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "s".to_owned());
        let ada = address("ada@example.com");
        table.suppress(&ada, SuppressionCause::Bounce, OffsetDateTime::UNIX_EPOCH).await.unwrap();
    }

    #[tokio::test]
    async fn suppression_is_found_in_any_letter_case_and_stores_no_address() {
        for cause in [SuppressionCause::Bounce, SuppressionCause::Complaint] {
            let written = std::sync::Arc::new(std::sync::Mutex::new(None));
            let writing = written.clone();
            let put = mock!(Client::put_item)
                .match_requests(move |request| {
                    let item = request.item().unwrap().clone();
                    let silent = !format!("{item:?}").contains("ada");
                    *writing.lock().unwrap() = Some(item);
                    silent
                })
                .then_output(|| PutItemOutput::builder().build());
            let table =
                SuppressionsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "s".to_owned());
            let ada = address("Ada@Example.com");
            table.suppress(&ada, cause, OffsetDateTime::UNIX_EPOCH).await.unwrap();

            let item = written.lock().unwrap().clone().unwrap();
            let key = item["recipient"].clone();
            let get = mock!(Client::get_item)
                .match_requests(move |request| request.key().unwrap()["recipient"] == key)
                .then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
            let other = mock!(Client::get_item).then_output(|| GetItemOutput::builder().build());
            let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&get, &other]);
            let table = SuppressionsTable::new(client, "s".to_owned());
            assert_eq!(table.find(&address("ada@example.com")).await.unwrap(), Some(cause));
            assert_eq!(table.find(&address("bob@example.com")).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn operators_suppression_is_read_with_its_reason_by_the_worker_and_the_operator() {
        let written = std::sync::Arc::new(std::sync::Mutex::new(None));
        let writing = written.clone();
        let put = mock!(Client::put_item)
            .match_requests(move |request| {
                *writing.lock().unwrap() = request.item().cloned();
                true
            })
            .then_output(|| PutItemOutput::builder().build());
        let table = SuppressionsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "s".to_owned());
        let (ada, at) = (address("ada@example.com"), OffsetDateTime::UNIX_EPOCH);
        table.add(&ada, SuppressionCause::Complaint, "asked for it", at).await.unwrap();

        let item = written.lock().unwrap().clone().unwrap();
        let table = || {
            let item = item.clone();
            let get = mock!(Client::get_item)
                .then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
            SuppressionsTable::new(mock_client!(aws_sdk_dynamodb, [&get]), "s".to_owned())
        };
        let expected = Suppressed {
            recipient: SuppressionsTable::key(&address("Ada@example.com")),
            cause: SuppressionCause::Complaint,
            since: at,
            reason: Some("asked for it".to_owned()),
        };
        assert_eq!(table().record(&ada).await.unwrap(), Some(expected));
        assert_eq!(table().find(&ada).await.unwrap(), Some(SuppressionCause::Complaint));
    }
}
