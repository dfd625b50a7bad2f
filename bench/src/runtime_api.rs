//! Lambda's runtime API for one environment (Lambda Developer Guide, "Using the Lambda runtime API for custom
//! runtimes"). The test or measurement decides when an event is there.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use storm::http::{HttpRequest, HttpResponse, Server};
use tokio::sync::{Mutex, mpsc};

const PREFIX: &str = "/2018-06-01/runtime/";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:measured";

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long anything may take: callgrind is slow.
const PATIENCE: Duration = Duration::from_mins(3);

#[derive(Debug)]
enum Call {
    Next,
    Response(Value),
    Failure(Value),
}

impl Call {
    fn unexpected(self, expected: &str) -> Box<dyn Error> {
        let call = match self {
            Self::Next => "a request for an event".to_owned(),
            Self::Response(body) => format!("the response {body}"),
            Self::Failure(error) => format!("the error {error}"),
        };
        format!("the function sent {call} instead of {expected}").into()
    }
}

/// The runtime API of one environment.
#[derive(Debug)]
pub struct RuntimeApi {
    server: Server,
    events: mpsc::UnboundedSender<Value>,
    calls: mpsc::UnboundedReceiver<(Instant, Call)>,
}

/// The end of an invocation.
#[derive(Debug)]
pub struct Response {
    /// The function's response.
    pub body: Value,
    /// From the event until the whole response was there.
    pub duration: Duration,
}

impl RuntimeApi {
    /// Serves it on a free port.
    pub async fn start() -> io::Result<Self> {
        let (events, queue) = mpsc::unbounded_channel();
        let (report, calls) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let server = Server::start(move |request| {
            let (queue, report) = (queue.clone(), report.clone());
            async move { respond(&request, &queue, &report).await }
        })
        .await?;
        Ok(Self { server, events, calls })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits until the function asks for an event: then its initialisation is over, or an invocation.
    pub async fn ready(&mut self) -> Result<Instant, Box<dyn Error>> {
        match self.call().await? {
            (at, Call::Next) => Ok(at),
            (_, other) => Err(other.unexpected("a request for an event")),
        }
    }

    /// Hands over an event, and waits for the response. The function is ready.
    pub async fn invoke(&mut self, event: &Value) -> Result<Response, Box<dyn Error>> {
        let began = Instant::now();
        self.events.send(event.clone())?;
        match self.call().await? {
            (at, Call::Response(body)) => Ok(Response { body, duration: at - began }),
            (_, other) => Err(other.unexpected("a response")),
        }
    }

    async fn call(&mut self) -> Result<(Instant, Call), Box<dyn Error>> {
        let call = tokio::time::timeout(PATIENCE, self.calls.recv()).await;
        call.map_err(|_| "the function is silent")?.ok_or_else(|| "the server has ended".into())
    }
}

async fn respond(
    request: &HttpRequest,
    queue: &Mutex<mpsc::UnboundedReceiver<Value>>,
    report: &mpsc::UnboundedSender<(Instant, Call)>,
) -> HttpResponse {
    let accepted = || HttpResponse::json(StatusCode::ACCEPTED, &json!({"status": "OK"}));
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<_> = path.split('/').collect();
    // The receiver is gone when the session is over.
    let report = |call| drop(report.send((Instant::now(), call)));
    match (&request.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => {
            report(Call::Next);
            match queue.lock().await.recv().await {
                Some(event) => next(&event),
                None => std::future::pending().await,
            }
        }
        (&Method::POST, ["invocation", _, "response"]) => {
            report(Call::Response(request.json()));
            accepted()
        }
        (&Method::POST, ["invocation", _, "error"] | ["init", "error"]) => {
            report(Call::Failure(request.json()));
            accepted()
        }
        _ => HttpResponse::not_implemented(&request.path),
    }
}

fn next(event: &Value) -> HttpResponse {
    let deadline = SystemTime::now() + TIMEOUT;
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    HttpResponse::ok(event)
        .with_header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .with_header("lambda-runtime-deadline-ms", deadline.as_millis())
        .with_header("lambda-runtime-invoked-function-arn", FUNCTION)
        .with_header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        )
}
