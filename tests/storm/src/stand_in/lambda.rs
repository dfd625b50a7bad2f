//! Lambda's runtime API for one environment, with the event source behind it: while there are
//! messages, the next batch is there as soon as it is asked for.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Body, EnvironmentId, Queue, Receipt, Sender, World, parse};
use crate::{
    http::{Answer, Question},
    locked,
};

pub(super) const PREFIX: &str = "/2018-06-01/runtime/";

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:email-worker";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:email-queue";

/// What the event source and the function are deployed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Messages in a batch, at most.
    pub batch_size: usize,
    /// How long an invocation may last. Nothing here enforces it.
    pub timeout: Duration,
    /// How long a slot stands idle between two invocations.
    pub gap: Duration,
}

/// One environment's runtime API.
#[derive(Debug)]
pub struct Runtime {
    environment: EnvironmentId,
    function: Function,
    invocations: AtomicUsize,
    current: Mutex<Option<Invocation>>,
}

#[derive(Debug)]
struct Invocation {
    request_id: String,
    batch: Vec<Receipt>,
}

impl Runtime {
    /// Of an environment that has just been created.
    pub fn new(environment: EnvironmentId, function: Function) -> Self {
        Self { environment, function, invocations: AtomicUsize::new(0), current: Mutex::default() }
    }

    /// Who sends what is sent now.
    pub(super) fn sender(&self) -> Sender {
        let invocation = self.invocations.load(Ordering::Relaxed);
        Sender { environment: self.environment, invocation }
    }

    /// What follows on AWS when an environment has died in the middle of an invocation, only much
    /// sooner: its claims end and its messages are visible again.
    pub fn abandon(&self, world: &World) {
        let Some(invocation) = locked(&self.current).take() else { return };
        world.ledger.end_claims(&invocation.request_id);
        for receipt in &invocation.batch {
            world.queue.postpone(receipt, Duration::ZERO);
        }
    }

    pub(super) async fn answer(&self, queue: &Queue, question: &Question) -> Answer {
        let path = question.path.strip_prefix(PREFIX).unwrap_or_default();
        let parts: Vec<_> = path.split('/').collect();
        match (&question.method, parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next(queue).await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.settle(queue, id, &failures(&parse(question)))
            }
            // The whole batch comes back when its visibility timeout ends.
            (&Method::POST, ["invocation", _, "error"]) => {
                locked(&self.current).take();
                Answer::json(StatusCode::ACCEPTED, &json!({}))
            }
            (&Method::POST, ["init", "error"]) => Answer::json(StatusCode::ACCEPTED, &json!({})),
            _ => Answer::not_known(&question.path),
        }
    }

    async fn next(&self, queue: &Queue) -> Answer {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        if number > 0 && !self.function.gap.is_zero() {
            tokio::time::sleep(self.function.gap).await;
        }
        let batch = queue.receive(self.function.batch_size).await;
        let request_id = format!("00000000-0000-4000-{:04x}-{number:012x}", self.environment);
        let event = json!({"Records": batch.iter().map(record).collect::<Vec<_>>()});
        let batch = batch.into_iter().map(|(receipt, _)| receipt).collect();
        let deadline = SystemTime::now() + self.function.timeout;
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let answer = Answer::ok(&event)
            .with("lambda-runtime-aws-request-id", &request_id)
            .with("lambda-runtime-deadline-ms", deadline.as_millis())
            .with("lambda-runtime-invoked-function-arn", FUNCTION);
        *locked(&self.current) = Some(Invocation { request_id, batch });
        answer
    }

    /// Deletes all but the failed; nothing, if one of those was never in the batch.
    fn settle(&self, queue: &Queue, request_id: &str, failed: &[String]) -> Answer {
        let mut current = locked(&self.current);
        let Some(invocation) = current.take_if(|current| current.request_id == request_id) else {
            return Answer::json(
                StatusCode::BAD_REQUEST,
                &json!({"errorType": "InvalidRequestID"}),
            );
        };
        let (kept, done): (Vec<_>, Vec<_>) = invocation
            .batch
            .into_iter()
            .partition(|receipt| failed.contains(&receipt.message_id()));
        if kept.len() == failed.len() {
            for receipt in &done {
                queue.delete(receipt);
            }
        }
        Answer::json(StatusCode::ACCEPTED, &json!({"status": "OK"}))
    }
}

fn failures(response: &Value) -> Vec<String> {
    let failures = response["batchItemFailures"].as_array().into_iter().flatten();
    failures.filter_map(|failure| Some(failure["itemIdentifier"].as_str()?.to_owned())).collect()
}

fn record((receipt, body): &(Receipt, Body)) -> Value {
    json!({
        "messageId": receipt.message_id(),
        "receiptHandle": receipt.handle(),
        "body": body,
        "attributes": {"ApproximateReceiveCount": receipt.receives.to_string()},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "us-east-1",
    })
}
