//! One HTTP request to Stripe's API, with a timeout and without retries.

use std::{fmt, future::Future, time::Duration};

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
use unavailable::Unavailable;

use crate::secret::Secret;

/// The version of the API that this code is written for.
const API_VERSION: &str = "2025-08-27.basil";

/// For TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A request to Stripe's API.
#[derive(Debug, Clone)]
pub struct Request {
    /// A noun phrase for errors, such as "confirming a payment".
    pub operation: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `/v1/…`, with the query.
    pub path: String,
    /// The secret key.
    pub api_key: Secret,
    /// Of a `POST`.
    pub idempotency_key: Option<String>,
    /// The body, URL-encoded.
    pub form: String,
    /// The maximum duration of the whole exchange.
    pub timeout: Duration,
}

impl Request {
    /// The headers, with the secret key among them.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let key = self.idempotency_key.clone().map(|key| ("idempotency-key", key));
        [
            ("authorization", format!("Bearer {}", self.api_key.expose())),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("stripe-version", API_VERSION.to_owned()),
        ]
        .into_iter()
        .chain(key)
    }
}

/// A response of any status.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The idempotency key was used before, and this is the response of that time (header
    /// `Idempotent-Replayed`; Stripe docs, "Advanced error handling").
    pub is_replay: bool,
    /// JSON, as a rule.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the body, which has client secrets.
        write!(f, "Response({}, replay: {})", self.status, self.is_replay)
    }
}

/// Sends requests to Stripe's API. Tests have one without sockets.
pub trait Transport {
    /// Sends a request once.
    ///
    /// # Errors
    ///
    /// There was no response in time. Whether the request took effect is unknown.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, Unavailable>> + Send;
}

/// A pool of connections to the API, over the HTTP client that the AWS SDK links anyway.
#[derive(Debug)]
pub struct Https {
    connector: Connector,
    url: String,
}

impl Https {
    /// Connections are made on demand.
    pub fn new(url: &str) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .build();
        Self { connector, url: url.trim_end_matches('/').to_owned() }
    }

    fn request(&self, request: &Request) -> Result<HttpRequest, Unavailable> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Unavailable::new(request.operation, error)
        };
        let url = format!("{}{}", self.url, request.path);
        let mut http = http::Request::builder().method(request.method).uri(url);
        for (name, value) in request.headers() {
            http = http.header(name, value);
        }
        let body = SdkBody::from(request.form.as_str());
        let http = http.body(body).map_err(|error| failed(error.into()))?;
        HttpRequest::try_from(http).map_err(|error| failed(error.into()))
    }
}

impl Transport for Https {
    async fn send(&self, request: Request) -> Result<Response, Unavailable> {
        let operation = request.operation;
        let http = self.request(&request)?;
        let exchange = async {
            let response = self
                .connector
                .call(http)
                .await
                .map_err(|error| Unavailable::new(operation, error))?;
            let status = response.status().as_u16();
            let is_replay = response.headers().get("idempotent-replayed") == Some("true");
            let body = read(response.into_body())
                .await
                .map_err(|error| Unavailable::new(operation, error))?;
            Ok(Response { status, is_replay, body })
        };
        tokio::time::timeout(request.timeout, exchange)
            .await
            .map_err(|elapsed| Unavailable::new(operation, elapsed))?
    }
}

async fn read(body: SdkBody) -> Result<Vec<u8>, aws_smithy_types::byte_stream::error::Error> {
    let bytes = aws_smithy_types::byte_stream::ByteStream::new(body).collect().await?;
    Ok(bytes.to_vec())
}
