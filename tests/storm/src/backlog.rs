//! The resumer's own composition, with the real adapters, against stand-ins.

use std::{net::SocketAddr, time::Duration};

use adapters::clients;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use enrollment::Ports;
use resumer::{Config, deployed};

use crate::stand_in::{COURSES, ENROLLMENTS};

/// The ports of the deployed resumer, with the timeouts and retries of the deployed clients. Every service is
/// at this address.
pub async fn ports(address: SocketAddr) -> Ports<deployed::Deployed> {
    let credentials = Credentials::new("test", "test", None, None, "storm");
    let sdk: SdkConfig = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(clients::SDK_ATTEMPT_TIMEOUT)
                .operation_timeout(clients::CALL_TIMEOUT)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(clients::MAX_ATTEMPTS)
                // Between attempts: what is waited for is not measured.
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .load()
        .await;
    let config = Config {
        courses_table: COURSES.to_owned(),
        enrollments_table: ENROLLMENTS.to_owned(),
        seats_table: "seats".to_owned(),
        emails_table: "emails".to_owned(),
        email_queue_url: format!("http://{address}/queue"),
        stripe_secret_arn: None,
        stripe_api_url: None,
    };
    deployed::ports(&sdk, config)
}
