//! Just enough of an HTTP/1.1 server: on loopback, a whole request in, a whole answer out.

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

/// A request, with the one header that any stand-in looks at.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// The path, without a query.
    pub path: String,
    /// `X-Amz-Target`: the operation, where the protocol is AWS JSON.
    pub target: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Answer {
    /// JSON, with that status.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// JSON, and all is well.
    pub fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// What no stand-in knows how to answer.
    pub fn not_known(what: &str) -> Self {
        let message = format!("no stand-in knows {what}");
        Self::json(StatusCode::NOT_IMPLEMENTED, &serde_json::json!({"message": message}))
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((HeaderName::from_static(name), value.to_string()));
        self
    }

    /// Whether it says that all is well.
    pub fn is_ok(&self) -> bool {
        self.status.is_success()
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A server on a port of its own, until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    /// Serves every request by `handle`. When a client goes away, the future that was to answer it
    /// is dropped.
    pub async fn start<H, F>(handle: H) -> io::Result<Self>
    where
        H: Fn(Question) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run(listener, stopped, handle));
        Ok(Self { address, stop, running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it: every connection is closed and every answer under way is dropped before this ends.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.running.await;
    }
}

async fn run<H, F>(listener: TcpListener, mut stopped: oneshot::Receiver<()>, handle: H)
where
    H: Fn(Question) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(converse(stream, handle.clone()));
            }
        }
    }
    connections.shutdown().await;
}

async fn converse<H, F>(stream: TcpStream, handle: H)
where
    H: Fn(Question) -> F,
    F: Future<Output = Answer>,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, &handle));
    // An error is a client that went away.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<H, F>(
    request: Request<Incoming>,
    handle: &H,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    H: Fn(Question) -> F,
    F: Future<Output = Answer>,
{
    let (head, body) = request.into_parts();
    let question = Question {
        method: head.method,
        path: head.uri.path().to_owned(),
        target: head
            .headers
            .get("x-amz-target")
            .and_then(|target| Some(target.to_str().ok()?.to_owned())),
        // A body that breaks off is no request: the client is gone, and so is its connection.
        body: body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
    };
    Ok(handle(question).await.into_response())
}
