//! Lambda's runtime API for one environment, and the event source behind it. While the queue has visible messages,
//! a worker that asks for the next invocation gets a batch at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{EnvironmentId, Queue, Receipt, Received, Sender, Table};
use crate::{
    http::{HttpRequest, HttpResponse},
    lock::locked,
};

pub(super) const PREFIX: &str = "/2018-06-01/runtime/";

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:email-worker";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:email-queue";

/// The configuration of the function and of its event source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// The maximum number of messages per batch.
    pub batch_size: usize,
    /// The time limit of an invocation. A response after it has no effect, and [`Runtime::overran`] reports it: Lambda
    /// would have ended the invocation.
    pub timeout: Duration,
    /// How long a slot is idle between two invocations.
    pub idle: Duration,
}

/// One environment's runtime API.
#[derive(Debug)]
pub struct Runtime {
    environment: EnvironmentId,
    function: Function,
    invocations: AtomicUsize,
    current: Mutex<Option<Invocation>>,
    overran: AtomicBool,
}

#[derive(Debug)]
struct Invocation {
    request_id: String,
    deadline: SystemTime,
    batch: Vec<Receipt>,
}

impl Runtime {
    /// The runtime API of an environment that has just been created.
    pub fn new(environment: EnvironmentId, function: Function) -> Self {
        Self {
            environment,
            function,
            invocations: AtomicUsize::new(0),
            current: Mutex::default(),
            overran: AtomicBool::new(false),
        }
    }

    /// Whether an invocation has lasted longer than the function's timeout.
    pub fn overran(&self) -> bool {
        self.overran.load(Ordering::Relaxed)
    }

    /// The sender of an email that is sent now.
    pub(super) fn sender(&self) -> Sender {
        let invocation = self.invocations.load(Ordering::Relaxed);
        Sender { environment: self.environment, invocation }
    }

    /// Does at once what AWS does some time after an environment has died: the claims of its invocation end, and the
    /// messages become visible again.
    pub fn abandon(&self, queue: &Queue, ledger: &Table) {
        let Some(invocation) = locked(&self.current).take() else { return };
        ledger.end_claims(&invocation.request_id);
        for receipt in &invocation.batch {
            queue.postpone(receipt, Duration::ZERO);
        }
    }

    pub(super) async fn respond(&self, queue: &Queue, request: &HttpRequest) -> HttpResponse {
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let parts: Vec<_> = path.split('/').collect();
        match (&request.method, parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next(queue).await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.settle(queue, id, &failures(&request.json()))
            }
            // The whole batch becomes visible again when its visibility timeout ends.
            (&Method::POST, ["invocation", _, "error"]) => {
                locked(&self.current).take();
                HttpResponse::json(StatusCode::ACCEPTED, &json!({}))
            }
            (&Method::POST, ["init", "error"]) => {
                HttpResponse::json(StatusCode::ACCEPTED, &json!({}))
            }
            _ => HttpResponse::not_implemented(&request.path),
        }
    }

    async fn next(&self, queue: &Queue) -> HttpResponse {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        if number > 0 && !self.function.idle.is_zero() {
            tokio::time::sleep(self.function.idle).await;
        }
        let batch = queue.receive(self.function.batch_size).await;
        let request_id = format!("00000000-0000-4000-{:04x}-{number:012x}", self.environment);
        let event = json!({"Records": batch.iter().map(record).collect::<Vec<_>>()});
        let batch = batch.into_iter().map(|message| message.receipt).collect();
        let deadline = SystemTime::now() + self.function.timeout;
        let deadline_ms = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let response = HttpResponse::ok(&event)
            .with_header("lambda-runtime-aws-request-id", &request_id)
            .with_header("lambda-runtime-deadline-ms", deadline_ms.as_millis())
            .with_header("lambda-runtime-invoked-function-arn", FUNCTION);
        *locked(&self.current) = Some(Invocation { request_id, deadline, batch });
        response
    }

    /// Deletes the messages that did not fail. If a failed message was not in the batch, deletes nothing.
    fn settle(&self, queue: &Queue, request_id: &str, failed: &[String]) -> HttpResponse {
        let mut current = locked(&self.current);
        let Some(invocation) = current.take_if(|current| current.request_id == request_id) else {
            return HttpResponse::json(
                StatusCode::BAD_REQUEST,
                &json!({"errorType": "InvalidRequestID"}),
            );
        };
        if SystemTime::now() > invocation.deadline {
            self.overran.store(true, Ordering::Relaxed);
            return HttpResponse::json(StatusCode::GONE, &json!({"errorType": "Timeout"}));
        }
        let (kept, done): (Vec<_>, Vec<_>) = invocation
            .batch
            .into_iter()
            .partition(|receipt| failed.contains(&receipt.sqs_message_id()));
        if kept.len() == failed.len() {
            for receipt in &done {
                queue.delete(receipt);
            }
        }
        HttpResponse::json(StatusCode::ACCEPTED, &json!({"status": "OK"}))
    }
}

fn failures(response: &Value) -> Vec<String> {
    let failures = response["batchItemFailures"].as_array().into_iter().flatten();
    failures.filter_map(|failure| Some(failure["itemIdentifier"].as_str()?.to_owned())).collect()
}

/// With the attributes of a message that Lambda hands on (Lambda Developer Guide, "Using Lambda with Amazon SQS"):
/// times are milliseconds since 1970, as text.
fn record(message: &Received) -> Value {
    let Received { receipt, body, sent_at, first_received_at } = message;
    json!({
        "messageId": receipt.sqs_message_id(),
        "receiptHandle": receipt.handle(),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": receipt.receive_count.to_string(),
            "SentTimestamp": milliseconds(*sent_at),
            "ApproximateFirstReceiveTimestamp": milliseconds(*first_received_at),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "us-east-1",
    })
}

fn milliseconds(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}
