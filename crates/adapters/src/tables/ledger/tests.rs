//! Requests and responses of each operation. `tests/storm/src/stand_in/dynamodb.rs` runs the rules of every ledger.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemOutput, types::error::ConditionalCheckFailedException,
};
use aws_smithy_mocks::{Rule, mock, mock_client};
use email::{
    Job,
    dead_letter::Reason,
    feedback::{Event, Feedback, RecordFeedback, Recorded},
    ledger::{Claim, Claimed, Entry, Finished, Grant, Ledger, Reopen, Reopened, Used},
};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{
    super::item::{Item, read},
    *,
};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn digest(text: &str) -> ContentDigest {
    let body = json!({"v": 1, "id": "a-1", "to": "ada@example.com", "subject": "Hi", "text": text});
    Job::parse(&body.to_string()).unwrap().digest()
}

fn claim() -> Claim {
    Claim {
        job_id: "a-1".parse().unwrap(),
        token: "mine".to_owned(),
        sqs_message_id: "m-1".to_owned(),
        content: digest("Hello"),
        recipient: "Ada@Example.com".parse().unwrap(),
        template: Some("enrollment-confirmation".to_owned()),
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
        "job_id": "a-1", "state": "sending", "attempts": 3, "unanswered": 2, "claimed_until": 90_000,
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
    let grant = Grant {
        attempts: 3,
        unanswered: 1,
        first_attempt_at: NOW,
        waiting_since: NOW,
        last_failure: None,
        unsettled: false,
    };
    assert_eq!(claimed, Claimed::Granted(grant));
}

fn finished(state: State, code: Option<&str>, sqs_message_id: Option<&str>) -> Claimed {
    let (code, sqs_message_id) = (code.map(str::to_owned), sqs_message_id.map(str::to_owned));
    Claimed::AlreadyFailed(Finished { state, code, sqs_message_id })
}

#[tokio::test]
async fn claim_keeps_the_template_and_a_digest_of_the_recipient_and_no_address() {
    let expected = super::super::SuppressionsTable::key(&claim().recipient);
    let update = mock!(Client::update_item)
        .match_requests(move |request| {
            let values = request.expression_attribute_values().unwrap();
            let expression = request.update_expression().unwrap();
            expression.contains("#recipient = :recipient, #template = :template")
                && values[":recipient"] == text(&expected)
                && values[":template"] == text("enrollment-confirmation")
                && !format!("{values:?}").contains('@')
        })
        .then_output(|| UpdateItemOutput::builder().build());
    let claimed = table(&update).claim(&claim()).await;
    // The mock's response has no entry; what counts is that the request matched.
    assert_eq!(update.num_calls(), 1, "{claimed:?}");

    for template in [None, Some("x".repeat(129))] {
        let update = mock!(Client::update_item)
            .match_requests(|request| !request.update_expression().unwrap().contains("#template"))
            .then_output(|| UpdateItemOutput::builder().build());
        let _ = table(&update).claim(&Claim { template, ..claim() }).await;
        assert_eq!(update.num_calls(), 1);
    }
}

#[tokio::test]
async fn refused_claim_returns_the_reason() {
    for (item, expected) in [
        (json!({"state": "sent"}), Claimed::AlreadySent),
        (json!({"state": "delivered"}), Claimed::AlreadySent),
        (json!({"state": "failed"}), finished(State::Failed, None, None)),
        (
            json!({"state": "unknown", "error_code": "outcome_unknown", "failed_message": "m-0"}),
            finished(State::Unknown, Some("outcome_unknown"), Some("m-0")),
        ),
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
    let grant = Grant {
        attempts: 2,
        unanswered: 0,
        first_attempt_at: NOW,
        waiting_since: NOW,
        last_failure: None,
        unsettled: true,
    };
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
            from == ["delivered", "failed", "forgotten", "sending", "sent", "suppressed", "unknown"]
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
    assert_eq!(table(&unknown).record(&id, &feedback, NOW).await.unwrap(), Recorded::UnknownJob);
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
