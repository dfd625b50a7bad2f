//! Adds the time of each attempt of an AWS call to those of the invocation in progress.

use std::time::SystemTime;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use invocation::calls::{self, Service};

/// An interceptor of one service's client. The time is that of the SDK's own clock.
#[derive(Debug)]
pub(crate) struct Timed(pub(crate) Service);

#[derive(Debug)]
struct StartedAt(SystemTime);

impl Storable for StartedAt {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Timed {
    fn name(&self) -> &'static str {
        "Timed"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(clock) = components.time_source() {
            bag.interceptor_state().store_put(StartedAt(clock.now()));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(clock), Some(StartedAt(started))) =
            (components.time_source(), bag.load::<StartedAt>())
        {
            // A clock that was set back counts as no time.
            calls::add(self.0, clock.now().duration_since(*started).unwrap_or_default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
    use aws_smithy_runtime_api::client::http::SharedHttpClient;

    use super::*;
    use crate::clients;

    /// A configuration of a client whose every connection is refused.
    fn refused() -> SdkConfig {
        let http: SharedHttpClient = aws_smithy_http_client::Builder::new().build_http();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
            .retry_config(RetryConfig::disabled())
            .http_client(http)
            .build()
    }

    #[tokio::test]
    async fn calls_count_for_their_service_even_if_they_fail() {
        let sdk = refused();
        let (_, times) = calls::measured(clients::sqs(&sdk).list_queues().send()).await;
        assert!(times.of(Service::Sqs).is_some());
        assert_eq!(times.of(Service::DynamoDb), None);
        let (_, times) = calls::measured(clients::dynamodb(&sdk).list_tables().send()).await;
        assert!(times.of(Service::DynamoDb).is_some());
        assert_eq!(times.of(Service::Sqs), None);
    }
}
