//! The two queues, as an operator uses them.

use std::{fmt::Display, time::Duration};

use aws_sdk_sqs::{
    Client,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    },
};

use crate::aws_call::CallFailed;

use super::letter::{Letter, Receipt, letter};

/// What SQS takes or gives in one call, at most.
pub(crate) const AT_ONCE: usize = 10;
/// How long a received letter is hidden from others. It is renewed in time; after a crash the letters
/// show again so much later.
pub(crate) const HIDDEN_FOR: Duration = Duration::from_mins(5);
/// How long an empty queue is asked, in seconds. A short poll asks only some of SQS's servers, and so
/// may miss letters; a long one asks all. It also waits for letters that somebody is done looking at.
const POLL_SECONDS: i32 = 2;

/// About how many letters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// That can be received.
    pub(crate) visible: u64,
    /// That somebody has received a while ago.
    pub(crate) hidden: u64,
}

/// One entry of a call that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) message_id: String,
    pub(crate) why: String,
}

/// The dead-letter queue.
pub(crate) trait Letters {
    /// About how many there are.
    async fn count(&self) -> Result<Count, CallFailed>;

    /// Up to ten letters, hidden from now on for [`HIDDEN_FOR`]; none where there are none to be seen.
    async fn receive(&self) -> Result<Vec<Letter>, CallFailed>;

    /// Hides up to ten letters for so long from now on, and says which it could not.
    async fn hide(
        &self,
        letters: &[Receipt],
        duration: Duration,
    ) -> Result<Vec<Refused>, CallFailed>;

    /// Deletes up to ten letters, and says which it could not.
    async fn delete(&self, letters: &[Receipt]) -> Result<Vec<Refused>, CallFailed>;
}

/// The email queue.
pub(crate) trait Jobs {
    /// Puts a job on the queue, as it was.
    async fn send(&self, body: &str) -> Result<(), CallFailed>;
}

/// The dead-letter queue on SQS. Needs `sqs:ReceiveMessage`, `sqs:GetQueueAttributes`,
/// `sqs:ChangeMessageVisibility`, and `sqs:DeleteMessage`.
#[derive(Debug)]
pub(crate) struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl Letters for DeadLetterQueue {
    async fn count(&self) -> Result<Count, CallFailed> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Visible)
            .attribute_names(Hidden)
            .send()
            .await
            .map_err(|error| CallFailed::new("counting the dead letters", error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Count { visible: number(Visible), hidden: number(Hidden) })
    }

    async fn receive(&self) -> Result<Vec<Letter>, CallFailed> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(whole(AT_ONCE))
            .wait_time_seconds(POLL_SECONDS)
            .visibility_timeout(whole(HIDDEN_FOR.as_secs()))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| CallFailed::new("receiving dead letters", error))?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(letter).collect())
    }

    async fn hide(
        &self,
        letters: &[Receipt],
        duration: Duration,
    ) -> Result<Vec<Refused>, CallFailed> {
        const HIDE: &str = "hiding dead letters, or showing them again";
        let mut entries = Vec::with_capacity(letters.len());
        for (number, letter) in letters.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(&letter.handle)
                .visibility_timeout(whole(duration.as_secs()))
                .build();
            entries.push(entry.map_err(|error| CallFailed::other(HIDE, &error))?);
        }
        let answer = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| CallFailed::new(HIDE, error))?;
        Ok(refused(letters, answer.failed))
    }

    async fn delete(&self, letters: &[Receipt]) -> Result<Vec<Refused>, CallFailed> {
        const DELETE: &str = "deleting dead letters";
        let mut entries = Vec::with_capacity(letters.len());
        for (number, letter) in letters.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(&letter.handle)
                .build();
            entries.push(entry.map_err(|error| CallFailed::other(DELETE, &error))?);
        }
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| CallFailed::new(DELETE, error))?;
        Ok(refused(letters, answer.failed))
    }
}

/// A number of SQS's, all of which are small.
fn whole<T: TryInto<i32>>(number: T) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

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

/// The email queue on SQS. Needs `sqs:SendMessage`.
#[derive(Debug)]
pub(crate) struct JobQueue {
    client: Client,
    url: String,
}

impl JobQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

impl Jobs for JobQueue {
    async fn send(&self, body: &str) -> Result<(), CallFailed> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map_err(|error| CallFailed::new("putting a job on the email queue", error))?;
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
        types::{Message, MessageAttributeValue},
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use email::dead_letter::attribute;

    use super::*;

    fn queue(rule: &Rule) -> DeadLetterQueue {
        DeadLetterQueue::new(mock_client!(aws_sdk_sqs, [rule]), "dlq".to_owned())
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
    async fn a_letter_is_received_with_its_attributes() {
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
                    .body("no job")
                    .message_attributes(attribute::ERROR_CODE, code.build().unwrap())
                    .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3");
                ReceiveMessageOutput::builder().messages(message.build()).build()
            });
        let [letter] = queue(&rule).receive().await.unwrap().try_into().unwrap();
        assert_eq!((letter.message_id(), letter.code()), ("m-1", "MessageRejected"));
        assert_eq!(letter.receipt.handle, "r-1");
        assert_eq!(letter.of_queue["ApproximateReceiveCount"], "3");
        assert!(letter.job.is_err());
    }

    #[tokio::test]
    async fn a_batch_that_fails_in_part_says_which() {
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
    async fn letters_are_shown_again_by_hiding_them_for_no_time() {
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
    async fn letters_are_counted() {
        let rule = mock!(Client::get_queue_attributes).then_output(|| {
            GetQueueAttributesOutput::builder()
                .attributes(QueueAttributeName::ApproximateNumberOfMessages, "12")
                .build()
        });
        assert_eq!(queue(&rule).count().await.unwrap(), Count { visible: 12, hidden: 0 });
    }
}
