//! Several conditional writes that happen together or not at all.
//!
//! Two transactions on one item at the same time exclude each other: DynamoDB cancels one of them with the reason
//! `TransactionConflict` (Developer Guide, "Amazon DynamoDB Transactions: How it works", transaction conflict handling).
//! Then nothing was written, so it is repeated after a pause. The client library repeats a call whose response was lost
//! under the same `ClientRequestToken`, which is valid for 10 minutes; later, the conditions recognise their own result.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};
use tokio::time::{sleep, timeout};
use unavailable::Unavailable;

use super::item::Item;
use crate::clients::CALL_TIMEOUT;

/// Attempts that are cancelled for a passing reason.
const MAX_ATTEMPTS: u32 = 10;

/// The longest pause after the first attempt. It doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(400);

/// The condition of a write that did not hold, and its item if the write asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConditionFailed {
    pub(super) index: usize,
    pub(super) item: Item,
}

/// `None` if all is written. Takes at most [`CALL_TIMEOUT`], as one call.
pub(super) async fn write_together(
    client: &Client,
    operation: &'static str,
    writes: Vec<TransactWriteItem>,
) -> Result<Option<ConditionFailed>, Unavailable> {
    let attempts = attempts(client, operation, &writes);
    timeout(CALL_TIMEOUT, attempts)
        .await
        .unwrap_or_else(|late| Err(Unavailable::new(operation, late)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sender's crates build without this file; the pause is within the time of one call"
)]
async fn attempts(
    client: &Client,
    operation: &'static str,
    writes: &[TransactWriteItem],
) -> Result<Option<ConditionFailed>, Unavailable> {
    for attempt in 0..MAX_ATTEMPTS {
        let request = client.transact_write_items().set_transact_items(Some(writes.to_vec()));
        match request.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => return Ok(None),
            Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match Cancelled::of(cancelled.cancellation_reasons()) {
                    Cancelled::ByCondition(failed) => return Ok(Some(failed)),
                    Cancelled::ForNow => sleep(pause(attempt)).await,
                    Cancelled::For(code) => {
                        return Err(Unavailable::new(operation, format!("cancelled: {code}")));
                    }
                }
            }
            Err(error) => return Err(Unavailable::new(operation, error)),
        }
    }
    Err(Unavailable::new(operation, "too many others write the same item"))
}

/// Anything from nothing to the longest pause, so that those who collided do not collide again.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(MAX_PAUSE);
    // Its keys are random.
    let random = RandomState::new().hash_one(attempt);
    longest.mul_f64(f64::from(u16::try_from(random % 1_000).unwrap_or_default()) / 1_000.0)
}

#[derive(Debug, PartialEq)]
enum Cancelled {
    ByCondition(ConditionFailed),
    ForNow,
    For(String),
}

impl Cancelled {
    /// The reasons are in the order of the writes, with `None` for those that were not the cause. The first decides.
    fn of(reasons: &[CancellationReason]) -> Self {
        for (index, reason) in reasons.iter().enumerate() {
            return match reason.code().unwrap_or_default() {
                "None" | "" => continue,
                "ConditionalCheckFailed" => {
                    let item = reason.item().cloned().unwrap_or_default();
                    Self::ByCondition(ConditionFailed { index, item })
                }
                "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                    Self::ForNow
                }
                code => Self::For(code.to_owned()),
            };
        }
        Self::For("no reason".to_owned())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_sdk_dynamodb::{
        operation::transact_write_items::TransactWriteItemsOutput,
        types::error::TransactionCanceledException,
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;
    use crate::tables::item::text;

    /// The error of a transaction that was cancelled for these reasons.
    pub(in crate::tables) fn cancelled(
        reasons: &[(&str, Option<Item>)],
    ) -> TransactWriteItemsError {
        let reasons = reasons.iter().map(|(code, item)| {
            CancellationReason::builder().code(*code).set_item(item.clone()).build()
        });
        TransactWriteItemsError::TransactionCanceledException(
            TransactionCanceledException::builder()
                .set_cancellation_reasons(Some(reasons.collect()))
                .build(),
        )
    }

    #[test]
    fn first_reason_that_is_one_decides() {
        let of = |reasons: &[(&str, Option<Item>)]| {
            let TransactWriteItemsError::TransactionCanceledException(error) = cancelled(reasons)
            else {
                unreachable!("it is made so")
            };
            Cancelled::of(error.cancellation_reasons())
        };
        let item = Item::from([("id".to_owned(), text("a"))]);
        let failed = |index, item| Cancelled::ByCondition(ConditionFailed { index, item });
        let refused = ("ConditionalCheckFailed", Some(item.clone()));
        let full = ("ConditionalCheckFailed", None);
        assert_eq!(of(&[refused.clone(), full.clone()]), failed(0, item));
        assert_eq!(of(&[("None", None), full.clone()]), failed(1, Item::new()));
        assert_eq!(of(&[("TransactionConflict", None), full]), Cancelled::ForNow);
        assert_eq!(of(&[("None", None), ("ThrottlingError", None)]), Cancelled::ForNow);
        let invalid = of(&[("ValidationError", None), refused]);
        assert_eq!(invalid, Cancelled::For("ValidationError".to_owned()));
        assert_eq!(of(&[]), Cancelled::For("no reason".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn conflict_is_repeated_until_it_succeeds_and_not_forever() {
        let conflict = || cancelled(&[("None", None), ("TransactionConflict", None)]);
        let rule = mock!(Client::transact_write_items)
            .sequence()
            .error(conflict)
            .times(3)
            .output(|| TransactWriteItemsOutput::builder().build())
            .build();
        let client = mock_client!(aws_sdk_dynamodb, [&rule]);
        assert_eq!(write_together(&client, "a test", Vec::new()).await.unwrap(), None);
        assert_eq!(rule.num_calls(), 4);

        let rule =
            mock!(Client::transact_write_items).sequence().error(conflict).repeatedly().build();
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule]);
        let busy = write_together(&client, "a test", Vec::new()).await.unwrap_err();
        assert!(busy.to_string().contains("a test"), "{busy}");
        assert!(rule.num_calls() <= MAX_ATTEMPTS as usize);
    }

    #[test]
    fn pauses_are_random_and_bounded() {
        assert!((0..100).map(pause).all(|pause| pause <= MAX_PAUSE));
        assert!((0..100).map(|_| pause(3)).any(|one| one != pause(3)));
    }
}
