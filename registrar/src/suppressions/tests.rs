//! The commands against mocked responses of SES and DynamoDB.

use aws_sdk_dynamodb::operation::{
    delete_item::DeleteItemOutput, put_item::PutItemOutput, scan::ScanOutput,
};
use aws_sdk_sesv2::{
    operation::{
        delete_suppressed_destination::{
            DeleteSuppressedDestinationError, DeleteSuppressedDestinationOutput,
        },
        list_suppressed_destinations::ListSuppressedDestinationsOutput,
        put_suppressed_destination::PutSuppressedDestinationOutput,
    },
    primitives::DateTime,
    types::{SuppressedDestinationSummary, SuppressionListReason, error::NotFoundException},
};
use aws_smithy_mocks::{Rule, mock, mock_client};

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn ada() -> EmailAddress {
    "ada@example.com".parse().unwrap()
}

fn ses(rule: &Rule) -> SesList {
    SesList::with_client(mock_client!(aws_sdk_sesv2, [rule]))
}

fn copy(rule: &Rule) -> SuppressionsTable {
    SuppressionsTable::new(mock_client!(aws_sdk_dynamodb, [rule]), "suppressions".to_owned())
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn added_recipient_is_put_on_both_lists_with_the_reason() {
    let on_ses = mock!(aws_sdk_sesv2::Client::put_suppressed_destination)
        .match_requests(|request| {
            request.email_address() == Some("ada@example.com")
                && request.reason() == Some(&SuppressionListReason::Complaint)
        })
        .then_output(|| PutSuppressedDestinationOutput::builder().build());
    let in_copy = mock!(aws_sdk_dynamodb::Client::put_item)
        .match_requests(|request| {
            let item = request.item().unwrap();
            item["reason"].as_s().unwrap() == "asked for it" && !format!("{item:?}").contains('@')
        })
        .then_output(|| PutItemOutput::builder().build());
    let mut out = Vec::new();
    let wanted = (&ada(), "asked for it", SuppressionCause::Complaint);
    add(&ses(&on_ses), &copy(&in_copy), wanted, NOW, &mut out).await.unwrap();
    assert_eq!((on_ses.num_calls(), in_copy.num_calls()), (1, 1));
    assert_eq!(text(out), "suppressed: ada@example.com\n");
}

#[tokio::test]
async fn removed_recipient_leaves_both_lists_even_if_ses_did_not_have_it() {
    let removed = || {
        mock!(aws_sdk_dynamodb::Client::delete_item)
            .then_output(|| DeleteItemOutput::builder().build())
    };
    let listed = mock!(aws_sdk_sesv2::Client::delete_suppressed_destination)
        .then_output(|| DeleteSuppressedDestinationOutput::builder().build());
    let unknown = mock!(aws_sdk_sesv2::Client::delete_suppressed_destination).then_error(|| {
        let error = NotFoundException::builder().build();
        DeleteSuppressedDestinationError::NotFoundException(error)
    });
    for (on_ses, expected) in [(listed, "no longer suppressed"), (unknown, "SES did not suppress")]
    {
        let (in_copy, mut out) = (removed(), Vec::new());
        remove(&ses(&on_ses), &copy(&in_copy), &ada(), &mut out).await.unwrap();
        assert_eq!(in_copy.num_calls(), 1);
        assert!(text(out).starts_with(expected));
    }
}

#[tokio::test]
async fn list_prints_every_recipient_on_one_line_or_as_json() {
    let on_ses = || {
        mock!(aws_sdk_sesv2::Client::list_suppressed_destinations).then_output(|| {
            let entry = SuppressedDestinationSummary::builder()
                .email_address("ada@example.com")
                .reason(SuppressionListReason::Bounce)
                .last_update_time(DateTime::from_secs(60));
            ListSuppressedDestinationsOutput::builder()
                .suppressed_destination_summaries(entry.build().unwrap())
                .build()
        })
    };
    let in_copy =
        || mock!(aws_sdk_dynamodb::Client::scan).then_output(|| ScanOutput::builder().build());
    let mut out = Vec::new();
    list(&ses(&on_ses()), &copy(&in_copy()), false, &mut out).await.unwrap();
    assert_eq!(
        text(out),
        "1970-01-01T00:01Z  bounce     SES       SES only   ada@example.com\n1 suppressed\n"
    );
    let mut out = Vec::new();
    list(&ses(&on_ses()), &copy(&in_copy()), true, &mut out).await.unwrap();
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&line["on"], &line["origin"]), (&"ses_only".into(), &"ses".into()));
}

#[test]
fn reason_is_one_line() {
    assert_eq!(" why not ".parse(), Ok(Reason("why not".to_owned())));
    assert_eq!("two\nlines".parse::<Reason>(), Err(InvalidReason));
}
