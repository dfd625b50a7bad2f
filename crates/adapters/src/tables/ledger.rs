//! Table `emails`, the delivery ledger: partition key `job_id`, expiry attribute `expires_at`.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use email::{
    JobId,
    dead_letter::Reason,
    feedback::{Feedback, REPLY, RecordFeedback, Recorded},
    job::ContentDigest,
    ledger::{
        Claim, Claimed, Entry, Grant, KnowsEmail, LEDGER_RETENTION, Ledger, Reopen, Reopened,
        State, Timeline, Used,
    },
};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::item::{Item, milliseconds, number, read, text, timestamp};

/// The delivery ledger. A worker needs `dynamodb:UpdateItem`, a reader `dynamodb:GetItem`.
#[derive(Debug, Clone)]
pub struct EmailsTable {
    client: Client,
    name: String,
}

/// The entry that a refused write returns.
#[derive(Deserialize)]
struct Found {
    state: State,
    /// In milliseconds since 1970.
    #[serde(default)]
    claimed_until: i64,
    /// Missing in entries of earlier versions.
    #[serde(default)]
    content_digest: Option<ContentDigest>,
}

/// The entry that a granted claim returns.
#[derive(Deserialize)]
struct Granted {
    #[serde(flatten)]
    entry: Entry,
    /// The token of the claim under which an attempt was announced and not settled.
    #[serde(default)]
    announced: Option<String>,
}

impl EmailsTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// An update of a job's entry. It names the state attribute and extends the entry's expiry.
    fn update(&self, job_id: &JobId, at: OffsetDateTime) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("job_id", text(job_id))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":expires_at", expires_at(at))
    }
}

impl Ledger for EmailsTable {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        const CLAIM: &str = "claiming an email job";
        let claimed = self
            .update(&claim.job_id, claim.at)
            .update_expression(
                "SET #state = :sending, claim_token = :token, claimed_until = :until, \
                 content_digest = :content, \
                 last_attempt_at = :at, first_attempt_at = if_not_exists(first_attempt_at, :at), \
                 expires_at = :expires_at \
                 REMOVE error_code, reason, failed_at \
                 ADD attempts :one",
            )
            .condition_expression(
                "(attribute_not_exists(content_digest) OR content_digest = :content) \
                 AND (attribute_not_exists(job_id) OR claim_token = :token \
                 OR #state = :suppressed OR (#state = :sending AND claimed_until <= :now))",
            )
            .expression_attribute_values(":suppressed", text("suppressed"))
            .expression_attribute_values(":content", text(&claim.content))
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
                let Granted { entry, announced } =
                    read(CLAIM, updated.attributes.unwrap_or_default())?;
                Ok(Claimed::Granted(Grant {
                    attempts: entry.attempts,
                    first_attempt_at: entry.first_attempt_at,
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
                 REMOVE claim_token, announced ADD attempts :uncounted",
            )
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":never", number(0))
            .expression_attribute_values(":uncounted", number(uncounted))
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
                 REMOVE claim_token, claimed_until, announced, error_code, reason, failed_at, \
                 message_id", // an earlier name of ses_message_id
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
        let marked = self
            .update(&claim.job_id, at)
            .update_expression(
                "SET #state = :state, error_code = :code, reason = :reason, failed_at = :at, \
                 expires_at = :expires_at \
                 REMOVE claim_token, claimed_until, announced",
            )
            .condition_expression("#state = :sending AND claim_token = :token")
            .expression_attribute_values(":sending", text("sending"))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":state", text(state.name()))
            .expression_attribute_values(":code", text(&reason.code))
            .expression_attribute_values(":reason", text(&reason.text))
            .expression_attribute_values(":at", timestamp(at)?)
            .send()
            .await;
        // Refused: the claim has ended, and another worker decides about the job.
        unless_refused(operation, marked).map(drop)
    }
}

impl Reopen for EmailsTable {
    async fn reopen(&self, job_id: &JobId, now: OffsetDateTime) -> Result<Reopened, Unavailable> {
        const REOPEN: &str = "opening an email job again";
        let reopened = self
            .update(job_id, now)
            .update_expression(
                "SET #state = :sending, claimed_until = :never, expires_at = :expires_at \
                 REMOVE claim_token, announced, error_code, reason, failed_at",
            )
            // A claim that expired may have left an announced attempt.
            .condition_expression(
                "#state = :failed OR #state = :unknown OR #state = :suppressed \
                 OR (#state = :sending AND claimed_until <= :now)",
            )
            .expression_attribute_values(":now", milliseconds(now))
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
        let mut set = "SET #state = :state, feedback_at = :at, expires_at = :expires_at, \
                       ses_message_id = if_not_exists(ses_message_id, :ses_message_id), \
                       sent_at = if_not_exists(sent_at, :sent_at)"
            .to_owned();
        let mut remove = "claim_token, claimed_until, announced, error_code, reason, failed_at, \
                          message_id"
            .to_owned();
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
            .expression_attribute_values(":at", timestamp(feedback.at)?)
            .expression_attribute_values(":ses_message_id", text(&feedback.ses_message_id))
            .expression_attribute_values(":sent_at", timestamp(feedback.sent_at)?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
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

impl Timeline for EmailsTable {
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

/// `false` if the condition of a write refused it.
fn unless_refused<T>(
    operation: &'static str,
    written: Result<T, SdkError<UpdateItemError>>,
) -> Result<bool, Unavailable> {
    match written.map_err(SdkError::into_service_error) {
        Ok(_) => Ok(true),
        Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
        Err(error) => Err(Unavailable::new(operation, error)),
    }
}

fn expires_at(at: OffsetDateTime) -> AttributeValue {
    number((at + LEDGER_RETENTION).unix_timestamp())
}

/// The condition that the entry's state is one of these. Its values are [`outranked_values`].
fn outranked(states: impl Iterator<Item = State>) -> String {
    let states: Vec<String> =
        states.map(|state| format!("#state = :from_{}", state.name())).collect();
    states.join(" OR ")
}

fn outranked_values(states: impl Iterator<Item = State>) -> HashMap<String, AttributeValue> {
    states.map(|state| (format!(":from_{}", state.name()), text(state.name()))).collect()
}

fn refused(claim: &Claim, found: Found) -> Result<Claimed, Unavailable> {
    if found.content_digest.as_ref().is_some_and(|content| *content != claim.content) {
        return Ok(Claimed::IdReused);
    }
    match found.state {
        State::Failed | State::Unknown => Ok(Claimed::AlreadyFailed),
        State::Sending | State::Suppressed => {
            Ok(Claimed::InProgress { until: end_of_claim(&found)? })
        }
        State::Sent | State::Delivered | State::Bounced | State::Rejected | State::Complained => {
            Ok(Claimed::AlreadySent)
        }
    }
}

fn not_reopened(found: Found) -> Result<Reopened, Unavailable> {
    if found.state.was_accepted() {
        return Ok(Reopened::Accepted(found.state));
    }
    Ok(Reopened::InProgress { until: end_of_claim(&found)? })
}

fn end_of_claim(found: &Found) -> Result<OffsetDateTime, Unavailable> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(found.claimed_until) * 1_000_000)
        .map_err(|error| Unavailable::new("reading the end of a claim", error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::{
        operation::update_item::UpdateItemOutput, types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use email::{Job, feedback::Event};
    use serde_json::json;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn digest(text: &str) -> ContentDigest {
        let body =
            json!({"v": 1, "id": "a-1", "to": "ada@example.com", "subject": "Hi", "text": text});
        Job::parse(&body.to_string()).unwrap().digest()
    }

    fn claim() -> Claim {
        Claim {
            job_id: "a-1".parse().unwrap(),
            token: "mine".to_owned(),
            content: digest("Hello"),
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
    async fn granted_claim_returns_the_number_of_attempts() {
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
        let grant = Grant { attempts: 3, first_attempt_at: NOW, unsettled: false };
        assert_eq!(claimed, Claimed::Granted(grant));
    }

    #[tokio::test]
    async fn refused_claim_returns_the_reason() {
        for (item, expected) in [
            (json!({"state": "sent"}), Claimed::AlreadySent),
            (json!({"state": "delivered"}), Claimed::AlreadySent),
            (json!({"state": "failed"}), Claimed::AlreadyFailed),
            (json!({"state": "unknown"}), Claimed::AlreadyFailed),
            (
                json!({"state": "sending", "claimed_until": 5_000}),
                Claimed::InProgress { until: NOW + Duration::from_secs(5) },
            ),
        ] {
            assert_eq!(table(&refused_with(item)).claim(&claim()).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn claim_on_an_id_of_another_email_is_refused_whatever_became_of_that_one() {
        let (same, other) = (digest("Hello"), digest("Something else"));
        for state in State::ALL {
            let item = |content: &ContentDigest| json!({"state": state, "claimed_until": 5_000, "content_digest": content});
            let claimed = async |item| table(&refused_with(item)).claim(&claim()).await.unwrap();
            assert_eq!(claimed(item(&other)).await, Claimed::IdReused);
            assert_ne!(claimed(item(&same)).await, Claimed::IdReused);
            let earlier_version = json!({"state": state, "claimed_until": 5_000});
            assert_ne!(claimed(earlier_version).await, Claimed::IdReused);
        }
    }

    #[tokio::test]
    async fn entrys_expiry_counts_from_our_clock_whatever_the_events_times_are() {
        let id: JobId = "a-1".parse().unwrap();
        let date = |text| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        let (first, last) = (date("0000-01-01T00:00:00Z"), date("9999-12-31T23:59:59Z"));
        for at in [first, last, NOW - Duration::from_hours(24 * 300)] {
            let feedback = Feedback {
                job_id: Some(id.clone()),
                ses_message_id: "m-1".to_owned(),
                sent_at: at,
                at,
                recipients: Vec::new(),
                event: Event::Complained { detail: "abuse".to_owned() },
            };
            let update = mock!(Client::update_item)
                .match_requests(|request| {
                    let values = request.expression_attribute_values().unwrap();
                    values[":expires_at"] == number(90 * 24 * 3_600)
                })
                .then_output(|| UpdateItemOutput::builder().build());
            assert_eq!(table(&update).record(&id, &feedback, NOW).await.unwrap(), Recorded::Moved);
        }
    }

    #[tokio::test]
    async fn attempt_is_announced_only_under_a_claim_in_force() {
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                request.condition_expression() == Some("#state = :sending AND claim_token = :token")
                    && request.expression_attribute_values().unwrap()[":token"] == text("mine")
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert!(table(&update).announce(&claim()).await.unwrap());
        let ended = refused_with(json!({"state": "sending", "claim_token": "another's"}));
        assert!(!table(&ended).announce(&claim()).await.unwrap());
    }

    #[tokio::test]
    async fn next_claim_reports_an_announced_attempt_that_was_not_settled() {
        let entry: Item = serde_dynamo::to_item(json!({
            "job_id": "a-1", "state": "sending", "attempts": 2, "announced": "another's",
            "first_attempt_at": "1970-01-01T00:00:00Z", "last_attempt_at": "1970-01-01T00:00:00Z",
        }))
        .unwrap();
        let update = mock!(Client::update_item).then_output(move || {
            UpdateItemOutput::builder().set_attributes(Some(entry.clone())).build()
        });
        let claimed = table(&update).claim(&claim()).await.unwrap();
        let grant = Grant { attempts: 2, first_attempt_at: NOW, unsettled: true };
        assert_eq!(claimed, Claimed::Granted(grant));
    }

    #[tokio::test]
    async fn job_is_reopened_unless_it_was_sent_or_is_in_progress() {
        let id: JobId = "a-1".parse().unwrap();
        let done = mock!(Client::update_item).then_output(|| UpdateItemOutput::builder().build());
        assert_eq!(table(&done).reopen(&id, NOW).await.unwrap(), Reopened::Ready);
        let until = NOW + Duration::from_secs(5);
        for (item, expected) in [
            (json!({"state": "sent"}), Reopened::Accepted(State::Sent)),
            (json!({"state": "bounced"}), Reopened::Accepted(State::Bounced)),
            (json!({"state": "sending", "claimed_until": 5_000}), Reopened::InProgress { until }),
        ] {
            assert_eq!(table(&refused_with(item)).reopen(&id, NOW).await.unwrap(), expected);
        }
        let never_claimed = mock!(Client::update_item).then_error(|| {
            let refusal = ConditionalCheckFailedException::builder().build();
            UpdateItemError::ConditionalCheckFailedException(refusal)
        });
        assert_eq!(table(&never_claimed).reopen(&id, NOW).await.unwrap(), Reopened::Ready);
    }

    #[tokio::test]
    async fn event_changes_only_states_that_it_outranks() {
        let id: JobId = "a-1".parse().unwrap();
        let feedback = Feedback {
            job_id: Some(id.clone()),
            ses_message_id: "m-1".to_owned(),
            sent_at: NOW,
            at: NOW,
            recipients: Vec::new(),
            event: Event::Bounced { for_good: true, detail: "Permanent/General".to_owned() },
        };
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                let from = values.iter().filter(|(name, _)| name.starts_with(":from_"));
                let mut from: Vec<_> = from.map(|(_, value)| value.as_s().unwrap()).collect();
                from.sort();
                from == ["delivered", "failed", "sending", "sent", "suppressed", "unknown"]
                    && values[":state"] == text("bounced")
                    && values[":detail"] == text("Permanent/General")
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert_eq!(table(&update).record(&id, &feedback, NOW).await.unwrap(), Recorded::Moved);
        let further = refused_with(json!({"state": "complained"}));
        assert_eq!(table(&further).record(&id, &feedback, NOW).await.unwrap(), Recorded::Nothing);
        let unknown = mock!(Client::update_item).then_error(|| {
            let refusal = ConditionalCheckFailedException::builder().build();
            UpdateItemError::ConditionalCheckFailedException(refusal)
        });
        assert_eq!(
            table(&unknown).record(&id, &feedback, NOW).await.unwrap(),
            Recorded::UnknownJob
        );
    }

    #[test]
    fn entry_with_the_earlier_name_of_the_ses_message_id_is_read() {
        let item: Item = serde_dynamo::to_item(json!({
            "job_id": "a-1", "state": "sent", "attempts": 1, "message_id": "m-1",
            "first_attempt_at": "1970-01-01T00:00:00Z", "last_attempt_at": "1970-01-01T00:00:00Z",
        }))
        .unwrap();
        let entry: Entry = read("reading", item).unwrap();
        assert_eq!(entry.ses_message_id.as_deref(), Some("m-1"));
    }

    #[tokio::test]
    async fn write_that_a_higher_state_refuses_is_not_an_error() {
        let id: JobId = "a-1".parse().unwrap();
        let reason = Reason::new("MessageRejected", "no");
        let refused = || refused_with(json!({"state": "delivered"}));
        table(&refused()).mark_sent(&id, "m-1", NOW).await.unwrap();
        table(&refused()).mark_failed(&claim(), &reason, NOW).await.unwrap();
        table(&refused()).mark_unknown(&claim(), &reason, NOW).await.unwrap();
        table(&refused()).mark_suppressed(&claim(), &reason, NOW).await.unwrap();
    }

    #[tokio::test]
    async fn release_of_a_claim_that_has_ended_is_not_an_error() {
        let ended = refused_with(json!({"state": "sent"}));
        table(&ended).release(&claim(), Used::NotTried).await.unwrap();
    }
}
