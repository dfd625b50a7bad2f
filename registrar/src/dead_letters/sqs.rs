//! The two queues on SQS.

use std::{fmt::Display, time::Duration};

use aws_sdk_sqs::{
    Client,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    },
};

use email::{Job, queue::group};

use crate::aws_call::CallFailed;

use super::{
    letter::{Letter, Receipt},
    queue::{
        Count, DeadLetterQueue, EmailQueue, MAX_ENTRIES_PER_CALL, Refused, VISIBILITY_TIMEOUT,
    },
};

/// How long SQS waits for a message before it reports an empty queue. A short poll (0) asks only some of
/// SQS's servers and may miss letters. Two seconds also cover letters that another command is about to
/// make visible again.
const LONG_POLL_SECONDS: i32 = 2;

/// Needs `sqs:ReceiveMessage`, `sqs:GetQueueAttributes`, `sqs:ChangeMessageVisibility` and
/// `sqs:DeleteMessage`.
#[derive(Debug)]
pub(crate) struct SqsDeadLetterQueue {
    client: Client,
    url: String,
}

impl SqsDeadLetterQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl DeadLetterQueue for SqsDeadLetterQueue {
    async fn count(&self) -> Result<Count, CallFailed> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let response = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Visible)
            .attribute_names(Hidden)
            .send()
            .await
            .map_err(|error| CallFailed::new("counting the dead letters", error))?;
        let attributes = response.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Count { visible: number(Visible), hidden: number(Hidden) })
    }

    async fn receive(&self) -> Result<Vec<Letter>, CallFailed> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(to_i32(MAX_ENTRIES_PER_CALL))
            .wait_time_seconds(LONG_POLL_SECONDS)
            .visibility_timeout(to_i32(VISIBILITY_TIMEOUT.as_secs()))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| CallFailed::new("receiving dead letters", error))?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(to_letter).collect())
    }

    async fn hide(
        &self,
        letters: &[Receipt],
        duration: Duration,
    ) -> Result<Vec<Refused>, CallFailed> {
        const OPERATION: &str = "hiding dead letters, or making them visible";
        let mut entries = Vec::with_capacity(letters.len());
        for (number, letter) in letters.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(&letter.handle)
                .visibility_timeout(to_i32(duration.as_secs()))
                .build();
            entries.push(entry.map_err(|error| CallFailed::other(OPERATION, &error))?);
        }
        let response = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| CallFailed::new(OPERATION, error))?;
        Ok(refused(letters, response.failed))
    }

    async fn delete(&self, letters: &[Receipt]) -> Result<Vec<Refused>, CallFailed> {
        const OPERATION: &str = "deleting dead letters";
        let mut entries = Vec::with_capacity(letters.len());
        for (number, letter) in letters.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(&letter.handle)
                .build();
            entries.push(entry.map_err(|error| CallFailed::other(OPERATION, &error))?);
        }
        let response = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| CallFailed::new(OPERATION, error))?;
        Ok(refused(letters, response.failed))
    }
}

/// For the arguments of SQS, which are all small.
fn to_i32<T: TryInto<i32>>(number: T) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// Returns `None` for a message without an id or a receipt handle, which SQS does not return.
fn to_letter(message: Message) -> Option<Letter> {
    let receipt = Receipt { message_id: message.message_id?, handle: message.receipt_handle? };
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    let system_attributes = message.attributes.unwrap_or_default().into_iter();
    Some(Letter::new(
        receipt,
        message.body.unwrap_or_default(),
        attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect(),
        system_attributes.map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
    ))
}

/// `letters` are the entries of the call; each entry's id is its index.
fn refused(letters: &[Receipt], failed: Vec<BatchResultErrorEntry>) -> Vec<Refused> {
    let refused = failed.into_iter().filter_map(|entry| {
        let letter = letters.get(entry.id.parse::<usize>().ok()?)?;
        let why: &dyn Display = match &entry.message {
            Some(message) => &format!("{}: {message}", entry.code),
            None => &entry.code,
        };
        Some(Refused { message_id: letter.message_id.clone(), why: why.to_string() })
    });
    refused.collect()
}

/// Needs `sqs:SendMessage`.
#[derive(Debug)]
pub(crate) struct SqsEmailQueue {
    client: Client,
    url: String,
}

impl SqsEmailQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl EmailQueue for SqsEmailQueue {
    async fn send(&self, body: &str) -> Result<(), CallFailed> {
        // Without a group, the queue would deliver each letter of a large redrive before the jobs of a group.
        let group = Job::parse(body).ok().map(|job| group(&job).to_owned());
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_group_id(group)
            .send()
            .await
            .map_err(|error| CallFailed::new("sending a job to the email queue", error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::{
            change_message_visibility_batch::ChangeMessageVisibilityBatchOutput,
            delete_message_batch::DeleteMessageBatchOutput,
            get_queue_attributes::GetQueueAttributesOutput, receive_message::ReceiveMessageOutput,
        },
        types::MessageAttributeValue,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use email::dead_letter::attribute;

    use super::*;

    fn queue(rule: &Rule) -> SqsDeadLetterQueue {
        SqsDeadLetterQueue::new(mock_client!(aws_sdk_sqs, [rule]), "dlq".to_owned())
    }

    fn receipt(id: &str) -> Receipt {
        Receipt { message_id: id.to_owned(), handle: format!("handle of {id}") }
    }

    fn failed(id: &str) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code("ReceiptHandleIsInvalid")
            .sender_fault(true)
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn received_letter_has_its_attributes_and_receipt() {
        let rule = mock!(Client::receive_message)
            .match_requests(|request| {
                request.max_number_of_messages() == Some(10)
                    && request.wait_time_seconds() == Some(2)
                    && request.visibility_timeout() == Some(300)
                    && request.message_attribute_names() == ["All"]
            })
            .then_output(|| {
                let code = MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value("MessageRejected");
                let message = Message::builder()
                    .message_id("m-1")
                    .receipt_handle("r-1")
                    .body("not a job")
                    .message_attributes(attribute::ERROR_CODE, code.build().unwrap())
                    .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3");
                ReceiveMessageOutput::builder().messages(message.build()).build()
            });
        let [letter] = queue(&rule).receive().await.unwrap().try_into().unwrap();
        assert_eq!((letter.message_id(), letter.error_code()), ("m-1", "MessageRejected"));
        assert_eq!(letter.receipt.handle, "r-1");
        assert_eq!(letter.system_attributes["ApproximateReceiveCount"], "3");
        assert!(letter.job.is_err());
    }

    #[tokio::test]
    async fn partly_failed_batch_returns_the_failed_letters() {
        let rule = mock!(Client::delete_message_batch)
            .match_requests(|request| {
                let handles: Vec<_> = request
                    .entries()
                    .iter()
                    .map(DeleteMessageBatchRequestEntry::receipt_handle)
                    .collect();
                handles == ["handle of a", "handle of b"]
            })
            .then_output(|| {
                DeleteMessageBatchOutput::builder()
                    .set_successful(Some(Vec::new()))
                    .failed(failed("1"))
                    .build()
                    .unwrap()
            });
        let refused = queue(&rule).delete(&[receipt("a"), receipt("b")]).await.unwrap();
        let why = "ReceiptHandleIsInvalid".to_owned();
        assert_eq!(refused, [Refused { message_id: "b".to_owned(), why }]);
    }

    #[tokio::test]
    async fn hiding_for_zero_seconds_sets_the_visibility_timeout_to_zero() {
        let rule = mock!(Client::change_message_visibility_batch)
            .match_requests(|request| {
                request.entries().iter().all(|entry| entry.visibility_timeout() == Some(0))
            })
            .then_output(|| {
                ChangeMessageVisibilityBatchOutput::builder()
                    .set_successful(Some(Vec::new()))
                    .set_failed(Some(Vec::new()))
                    .build()
                    .unwrap()
            });
        assert_eq!(queue(&rule).hide(&[receipt("a")], Duration::ZERO).await.unwrap(), []);
    }

    #[tokio::test]
    async fn missing_count_is_zero() {
        let rule = mock!(Client::get_queue_attributes).then_output(|| {
            GetQueueAttributesOutput::builder()
                .attributes(QueueAttributeName::ApproximateNumberOfMessages, "12")
                .build()
        });
        assert_eq!(queue(&rule).count().await.unwrap(), Count { visible: 12, hidden: 0 });
    }
}
