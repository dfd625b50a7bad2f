//! The queue on SQS.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{
        self, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        MessageSystemAttributeName, QueueAttributeName,
    },
};

use crate::aws_call::CallFailed;

use super::{
    batch::{MAX_MESSAGES_PER_RECEIVE, Message},
    event::{Origin, record},
    queue::Queue,
};

/// SQS's maximum for a batched call.
const ENTRIES_PER_CALL: usize = MAX_MESSAGES_PER_RECEIVE;

/// Needs `sqs:GetQueueAttributes`, `sqs:ReceiveMessage`, `sqs:DeleteMessage` and `sqs:ChangeMessageVisibility`.
#[derive(Debug)]
pub(crate) struct SqsQueue {
    client: Client,
    url: String,
    origin: Origin,
    pub(crate) visibility: Duration,
    pub(crate) is_fifo: bool,
}

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error("SQS does not tell the attribute {0} of the queue")]
    NoAttribute(&'static str),
}

impl SqsQueue {
    pub(crate) async fn find(client: Client, url: String) -> Result<Self, QueueError> {
        use QueueAttributeName::{FifoQueue, QueueArn, VisibilityTimeout};
        let response = client
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .map_err(|error| CallFailed::new("reading the attributes of the queue", error))?;
        let attributes = response.attributes.unwrap_or_default();
        let arn = attributes.get(&QueueArn).ok_or(QueueError::NoAttribute("QueueArn"))?.clone();
        let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
        let seconds = attributes.get(&VisibilityTimeout).and_then(|text| text.parse().ok());
        let seconds = seconds.ok_or(QueueError::NoAttribute("VisibilityTimeout"))?;
        // A standard queue has no such attribute.
        let is_fifo = attributes.get(&FifoQueue).is_some_and(|text| text == "true");
        let origin = Origin { arn, region };
        Ok(Self { client, url, origin, visibility: Duration::from_secs(seconds), is_fifo })
    }

    pub(crate) fn arn(&self) -> &str {
        &self.origin.arn
    }
}

impl Queue for SqsQueue {
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, CallFailed> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(to_i32(max))
            .wait_time_seconds(to_i32(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| CallFailed::new("receiving messages", error))?;
        let messages = received.messages.unwrap_or_default();
        Ok(messages.iter().filter_map(|message| to_message(message, &self.origin)).collect())
    }

    async fn delete(&self, messages: &[&Message]) -> Result<usize, CallFailed> {
        const OPERATION: &str = "deleting messages";
        let mut left = 0;
        for chunk in messages.chunks(ENTRIES_PER_CALL) {
            let entries = chunk.iter().enumerate().map(|(number, message)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(&message.receipt_handle)
                    .build()
            });
            let entries: Vec<_> = entries
                .collect::<Result<_, _>>()
                .map_err(|error| CallFailed::other(OPERATION, &error))?;
            let call = self.client.delete_message_batch().queue_url(&self.url);
            let response = call.set_entries(Some(entries)).send().await;
            left += response.map_err(|error| CallFailed::new(OPERATION, error))?.failed.len();
        }
        Ok(left)
    }

    async fn give_back(&self, messages: &[&Message]) -> Result<usize, CallFailed> {
        const OPERATION: &str = "making messages visible";
        let mut left = 0;
        for chunk in messages.chunks(ENTRIES_PER_CALL) {
            let entries = chunk.iter().enumerate().map(|(number, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(&message.receipt_handle)
                    .visibility_timeout(0)
                    .build()
            });
            let entries: Vec<_> = entries
                .collect::<Result<_, _>>()
                .map_err(|error| CallFailed::other(OPERATION, &error))?;
            let call = self.client.change_message_visibility_batch().queue_url(&self.url);
            let response = call.set_entries(Some(entries)).send().await;
            left += response.map_err(|error| CallFailed::new(OPERATION, error))?.failed.len();
        }
        Ok(left)
    }
}

/// The numbers here are all small.
fn to_i32<T: TryInto<i32>>(number: T) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// `None` for a message without an id or a receipt handle, which SQS does not return.
fn to_message(message: &types::Message, origin: &Origin) -> Option<Message> {
    let receives = MessageSystemAttributeName::ApproximateReceiveCount;
    let receives = message.attributes.as_ref().and_then(|all| all.get(&receives)?.parse().ok());
    Some(Message {
        sqs_message_id: message.message_id.clone()?,
        receipt_handle: message.receipt_handle.clone()?,
        receives: receives.unwrap_or(1),
        record: record(message, origin).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{
        operation::{
            change_message_visibility_batch::ChangeMessageVisibilityBatchOutput,
            delete_message_batch::DeleteMessageBatchOutput,
            get_queue_attributes::GetQueueAttributesOutput, receive_message::ReceiveMessageOutput,
        },
        types::BatchResultErrorEntry,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:jobs";

    fn attributes(attributes: &[(QueueAttributeName, &str)]) -> Rule {
        let attributes: Vec<_> =
            attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        mock!(Client::get_queue_attributes).then_output(move || {
            let output = GetQueueAttributesOutput::builder();
            output.set_attributes(Some(attributes.iter().cloned().collect())).build()
        })
    }

    fn of_a_queue() -> Rule {
        attributes(&[
            (QueueAttributeName::QueueArn, ARN),
            (QueueAttributeName::VisibilityTimeout, "360"),
        ])
    }

    async fn queue(rules: &[&Rule]) -> SqsQueue {
        let client = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, rules);
        SqsQueue::find(client, "url".to_owned()).await.unwrap()
    }

    fn messages(count: usize) -> Vec<Message> {
        let message = |number: usize| Message {
            sqs_message_id: number.to_string(),
            receipt_handle: format!("r-{number}"),
            receives: 1,
            record: String::new(),
        };
        (0..count).map(message).collect()
    }

    fn refused() -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id("0").code("ReceiptHandleIsInvalid");
        entry.sender_fault(true).build().unwrap()
    }

    #[tokio::test]
    async fn queue_is_known_by_its_attributes() {
        let queue = queue(&[&of_a_queue()]).await;
        assert_eq!((queue.arn(), queue.visibility.as_secs(), queue.is_fifo), (ARN, 360, false));
        let incomplete = attributes(&[(QueueAttributeName::QueueArn, ARN)]);
        let client = mock_client!(aws_sdk_sqs, [&incomplete]);
        let error = SqsQueue::find(client, "url".to_owned()).await.unwrap_err().to_string();
        assert_eq!(error, "SQS does not tell the attribute VisibilityTimeout of the queue");
    }

    #[tokio::test]
    async fn messages_are_received_with_all_attributes_and_the_visibility_of_the_queue() {
        let receive = mock!(Client::receive_message)
            .match_requests(|request| {
                request.max_number_of_messages() == Some(7)
                    && request.wait_time_seconds() == Some(1)
                    && request.visibility_timeout().is_none()
                    && request.message_attribute_names() == ["All"]
                    && request.message_system_attribute_names() == [MessageSystemAttributeName::All]
            })
            .then_output(|| {
                let message = types::Message::builder()
                    .message_id("m-1")
                    .receipt_handle("r-1")
                    .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "4");
                ReceiveMessageOutput::builder().messages(message.build()).build()
            });
        let queue = queue(&[&of_a_queue(), &receive]).await;
        let [message] =
            queue.receive(7, Duration::from_millis(200)).await.unwrap().try_into().unwrap();
        assert_eq!((message.sqs_message_id.as_str(), message.receives), ("m-1", 4));
        assert!(message.record.contains(ARN) && message.record.contains("eu-west-1"));
    }

    #[tokio::test]
    async fn calls_have_ten_entries_at_most_and_report_what_was_refused() {
        let delete = mock!(Client::delete_message_batch)
            .match_requests(|request| request.entries().len() <= 10)
            .then_output(|| {
                let output = DeleteMessageBatchOutput::builder().set_successful(Some(Vec::new()));
                output.failed(refused()).build().unwrap()
            });
        let hide = mock!(Client::change_message_visibility_batch)
            .match_requests(|request| {
                request.entries().iter().all(|entry| entry.visibility_timeout() == Some(0))
            })
            .then_output(|| {
                let output = ChangeMessageVisibilityBatchOutput::builder();
                let output = output.set_successful(Some(Vec::new()));
                output.failed(refused()).build().unwrap()
            });
        let queue = queue(&[&of_a_queue(), &delete, &hide]).await;
        let all = messages(23);
        let all: Vec<&Message> = all.iter().collect();
        assert_eq!(queue.delete(&all).await, Ok(3));
        assert_eq!(queue.give_back(&all).await, Ok(3));
        assert_eq!((delete.num_calls(), hide.num_calls()), (3, 3));
        assert_eq!(queue.delete(&[]).await, Ok(0));
    }
}
