//! One HTTP request to Stripe's API, with timeouts and without retries.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use http::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::de::DeserializeOwned;
use unavailable::Unavailable;

use crate::secret::Secret;

/// The version of the API that this code is written for.
const API_VERSION: &str = "2025-08-27.basil";

/// For TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// For a whole call. Confirming a card asks its bank, which may take seconds. With the calls to DynamoDB
/// and SQS around it, it must fit into a request.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

/// A response of any status.
pub(crate) struct StripeResponse {
    pub(crate) status: u16,
    /// The idempotency key was used before, and this is the response of that time.
    pub(crate) replayed: bool,
    body: Vec<u8>,
}

impl StripeResponse {
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        operation: &'static str,
    ) -> Result<T, Unavailable> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Not serde's text, which repeats values.
            let place = format!("line {}, column {}", error.line(), error.column());
            Unavailable::new(operation, format!("status {}, unreadable at {place}", self.status))
        })
    }
}

pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) form: &'a [(&'a str, String)],
}

/// A pool of connections to the API.
#[derive(Debug)]
pub(crate) struct Transport {
    connector: Connector,
    url: String,
}

impl Transport {
    /// Connections are made on demand.
    pub(crate) fn new(url: String) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(CALL_TIMEOUT)
            .build();
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .build();
        Self { connector, url: url.trim_end_matches('/').to_owned() }
    }

    pub(crate) async fn call(
        &self,
        key: &Secret,
        call: Call<'_>,
    ) -> Result<StripeResponse, Unavailable> {
        let operation = call.operation;
        let request = self.request(key, call)?;
        let exchange = async {
            let response = self
                .connector
                .call(request)
                .await
                .map_err(|error| Unavailable::new(operation, error))?;
            let status = response.status().as_u16();
            let replayed = response.headers().get("idempotent-replayed") == Some("true");
            let body = read(response.into_body())
                .await
                .map_err(|error| Unavailable::new(operation, error))?;
            Ok(StripeResponse { status, replayed, body })
        };
        tokio::time::timeout(CALL_TIMEOUT, exchange)
            .await
            .map_err(|elapsed| Unavailable::new(operation, elapsed))?
    }

    fn request(&self, key: &Secret, call: Call<'_>) -> Result<HttpRequest, Unavailable> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Unavailable::new(call.operation, error)
        };
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.url, call.path))
            .header(AUTHORIZATION, format!("Bearer {}", key.expose()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("stripe-version", API_VERSION);
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let form = serde_urlencoded::to_string(call.form).map_err(|error| failed(error.into()))?;
        let request = request.body(SdkBody::from(form)).map_err(|error| failed(error.into()))?;
        HttpRequest::try_from(request).map_err(|error| failed(error.into()))
    }
}

async fn read(body: SdkBody) -> Result<Vec<u8>, aws_smithy_types::byte_stream::error::Error> {
    let bytes = aws_smithy_types::byte_stream::ByteStream::new(body).collect().await?;
    Ok(bytes.to_vec())
}
