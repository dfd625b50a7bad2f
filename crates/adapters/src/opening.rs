//! Connections that are opened while a function initialises.
//!
//! Lambda gives the initialisation a whole core, and an invocation the share of the function's memory: with 128 MB a
//! fourteenth (Lambda Developer Guide, "Configure Lambda function memory"). A TLS handshake is the largest part of what
//! a first invocation computes.

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;

/// How long the initialisation waits for connections.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Opens connections by cheap calls whose results are ignored. If one fails, or takes longer than [`MAX_WAIT`], the first
/// request opens it, with the retries and errors of its own.
pub async fn while_initialising(calls: impl Future<Output = ()>) {
    drop(tokio::time::timeout(MAX_WAIT, calls).await);
}

/// A connection to DynamoDB, by reading an item that need not exist. Needs `dynamodb:GetItem` on the table, whose partition
/// key is a text.
pub async fn dynamodb(client: &aws_sdk_dynamodb::Client, table: &str, partition_key: &str) {
    let read = client.get_item().table_name(table);
    drop(read.key(partition_key, AttributeValue::S("-".to_owned())).send().await);
}

/// A connection to SQS, by asking for no attribute of a queue. Needs `sqs:GetQueueAttributes` on it.
pub async fn sqs(client: &aws_sdk_sqs::Client, queue_url: &str) {
    drop(client.get_queue_attributes().queue_url(queue_url).send().await);
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "the clock of a test")]
    async fn service_that_is_silent_delays_the_initialisation_by_a_second_at_most() {
        let began = Instant::now();
        while_initialising(std::future::pending()).await;
        assert_eq!(began.elapsed(), MAX_WAIT);
    }
}
