//! The clients of the AWS SDK, and their configuration, which is loaded once and shared.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use invocation::calls::Service;

use crate::timing::Timed;

/// The maximum time to connect, with TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum duration of one attempt of a call.
pub const SDK_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum duration of a call with its retries. Five calls, and two calls to Stripe, fit in the 29 s that
/// `enroll` has for a request.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts per call. Repeating a call to DynamoDB or SQS is safe here: a conditional write recognises its
/// own token. Repeating a call to SES is not; its client has retries off.
pub const MAX_ATTEMPTS: u32 = 3;

/// A client with a connection pool. Without a timeout, idle connections are kept for 90 s.
pub(crate) fn http_client(idle_timeout: Option<Duration>) -> SharedHttpClient {
    let mut builder = aws_smithy_http_client::Builder::new();
    builder.set_pool_idle_timeout(idle_timeout.map(Some));
    builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

/// Region, credentials and endpoints from the environment; timeouts on every call. All clients share one
/// connection pool, except that of SES in the email worker.
pub async fn load_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(None))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(SDK_ATTEMPT_TIMEOUT)
                .operation_attempt_timeout(SDK_ATTEMPT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .load()
        .await
}

pub fn dynamodb(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk);
    aws_sdk_dynamodb::Client::from_conf(config.interceptor(Timed(Service::DynamoDb)).build())
}

pub fn lambda(sdk: &SdkConfig) -> aws_sdk_lambda::Client {
    aws_sdk_lambda::Client::new(sdk)
}

pub fn sqs(sdk: &SdkConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(sdk);
    aws_sdk_sqs::Client::from_conf(config.interceptor(Timed(Service::Sqs)).build())
}

/// A client of Secrets Manager.
#[cfg(feature = "stripe")]
pub fn secrets_manager(sdk: &SdkConfig) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(sdk)
}
