//! Takes out of a job's entry what says whom it was for, so that nothing is sent under its id any more.

use aws_sdk_dynamodb::{
    error::SdkError, operation::update_item::UpdateItemError,
    types::ReturnValuesOnConditionCheckFailure,
};
use email::{
    JobId,
    ledger::{ForgetEmail, Forgot, State},
};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    super::item::{milliseconds, number, read, text, timestamp},
    EmailsTable, Found, end_of_claim, unless_refused,
};

const FORGET: &str = "forgetting an email job";

/// The digests, and texts of others: SES's about a bounce has the address.
const PERSONAL: &str = "recipient, content_digest, feedback, error_code, last_failure";

impl ForgetEmail for EmailsTable {
    async fn forget_email(
        &self,
        job_id: &JobId,
        now: OffsetDateTime,
    ) -> Result<Forgot, Unavailable> {
        let ended = self
            .update(job_id, now)
            .update_expression(format!(
                "SET #state = :forgotten, failed_at = :at, reason = :reason, attempts = if_not_exists(attempts, :none), \
                 first_attempt_at = if_not_exists(first_attempt_at, :at), \
                 last_attempt_at = if_not_exists(last_attempt_at, :at), expires_at = :expires_at \
                 REMOVE {PERSONAL}, claim_token, claimed_until, announced, unanswered, failed_message",
            ))
            .condition_expression(
                "attribute_not_exists(job_id) OR #state = :failed OR #state = :unknown \
                 OR #state = :suppressed OR #state = :forgotten \
                 OR (#state = :sending AND claimed_until <= :now)",
            )
            .expression_attribute_values(":forgotten", text(State::Forgotten.name()))
            .expression_attribute_values(":failed", text(State::Failed.name()))
            .expression_attribute_values(":unknown", text(State::Unknown.name()))
            .expression_attribute_values(":suppressed", text(State::Suppressed.name()))
            .expression_attribute_values(":sending", text(State::Sending.name()))
            .expression_attribute_values(":reason", text("the student is forgotten"))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":at", timestamp(now)?)
            .expression_attribute_values(":now", milliseconds(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let found: Found = match ended.map_err(SdkError::into_service_error) {
            Ok(_) => return Ok(Forgot::Done),
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                read(FORGET, refusal.item.unwrap_or_default())?
            }
            Err(error) => return Err(Unavailable::new(FORGET, error)),
        };
        if !found.state.was_accepted() {
            return Ok(Forgot::InProgress { until: end_of_claim(&found)? });
        }
        // It keeps its state and its expiry, so that a message that is delivered again is not sent again.
        let cleared = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("job_id", text(job_id))
            .update_expression(format!("REMOVE {PERSONAL}, reason"))
            .condition_expression("attribute_exists(job_id)")
            .send()
            .await;
        unless_refused(FORGET, cleared).map(|_| Forgot::Done)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client, operation::update_item::UpdateItemOutput,
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use serde_json::{Value, json};

    use super::*;

    async fn forgot(rules: &[&Rule]) -> Forgot {
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
        let table = EmailsTable::new(client, "emails".to_owned());
        let now = OffsetDateTime::UNIX_EPOCH;
        table.forget_email(&"a-1".parse().unwrap(), now).await.unwrap()
    }

    fn refused_by(item: Value) -> Rule {
        mock!(Client::update_item)
            .match_requests(|request| request.update_expression().unwrap().starts_with("SET"))
            .then_error(move || {
                let item = serde_dynamo::to_item(&item).unwrap();
                UpdateItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().set_item(Some(item)).build(),
                )
            })
    }

    #[tokio::test]
    async fn job_that_was_not_sent_ends_also_if_no_worker_has_seen_it() {
        let ended = mock!(Client::update_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                request.condition_expression().unwrap().starts_with("attribute_not_exists(job_id)")
                    && request.update_expression().unwrap().contains("REMOVE recipient")
                    && values[":forgotten"] == text("forgotten")
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert_eq!(forgot(&[&ended]).await, Forgot::Done);
    }

    #[tokio::test]
    async fn job_that_was_sent_keeps_its_state_and_loses_its_digests() {
        let refused = refused_by(json!({"state": "delivered"}));
        let cleared = mock!(Client::update_item)
            .match_requests(|request| {
                let update = request.update_expression().unwrap();
                update.starts_with("REMOVE recipient, content_digest") && !update.contains("state")
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert_eq!(forgot(&[&refused, &cleared]).await, Forgot::Done);
        assert_eq!(cleared.num_calls(), 1);
    }

    #[tokio::test]
    async fn job_that_a_worker_has_is_left() {
        let refused = refused_by(json!({"state": "sending", "claimed_until": 5_000}));
        let until = OffsetDateTime::from_unix_timestamp(5).unwrap();
        assert_eq!(forgot(&[&refused]).await, Forgot::InProgress { until });
    }
}
