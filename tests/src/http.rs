//! HTTP requests, and their signatures with an AWS key.

use std::time::SystemTime;

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::description::Credentials;

/// Signs requests with a key, for a service of AWS.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The key.
    pub credentials: Credentials,
    /// The name of the service in signatures.
    pub service: &'static str,
    /// The region.
    pub region: String,
}

/// A response.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or null if it is not JSON.
    pub body: Value,
}

/// A client for plain HTTP on loopback.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Http {
    /// Sends a request, signed if there is a signer, and reads the whole response.
    pub async fn send(
        &self,
        signer: Option<&Signer>,
        method: &str,
        url: &str,
        body: impl Into<Bytes>,
    ) -> HttpResponse {
        self.exchange(request(signer, method, url, &[], body.into())).await
    }

    /// Calls an operation of a service of AWS whose protocol names the operation in `X-Amz-Target`.
    pub async fn call_operation(
        &self,
        signer: &Signer,
        url: &str,
        operation: &str,
        input: &Value,
    ) -> HttpResponse {
        let target = [("x-amz-target", operation)];
        self.exchange(request(Some(signer), "POST", url, &target, input.to_string().into())).await
    }

    /// Sends a request with these headers, and without a signature of AWS.
    pub async fn send_with_headers(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> HttpResponse {
        self.exchange(request(None, method, url, headers, body.into())).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> HttpResponse {
        let (method, url) = (request.method().clone(), request.uri().clone());
        let response = self
            .0
            .request(request)
            .await
            .unwrap_or_else(|error| panic!("{method} {url} got no response: {error:?}"));
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .unwrap_or_else(|error| panic!("{method} {url} got an incomplete response: {error:?}"))
            .to_bytes();
        HttpResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

fn request(
    signer: Option<&Signer>,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(url);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(body).expect("journeys write valid requests");
    if let Some(signer) = signer {
        signer.sign(&mut request);
    }
    request.map(Full::new)
}

impl Signer {
    fn sign(&self, request: &mut Request<Bytes>) {
        let identity = AwsCredentials::new(
            &self.credentials.access_key_id,
            &self.credentials.secret_access_key,
            None,
            None,
            "journeys",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("every parameter is given")
            .into();
        let uri = request.uri().to_string();
        let headers = request.headers().iter().map(|(name, value)| {
            (name.as_str(), value.to_str().expect("journeys send ASCII headers"))
        });
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers,
            SignableBody::Bytes(request.body()),
        )
        .expect("the request is valid");
        let (instructions, _signature) =
            sign(signable, &parameters).expect("the request can be signed").into_parts();
        instructions.apply_to_request_http1x(request);
    }
}
