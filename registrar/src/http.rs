//! HTTP requests without an AWS signature, over the HTTP client that the AWS SDK links anyway.

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
use aws_smithy_types::byte_stream::ByteStream;

use crate::aws_call::{CallFailed, chain};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// API Gateway waits for 30 s at most.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The status of a `GET`.
pub(crate) async fn get(url: &str) -> Result<u16, CallFailed> {
    const OPERATION: &str = "calling the API";
    let request = HttpRequest::get(url).map_err(|error| CallFailed::other(OPERATION, &error))?;
    let response = tokio::time::timeout(TIMEOUT, connector().call(request)).await;
    let response = response.map_err(|elapsed| CallFailed::other(OPERATION, &elapsed))?;
    let response = response.map_err(|error| CallFailed::other(OPERATION, &error))?;
    Ok(response.status().as_u16())
}

/// Keeps its connections between requests.
#[derive(Debug)]
pub(crate) struct HttpClient(Connector);

/// Why there is no response, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpFailed(pub(crate) String);

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self(connector())
    }

    /// The status and body of the response to a `POST`, however long it takes.
    pub(crate) async fn post_json(
        &self,
        url: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), HttpFailed> {
        let mut request = HttpRequest::new(body.into());
        request.set_uri(url).map_err(|error| HttpFailed(chain(&error)))?;
        request.set_method("POST").map_err(|error| HttpFailed(chain(&error)))?;
        request.headers_mut().insert("content-type", "application/json");
        let response = self.0.call(request).await.map_err(|error| HttpFailed(chain(&error)))?;
        let status = response.status().as_u16();
        let body = ByteStream::new(response.into_body()).collect().await;
        Ok((status, body.map_err(|error| HttpFailed(chain(&error)))?.to_vec()))
    }
}

fn connector() -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new())
        .build()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[tokio::test]
    async fn status_of_the_response_is_returned_and_a_refused_connection_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = connection.read(&mut head).unwrap();
            assert!(head[..read].starts_with(b"GET / HTTP/1.1\r\n"));
            connection.write_all(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        assert_eq!(get(&url).await, Ok(503));
        server.join().unwrap();
        assert!(get(&url).await.unwrap_err().to_string().starts_with("calling the API failed: "));
    }
}
