//! Where the queues of a template are: in a deployed stack, or at given addresses.

use std::collections::HashMap;

use aws_sdk_sqs::Client;

use crate::aws_call::CallFailed;

use super::template::{EventSource, QueueReference};

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(
        "no queue {queue} is known: deploy the stack, or give its address with --queue-url {queue}=URL"
    )]
    Unknown { queue: String },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// The addresses of queues.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By the name of the event source or by the logical id of the queue.
    pub(crate) given: HashMap<String, String>,
    /// The physical ids of the deployed resources. That of a queue is its address (CloudFormation User Guide,
    /// `AWS::SQS::Queue`, "Ref").
    pub(crate) deployed: HashMap<String, String>,
}

impl Places {
    pub(crate) async fn find(
        &self,
        sqs: &Client,
        source: &EventSource,
    ) -> Result<String, PlaceError> {
        if let Some(url) = self.given.get(&source.name) {
            return Ok(url.clone());
        }
        match &source.queue {
            QueueReference::Resource(id) => {
                let url = self.given.get(id).or(self.deployed.get(id));
                url.cloned().ok_or_else(|| PlaceError::Unknown { queue: id.clone() })
            }
            QueueReference::Arn(arn) => by_arn(sqs, arn).await,
        }
    }
}

/// Needs `sqs:GetQueueUrl`.
async fn by_arn(sqs: &Client, arn: &str) -> Result<String, PlaceError> {
    let mut parts = arn.split(':').skip(4);
    let (account, name) = (parts.next(), parts.next());
    let found = sqs
        .get_queue_url()
        .set_queue_name(name.map(ToOwned::to_owned))
        .set_queue_owner_aws_account_id(account.map(ToOwned::to_owned))
        .send()
        .await
        .map_err(|error| CallFailed::new("finding the queue", error))?;
    found.queue_url.ok_or_else(|| PlaceError::Unknown { queue: arn.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlOutput;
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;
    use crate::pump::template::{Batching, Function};

    fn source(queue: QueueReference) -> EventSource {
        EventSource {
            name: "Source".to_owned(),
            function: Function {
                id: "F".to_owned(),
                program: "f".to_owned(),
                timeout: Duration::from_secs(3),
            },
            queue,
            batching: Batching { size: 10, window: Duration::ZERO },
            max_concurrency: 5,
            reports_failures: false,
        }
    }

    #[tokio::test]
    async fn given_address_counts_before_that_of_the_stack() {
        let sqs = mock_client!(aws_sdk_sqs, &[]);
        let source = source(QueueReference::Resource("Queue".to_owned()));
        let named = |name: &str, url: &str| HashMap::from([(name.to_owned(), url.to_owned())]);
        let none = Places::default().find(&sqs, &source).await.unwrap_err().to_string();
        assert!(none.starts_with("no queue Queue is known: "), "{none}");
        let deployed = Places { given: HashMap::new(), deployed: named("Queue", "deployed") };
        assert_eq!(deployed.find(&sqs, &source).await.unwrap(), "deployed");
        for name in ["Queue", "Source"] {
            let places =
                Places { given: named(name, "given"), deployed: named("Queue", "deployed") };
            assert_eq!(places.find(&sqs, &source).await.unwrap(), "given");
        }
    }

    #[tokio::test]
    async fn queue_that_is_an_arn_is_asked_for_by_its_name_and_account() {
        let find = mock!(Client::get_queue_url)
            .match_requests(|request| {
                request.queue_name() == Some("jobs")
                    && request.queue_owner_aws_account_id() == Some("123456789012")
            })
            .then_output(|| GetQueueUrlOutput::builder().queue_url("found").build());
        let arn = QueueReference::Arn("arn:aws:sqs:eu-west-1:123456789012:jobs".to_owned());
        let found = Places::default().find(&mock_client!(aws_sdk_sqs, [&find]), &source(arn)).await;
        assert_eq!(found.unwrap(), "found");
    }
}
