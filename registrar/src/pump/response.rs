//! What the response of a function says of its batch (Lambda Developer Guide, "Handling errors for an SQS event source in
//! Lambda", "Implementing partial batch responses").

use std::collections::HashSet;

use serde_json::Value;

use super::batch::Message;

/// What the watch server returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why a whole batch failed. A function's own message is left out: it may contain anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchFailed {
    #[error("the function returned the error {0}; its output has the message")]
    Function(String),
    #[error("the server responded with status {0}")]
    Server(u16),
    #[error("the response is not a JSON object")]
    NotObject,
    #[error("batchItemFailures is not a list")]
    NotList,
    #[error("an itemIdentifier is missing or empty")]
    NoIdentifier,
    #[error("an itemIdentifier is not the id of a message of the batch")]
    UnknownIdentifier,
}

/// The ids of the messages that failed. `reports` is whether the event source has `ReportBatchItemFailures`: without it, the
/// body of a response means nothing.
pub(crate) fn failed(
    response: &Response,
    batch: &[Message],
    reports: bool,
) -> Result<HashSet<String>, BatchFailed> {
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    if let Some(error) = body.as_ref().and_then(error_type) {
        return Err(BatchFailed::Function(error));
    }
    if response.status != 200 {
        return Err(BatchFailed::Server(response.status));
    }
    if !reports || response.body.is_empty() {
        return Ok(HashSet::new());
    }
    match body {
        // A function that returns nothing.
        Some(Value::Null) => Ok(HashSet::new()),
        Some(Value::Object(fields)) => {
            reported(fields.get("batchItemFailures").unwrap_or(&Value::Null), batch)
        }
        _ => Err(BatchFailed::NotObject),
    }
}

/// The type of the error in the body, as the runtime API has it. Cargo Lambda passes an error of the initialisation on with
/// status 200 (version 1.9.2), so the status alone does not tell.
fn error_type(body: &Value) -> Option<String> {
    body["errorMessage"].as_str()?;
    body["errorType"].as_str().map(ToOwned::to_owned)
}

fn reported(failures: &Value, batch: &[Message]) -> Result<HashSet<String>, BatchFailed> {
    let failures = match failures {
        Value::Null => return Ok(HashSet::new()),
        Value::Array(failures) => failures,
        _ => return Err(BatchFailed::NotList),
    };
    let of_batch: HashSet<&str> =
        batch.iter().map(|message| message.sqs_message_id.as_str()).collect();
    let identifiers = failures.iter().map(|failure| {
        let identifier = failure["itemIdentifier"].as_str().filter(|id| !id.is_empty());
        let identifier = identifier.ok_or(BatchFailed::NoIdentifier)?;
        let known = of_batch.get(identifier).ok_or(BatchFailed::UnknownIdentifier)?;
        Ok((*known).to_owned())
    });
    identifiers.collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::hash_set, prelude::*};
    use serde_json::json;

    use super::*;

    fn batch(ids: &[&str]) -> Vec<Message> {
        let message = |id: &&str| Message {
            sqs_message_id: (*id).to_owned(),
            receipt_handle: String::new(),
            receives: 1,
            record: String::new(),
        };
        ids.iter().map(message).collect()
    }

    fn of(status: u16, body: &str, reports: bool) -> Result<Vec<String>, BatchFailed> {
        let response = Response { status, body: body.into() };
        let failed = failed(&response, &batch(&["a", "b"]), reports)?;
        let mut failed: Vec<_> = failed.into_iter().collect();
        failed.sort();
        Ok(failed)
    }

    #[test]
    fn responses_that_lambda_takes_as_success_are_a_success() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
            r#"{"other":1}"#,
        ] {
            assert_eq!(of(200, body, true), Ok(Vec::new()), "{body}");
        }
    }

    #[test]
    fn responses_that_lambda_takes_as_failure_fail_the_whole_batch() {
        for (body, why) in [
            ("{", BatchFailed::NotObject),
            ("done", BatchFailed::NotObject),
            (r#""done""#, BatchFailed::NotObject),
            ("[]", BatchFailed::NotObject),
            (r#"{"batchItemFailures":"a"}"#, BatchFailed::NotList),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, BatchFailed::NoIdentifier),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, BatchFailed::NoIdentifier),
            (r#"{"batchItemFailures":[{"itemidentifier":"a"}]}"#, BatchFailed::NoIdentifier),
            (r#"{"batchItemFailures":["a"]}"#, BatchFailed::NoIdentifier),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#,
                BatchFailed::UnknownIdentifier,
            ),
        ] {
            assert_eq!(of(200, body, true), Err(why), "{body}");
        }
    }

    #[test]
    fn without_the_response_type_a_batch_fails_only_by_an_error() {
        assert_eq!(
            of(200, r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, false),
            Ok(Vec::new())
        );
        assert_eq!(of(200, "done", false), Ok(Vec::new()));
    }

    #[test]
    fn error_of_a_function_is_named_by_its_type_alone() {
        let body = r#"{"errorType":"lambda::Oops","errorMessage":"ada@example.com"}"#;
        // Also one of the initialisation, which has status 200.
        for status in [500, 200] {
            for reports in [true, false] {
                let why = of(status, body, reports).unwrap_err();
                assert_eq!(why, BatchFailed::Function("lambda::Oops".to_owned()));
                assert!(!why.to_string().contains('@'));
            }
        }
        assert_eq!(of(500, r#"{"status":500}"#, false), Err(BatchFailed::Server(500)));
        assert_eq!(of(408, "", true), Err(BatchFailed::Server(408)));
    }

    proptest! {
        #[test]
        fn exactly_the_named_messages_failed(
            all in hash_set("[a-z0-9-]{1,36}", 1..30),
            keep in any::<u64>(),
        ) {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let named: HashSet<String> =
                all.iter().enumerate().filter(|(i, _)| (keep >> (i % 64)) & 1 == 1).map(|(_, id)| (*id).to_owned()).collect();
            let items: Vec<_> = named.iter().map(|id| json!({"itemIdentifier": id})).collect();
            let body = json!({"batchItemFailures": items}).to_string().into_bytes();
            let response = Response { status: 200, body };
            prop_assert_eq!(failed(&response, &batch(&all), true), Ok(named));
        }
    }
}
