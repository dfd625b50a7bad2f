//! One HTTP request without an AWS signature, over the HTTP client that the AWS SDK links anyway.

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

use crate::aws_call::CallFailed;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// API Gateway waits for 30 s at most.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The status of a `GET`.
pub(crate) async fn get(url: &str) -> Result<u16, CallFailed> {
    const OPERATION: &str = "calling the API";
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new())
        .build();
    let request = HttpRequest::get(url).map_err(|error| CallFailed::other(OPERATION, &error))?;
    let response = tokio::time::timeout(TIMEOUT, connector.call(request)).await;
    let response = response.map_err(|elapsed| CallFailed::other(OPERATION, &elapsed))?;
    let response = response.map_err(|error| CallFailed::other(OPERATION, &error))?;
    Ok(response.status().as_u16())
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
