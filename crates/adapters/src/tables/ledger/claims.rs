//! Claims and the outcomes of their attempts.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use email::{
    JobId,
    dead_letter::Reason,
    ledger::{Claim, Claimed, Entry, Finished, Grant, Ledger, State, Used},
};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    super::{
        item::{milliseconds, number, read, text, timestamp},
        recipient::recipient_digest,
    },
    EmailsTable, Found, end_of_claim, expires_at, outranked, outranked_values, unless_refused,
};

/// In bytes. The names of the worker's own templates are shorter.
const MAX_TEMPLATE_NAME: usize = 128;

/// The entry that a granted claim returns.
#[derive(Deserialize)]
struct Granted {
    #[serde(flatten)]
    entry: Entry,
    /// The token of the claim under which an attempt was announced and not settled.
    #[serde(default)]
    announced: Option<String>,
    #[serde(default)]
    last_failure: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    reopened_at: Option<OffsetDateTime>,
}

impl Ledger for EmailsTable {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        const CLAIM: &str = "claiming an email job";
        let update = self.update(&claim.job_id, claim.at);
        // Of an absurd name, nothing is kept: an item may have 400 KB.
        let template = claim.template.as_ref().filter(|name| name.len() <= MAX_TEMPLATE_NAME);
        let (update, set_template) = match template {
            Some(name) => (
                update
                    .expression_attribute_names("#template", "template")
                    .expression_attribute_values(":template", text(name)),
                ", #template = :template",
            ),
            None => (update, ""),
        };
        let claimed = update
            .update_expression(format!(
                "SET #state = :sending, claim_token = :token, claimed_until = :until, \
                 content_digest = :content, #recipient = :recipient{set_template}, \
                 last_attempt_at = :at, first_attempt_at = if_not_exists(first_attempt_at, :at), \
                 expires_at = :expires_at \
                 REMOVE error_code, reason, failed_at \
                 ADD attempts :one, unanswered :one",
            ))
            .condition_expression(
                "(attribute_not_exists(content_digest) OR content_digest = :content) \
                 AND (attribute_not_exists(job_id) OR claim_token = :token \
                 OR #state = :suppressed OR (#state = :sending AND claimed_until <= :now))",
            )
            .expression_attribute_values(":suppressed", text("suppressed"))
            .expression_attribute_values(":content", text(&claim.content))
            .expression_attribute_names("#recipient", "recipient")
            .expression_attribute_values(":recipient", text(recipient_digest(&claim.recipient)))
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
                let Granted { entry, announced, last_failure, reopened_at } =
                    read(CLAIM, updated.attributes.unwrap_or_default())?;
                Ok(Claimed::Granted(Grant {
                    attempts: entry.attempts,
                    first_attempt_at: entry.first_attempt_at,
                    waiting_since: reopened_at.unwrap_or(entry.first_attempt_at),
                    last_failure,
                    // The entry counts this claim too.
                    unanswered: entry.unanswered.saturating_sub(1),
                    unsettled: announced.is_some(),
                }))
            }
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                refused(claim, read(CLAIM, refusal.item.unwrap_or_default())?)
            }
            Err(error) => Err(Unavailable::new(CLAIM, error)),
        }
    }

    async fn announce(&self, claim: &Claim) -> Result<bool, Unavailable> {
        let announced = self
            .update(&claim.job_id, claim.at)
            .update_expression("SET announced = :token, expires_at = :expires_at")
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .send()
            .await;
        unless_refused("announcing an attempt", announced)
    }

    async fn release(&self, claim: &Claim, used: Used<'_>) -> Result<(), Unavailable> {
        const RELEASE: &str = "releasing an email job";
        let update = self.update(&claim.job_id, claim.at);
        let (update, failure, uncounted) = match used {
            Used::Attempted(code) => {
                let update = update.expression_attribute_values(":failure", text(code));
                (update, ", last_failure = :failure", 0)
            }
            Used::NotTried => (update, "", -1),
        };
        let released = update
            .update_expression(format!(
                "SET claimed_until = :never, expires_at = :expires_at{failure} \
                 REMOVE claim_token, announced ADD attempts :uncounted, unanswered :answered",
            ))
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":never", number(0))
            .expression_attribute_values(":uncounted", number(uncounted))
            .expression_attribute_values(":answered", number(-1))
            .send()
            .await;
        // Refused: the claim has ended, and there is nothing to release.
        unless_refused(RELEASE, released).map(drop)
    }

    async fn mark_sent(
        &self,
        job_id: &JobId,
        ses_message_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        let marked = self
            .update(job_id, at)
            .update_expression(
                "SET #state = :sent, ses_message_id = :ses_message_id, sent_at = :at, \
                 expires_at = :expires_at \
                 REMOVE claim_token, claimed_until, announced, unanswered, last_failure, \
                 error_code, reason, failed_at, failed_message, message_id", // an earlier name of ses_message_id
            )
            .condition_expression(format!(
                "attribute_not_exists(job_id) OR {}",
                outranked(State::Sent.outranks())
            ))
            .set_expression_attribute_values(Some(outranked_values(State::Sent.outranks())))
            .expression_attribute_values(":sent", text("sent"))
            .expression_attribute_values(":expires_at", expires_at(at))
            .expression_attribute_values(":ses_message_id", text(ses_message_id))
            .expression_attribute_values(":at", timestamp(at)?)
            .send()
            .await;
        // Refused: the ledger already has the email as sent, or an event came first.
        unless_refused("marking an email as sent", marked).map(drop)
    }

    async fn mark_failed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.give_up("marking an email as failed", claim, State::Failed, reason, at).await
    }

    async fn mark_unknown(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.give_up("marking an email as unknown", claim, State::Unknown, reason, at).await
    }

    async fn mark_suppressed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.give_up("marking an email as suppressed", claim, State::Suppressed, reason, at).await
    }
}

impl EmailsTable {
    async fn give_up(
        &self,
        operation: &'static str,
        claim: &Claim,
        state: State,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        // A job fails for good after an answer, or without an attempt, and is suppressed without one.
        let answered = if state == State::Unknown { 0 } else { -1 };
        let marked = self
            .update(&claim.job_id, at)
            .update_expression(
                "SET #state = :state, error_code = :code, reason = :reason, failed_at = :at, \
                 failed_message = :message, expires_at = :expires_at \
                 REMOVE claim_token, claimed_until, announced, last_failure ADD unanswered :answered",
            )
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":state", text(state.name()))
            .expression_attribute_values(":answered", number(answered))
            .expression_attribute_values(":message", text(&claim.sqs_message_id))
            .expression_attribute_values(":code", text(&reason.code))
            .expression_attribute_values(":reason", text(&reason.text))
            .expression_attribute_values(":at", timestamp(at)?)
            .send()
            .await;
        // Refused: the claim has ended, and another worker decides about the job.
        unless_refused(operation, marked).map(drop)
    }
}

fn refused(claim: &Claim, found: Found) -> Result<Claimed, Unavailable> {
    if found.content_digest.as_ref().is_some_and(|content| *content != claim.content) {
        return Ok(Claimed::IdReused);
    }
    match found.state {
        State::Failed | State::Unknown => Ok(Claimed::AlreadyFailed(Finished {
            state: found.state,
            code: found.error_code,
            sqs_message_id: found.failed_message,
        })),
        State::Sending | State::Suppressed => {
            Ok(Claimed::InProgress { until: end_of_claim(&found)? })
        }
        State::Forgotten
        | State::Sent
        | State::Delivered
        | State::Bounced
        | State::Rejected
        | State::Complained => Ok(Claimed::AlreadySent),
    }
}
