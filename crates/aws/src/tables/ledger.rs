//! Table `emails`, the delivery ledger: partition key `job_id`, expiry attribute `expires_at`.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use email::{
    JobId,
    dead_letter::Reason,
    ledger::{Claim, Claimed, Entry, Ledger, RETENTION, State, Timeline, Used},
};
use enrollment::ports::{KnowsEmail, Unavailable};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{Item, milliseconds, number, read, text, timestamp};

/// The delivery ledger. A worker needs `dynamodb:UpdateItem`, a reader `dynamodb:GetItem`.
#[derive(Debug, Clone)]
pub struct EmailsTable {
    client: Client,
    name: String,
}

/// What a refused claim shows of the entry that is there.
#[derive(Deserialize)]
struct Held {
    state: State,
    #[serde(default)]
    claimed_until: i64,
}

impl EmailsTable {
    /// The table of that name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    fn update(&self, job_id: &JobId, at: OffsetDateTime) -> UpdateItemFluentBuilder {
        let expires_at = (at + RETENTION).unix_timestamp();
        self.client
            .update_item()
            .table_name(&self.name)
            .key("job_id", text(job_id))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":expires_at", number(expires_at))
    }
}

impl Ledger for EmailsTable {
    type Error = Unavailable;

    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        const CLAIM: &str = "claiming an email job";
        let claimed = self
            .update(&claim.job_id, claim.at)
            .update_expression(
                "SET #state = :sending, claim_token = :token, claimed_until = :until, \
                 last_attempt_at = :at, first_attempt_at = if_not_exists(first_attempt_at, :at), \
                 expires_at = :expires_at \
                 ADD attempts :one",
            )
            .condition_expression(
                "attribute_not_exists(job_id) OR claim_token = :token \
                 OR (#state = :sending AND claimed_until <= :now)",
            )
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":until", milliseconds(claim.until))
            .expression_attribute_values(":now", milliseconds(claim.at))
            .expression_attribute_values(":at", timestamp(claim.at)?)
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match claimed.map_err(SdkError::into_service_error) {
            Ok(updated) => {
                let entry: Entry = read(CLAIM, updated.attributes.unwrap_or_default())?;
                Ok(Claimed::Granted { attempts: entry.attempts })
            }
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                refused(read(CLAIM, refusal.item.unwrap_or_default())?)
            }
            Err(error) => Err(Unavailable::new(CLAIM, error)),
        }
    }

    async fn release(&self, claim: &Claim, used: Used) -> Result<(), Unavailable> {
        const RELEASE: &str = "releasing an email job";
        let uncounted = match used {
            Used::Attempted => 0,
            Used::NotTried => -1,
        };
        let released = self
            .update(&claim.job_id, claim.at)
            .update_expression(
                "SET claimed_until = :never, expires_at = :expires_at \
                 REMOVE claim_token ADD attempts :uncounted",
            )
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":never", number(0))
            .expression_attribute_values(":uncounted", number(uncounted))
            .send()
            .await;
        match released.map_err(SdkError::into_service_error) {
            // The claim has ended: there is nothing to release.
            Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(Unavailable::new(RELEASE, error)),
        }
    }

    async fn mark_sent(
        &self,
        job_id: &JobId,
        message_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.update(job_id, at)
            .update_expression(
                "SET #state = :sent, message_id = :message_id, sent_at = :at, \
                 expires_at = :expires_at \
                 REMOVE claim_token, claimed_until",
            )
            .expression_attribute_values(":sent", text("sent"))
            .expression_attribute_values(":message_id", text(message_id))
            .expression_attribute_values(":at", timestamp(at)?)
            .send()
            .await
            .map_err(|error| Unavailable::new("marking an email as sent", error))?;
        Ok(())
    }

    async fn mark_failed(
        &self,
        job_id: &JobId,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.update(job_id, at)
            .update_expression(
                "SET #state = :failed, error_code = :code, reason = :reason, failed_at = :at, \
                 expires_at = :expires_at \
                 REMOVE claim_token, claimed_until",
            )
            .expression_attribute_values(":failed", text("failed"))
            .expression_attribute_values(":code", text(&reason.code))
            .expression_attribute_values(":reason", text(&reason.text))
            .expression_attribute_values(":at", timestamp(at)?)
            .send()
            .await
            .map_err(|error| Unavailable::new("marking an email as failed", error))?;
        Ok(())
    }
}

impl Timeline for EmailsTable {
    type Error = Unavailable;

    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        const READ: &str = "reading an email's timeline";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("job_id", text(job_id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error))?;
        found.item.map(|item: Item| read(READ, item)).transpose()
    }
}

impl KnowsEmail for EmailsTable {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        Ok(self.find(id).await?.is_some())
    }
}

fn refused(held: Held) -> Result<Claimed, Unavailable> {
    match held.state {
        State::Sent => Ok(Claimed::AlreadySent),
        State::Failed => Ok(Claimed::AlreadyFailed),
        State::Sending => {
            let until = i128::from(held.claimed_until) * 1_000_000;
            OffsetDateTime::from_unix_timestamp_nanos(until)
                .map(|until| Claimed::InProgress { until })
                .map_err(|error| Unavailable::new("reading the end of a claim", error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::{
        operation::update_item::UpdateItemOutput, types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use serde_json::json;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn claim() -> Claim {
        Claim {
            job_id: "a-1".parse().unwrap(),
            token: "mine".to_owned(),
            at: NOW,
            until: NOW + Duration::from_secs(90),
        }
    }

    fn table(rule: &Rule) -> EmailsTable {
        EmailsTable::new(mock_client!(aws_sdk_dynamodb, [rule]), "emails".to_owned())
    }

    fn refused_with(item: serde_json::Value) -> Rule {
        let item: Item = serde_dynamo::to_item(item).unwrap();
        mock!(Client::update_item).then_error(move || {
            UpdateItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().set_item(Some(item.clone())).build(),
            )
        })
    }

    #[tokio::test]
    async fn a_granted_claim_counts_its_attempts() {
        let entry: Item = serde_dynamo::to_item(json!({
            "job_id": "a-1", "state": "sending", "attempts": 3, "claimed_until": 90_000,
            "first_attempt_at": "1970-01-01T00:00:00Z", "last_attempt_at": "1970-01-01T00:00:00Z",
        }))
        .unwrap();
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                values[":until"] == number(90_000) && values[":now"] == number(0)
            })
            .then_output(move || {
                UpdateItemOutput::builder().set_attributes(Some(entry.clone())).build()
            });
        let claimed = table(&update).claim(&claim()).await.unwrap();
        assert_eq!(claimed, Claimed::Granted { attempts: 3 });
    }

    #[tokio::test]
    async fn a_refused_claim_says_why() {
        for (item, expected) in [
            (json!({"state": "sent"}), Claimed::AlreadySent),
            (json!({"state": "failed"}), Claimed::AlreadyFailed),
            (
                json!({"state": "sending", "claimed_until": 5_000}),
                Claimed::InProgress { until: NOW + Duration::from_secs(5) },
            ),
        ] {
            assert_eq!(table(&refused_with(item)).claim(&claim()).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn releasing_what_has_ended_is_no_error() {
        let ended = refused_with(json!({"state": "sent"}));
        table(&ended).release(&claim(), Used::NotTried).await.unwrap();
    }
}
