//! Records events.

use aws_sdk_dynamodb::{
    error::SdkError, operation::update_item::UpdateItemError,
    types::ReturnValuesOnConditionCheckFailure,
};
use email::{
    JobId,
    feedback::{Event, Feedback, REPLY, RecordFeedback, Recorded},
    ledger::State,
};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    super::item::{text, timestamp},
    EmailsTable, expires_at, outranked, outranked_values,
};

impl RecordFeedback for EmailsTable {
    async fn record(
        &self,
        job_id: &JobId,
        feedback: &Feedback,
        now: OffsetDateTime,
    ) -> Result<Recorded, Unavailable> {
        const RECORD: &str = "recording an email's feedback";
        let event = &feedback.event;
        let state = event.state();
        let mut set = "SET #state = :state, expires_at = :expires_at, \
                       ses_message_id = if_not_exists(ses_message_id, :ses_message_id), \
                       sent_at = if_not_exists(sent_at, :sent_at)"
            .to_owned();
        let mut remove = "claim_token, claimed_until, announced, unanswered, last_failure, \
                          error_code, reason, failed_at, failed_message, message_id"
            .to_owned();
        // The time of an acceptance is `sent_at`.
        let is_result = *event != Event::Sent;
        if is_result {
            set.push_str(", feedback_at = :at");
        }
        if event.detail().is_some() {
            set.push_str(", feedback = :detail");
        } else {
            remove.push_str(", feedback");
        }
        let mut condition = outranked(event.outranks());
        let mut values = outranked_values(event.outranks());
        if !event.may_be_reply() {
            condition.push_str(" OR (#state = :bounced AND feedback = :reply)");
            values.insert(":bounced".to_owned(), text(State::Bounced.name()));
            values.insert(":reply".to_owned(), text(REPLY));
        }
        let mut update = self
            .update(job_id, now)
            .update_expression(format!("{set} REMOVE {remove}"))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":state", text(state.name()))
            .expression_attribute_values(":expires_at", expires_at(now))
            .expression_attribute_values(":ses_message_id", text(&feedback.ses_message_id))
            .expression_attribute_values(":sent_at", timestamp(feedback.sent_at)?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if is_result {
            update = update.expression_attribute_values(":at", timestamp(feedback.at)?);
        }
        if let Some(detail) = event.detail() {
            update = update.expression_attribute_values(":detail", text(detail));
        }
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Recorded::Moved),
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(if refusal.item.is_some() { Recorded::Nothing } else { Recorded::UnknownJob })
            }
            Err(error) => Err(Unavailable::new(RECORD, error)),
        }
    }
}
