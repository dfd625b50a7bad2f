//! The number of messages on a queue, as SQS counts them: approximately.

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use serde::Serialize;

use crate::aws_call::CallFailed;

/// Approximate numbers of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Depth {
    /// Ready for a worker.
    pub(crate) visible: u64,
    /// With a worker, or returned and hidden until their retry.
    pub(crate) hidden: u64,
    /// Not visible yet since they were sent.
    pub(crate) delayed: u64,
}

impl Depth {
    /// Needs `sqs:GetQueueAttributes`.
    pub(crate) async fn read(client: &Client, url: &str) -> Result<Self, CallFailed> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as Hidden,
        };
        let request = client.get_queue_attributes().queue_url(url);
        let response = request
            .set_attribute_names(Some(vec![Visible, Hidden, Delayed]))
            .send()
            .await
            .map_err(|error| CallFailed::new("counting the messages of a queue", error))?;
        let attributes = response.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self { visible: number(Visible), hidden: number(Hidden), delayed: number(Delayed) })
    }

    pub(crate) fn total(self) -> u64 {
        self.visible + self.hidden + self.delayed
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput;
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn hidden_and_delayed_messages_count_too() {
        let rule = mock!(Client::get_queue_attributes)
            .match_requests(|request| request.queue_url() == Some("q"))
            .then_output(|| {
                GetQueueAttributesOutput::builder()
                    .attributes(QueueAttributeName::ApproximateNumberOfMessages, "12")
                    .attributes(QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "3")
                    .build()
            });
        let depth = Depth::read(&mock_client!(aws_sdk_sqs, [&rule]), "q").await.unwrap();
        assert_eq!(depth, Depth { visible: 12, hidden: 3, delayed: 0 });
        assert_eq!(depth.total(), 15);
    }
}
