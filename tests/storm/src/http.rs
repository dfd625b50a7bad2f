//! A minimal HTTP/1.1 server on loopback. It reads a whole request and writes a whole response.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

/// In every response, as in those of AWS.
const REQUEST_ID: &str = "BJ6DAI1CH3M4R5OVPN1DS0GDMJVV4KQNSO5AEMVJF66Q9ASUAAJG";

/// A request, with the one header that a stand-in reads.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path, without a query.
    pub path: String,
    /// `X-Amz-Target`: the operation, if the protocol is AWS JSON.
    pub target: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl HttpRequest {
    /// The body, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl HttpResponse {
    /// JSON with this status.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// JSON with status 200.
    pub fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// Status 501, for a request that no stand-in implements.
    pub fn not_implemented(what: &str) -> Self {
        let message = format!("no stand-in implements {what}");
        Self::json(StatusCode::NOT_IMPLEMENTED, &serde_json::json!({"message": message}))
    }

    /// The same response with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((HeaderName::from_static(name), value.to_string()));
        self
    }

    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        self.status.is_success()
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let checksum = crc32fast::hash(self.body.as_bytes());
        let mut response = Response::new(Full::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
        headers.insert("x-amz-crc32", HeaderValue::from(checksum));
        headers.insert("x-amzn-requestid", HeaderValue::from_static(REQUEST_ID));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A server on a free port, until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    /// Handles every request by `handle`. If the client disconnects first, the future of `handle` is dropped.
    pub async fn start<H, F>(handle: H) -> io::Result<Self>
    where
        H: Fn(HttpRequest) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run(listener, stopped, handle));
        Ok(Self { address, stop, running })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and drops every response in progress, then returns.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.running.await;
    }
}

async fn run<H, F>(listener: TcpListener, mut stopped: oneshot::Receiver<()>, handle: H)
where
    H: Fn(HttpRequest) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve_connection(stream, handle.clone()));
            }
        }
    }
    connections.shutdown().await;
}

async fn serve_connection<H, F>(stream: TcpStream, handle: H)
where
    H: Fn(HttpRequest) -> F,
    F: Future<Output = HttpResponse>,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(request, &handle));
    // An error means that the client disconnected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond<H, F>(
    request: Request<Incoming>,
    handle: &H,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    H: Fn(HttpRequest) -> F,
    F: Future<Output = HttpResponse>,
{
    let (head, body) = request.into_parts();
    let request = HttpRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        target: head
            .headers
            .get("x-amz-target")
            .and_then(|target| Some(target.to_str().ok()?.to_owned())),
        // If the body is incomplete, the client has disconnected and does not read the response.
        body: body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
    };
    Ok(handle(request).await.into_response())
}
