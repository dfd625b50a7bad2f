//! Opens finished jobs again.

use aws_sdk_dynamodb::{
    error::SdkError, operation::update_item::UpdateItemError,
    types::ReturnValuesOnConditionCheckFailure,
};
use email::{
    JobId,
    ledger::{Reopen, Reopened},
};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    super::item::{milliseconds, number, read, text, timestamp},
    EmailsTable, Found, end_of_claim,
};

impl Reopen for EmailsTable {
    async fn reopen(&self, job_id: &JobId, now: OffsetDateTime) -> Result<Reopened, Unavailable> {
        const REOPEN: &str = "opening an email job again";
        let reopened = self
            .update(job_id, now)
            .update_expression(
                "SET #state = :sending, claimed_until = :never, reopened_at = :at, \
                 expires_at = :expires_at \
                 REMOVE claim_token, announced, unanswered, last_failure, error_code, reason, failed_at, \
                 failed_message",
            )
            // A claim that expired may have left an announced attempt.
            .condition_expression(
                "#state = :failed OR #state = :unknown OR #state = :suppressed \
                 OR (#state = :sending AND claimed_until <= :now)",
            )
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":at", timestamp(now)?)
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":failed", text("failed"))
            .expression_attribute_values(":unknown", text("unknown"))
            .expression_attribute_values(":suppressed", text("suppressed"))
            .expression_attribute_values(":never", number(0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match reopened.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Reopened::Ready),
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => match refusal.item {
                // No worker has ever claimed it, or its entry has expired.
                None => Ok(Reopened::Ready),
                Some(item) => not_reopened(read(REOPEN, item)?),
            },
            Err(error) => Err(Unavailable::new(REOPEN, error)),
        }
    }
}

fn not_reopened(found: Found) -> Result<Reopened, Unavailable> {
    if found.state.was_accepted() {
        return Ok(Reopened::Accepted(found.state));
    }
    Ok(Reopened::InProgress { until: end_of_claim(&found)? })
}
