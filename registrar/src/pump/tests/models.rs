//! Models of a queue and of a watch server, as unkind as the real ones.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{aws_call::CallFailed, clock};

use super::super::{
    batch::Message,
    functions::{Functions, InvokeError, Named},
    queue::Queue,
    response::Response,
};

#[derive(Debug)]
struct Stored {
    id: String,
    group: usize,
    receives: u32,
    visible_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Contents {
    messages: Vec<Stored>,
    deleted: Vec<String>,
    put: usize,
    /// How many groups a FIFO queue has.
    groups: Option<usize>,
    refuses: bool,
}

/// SQS: a receive hides a message for the visibility timeout, after which it is received again. In a FIFO queue a hidden
/// message hides those of its group that come after it.
#[derive(Debug, Clone)]
pub(super) struct MemoryQueue {
    contents: Rc<RefCell<Contents>>,
    visibility: Duration,
}

impl MemoryQueue {
    pub(super) fn new(visibility: Duration) -> Self {
        Self { contents: Rc::default(), visibility }
    }

    pub(super) fn fifo(visibility: Duration, groups: usize) -> Self {
        let queue = Self::new(visibility);
        queue.contents.borrow_mut().groups = Some(groups);
        queue
    }

    pub(super) fn put(&self, count: usize) {
        let mut contents = self.contents.borrow_mut();
        for _ in 0..count {
            let number = contents.put;
            let group = number % contents.groups.unwrap_or(1);
            contents.messages.push(Stored {
                id: number.to_string(),
                group,
                receives: 0,
                visible_at: None,
            });
            contents.put += 1;
        }
    }

    pub(super) fn refuse(&self, refuses: bool) {
        self.contents.borrow_mut().refuses = refuses;
    }

    /// The ids of what is not deleted.
    pub(super) fn left(&self) -> Vec<String> {
        self.contents.borrow().messages.iter().map(|message| message.id.clone()).collect()
    }

    pub(super) fn deleted(&self) -> Vec<String> {
        self.contents.borrow().deleted.clone()
    }

    pub(super) fn visible(&self) -> usize {
        let contents = self.contents.borrow();
        contents.messages.iter().filter(|message| is_visible(message)).count()
    }

    pub(super) fn receives(&self, id: &str) -> u32 {
        let contents = self.contents.borrow();
        contents
            .messages
            .iter()
            .find(|message| message.id == id)
            .map_or(0, |message| message.receives)
    }

    pub(super) fn is_in_order_of_groups(&self) -> bool {
        let contents = self.contents.borrow();
        let groups = contents.groups.unwrap_or(1);
        let numbers = contents.deleted.iter().map(|id| id.parse::<usize>().unwrap());
        let mut last = vec![None; groups];
        numbers.into_iter().all(|number| {
            let before = last[number % groups].replace(number);
            before.is_none_or(|before| before < number)
        })
    }

    fn call<T>(
        &self,
        what: &'static str,
        done: impl FnOnce(&mut Contents) -> T,
    ) -> Result<T, CallFailed> {
        let mut contents = self.contents.borrow_mut();
        if contents.refuses {
            return Err(CallFailed::other(what, &std::io::Error::other("refused")));
        }
        Ok(done(&mut contents))
    }

    fn take(&self, max: usize) -> Result<Vec<Message>, CallFailed> {
        let until = clock::instant() + self.visibility;
        self.call("receiving messages", |contents| {
            let (mut taken, mut blocked) = (Vec::new(), HashSet::new());
            for message in &mut contents.messages {
                if taken.len() == max {
                    break;
                }
                if !is_visible(message) {
                    blocked.insert(message.group);
                }
                if !is_visible(message)
                    || contents.groups.is_some() && blocked.contains(&message.group)
                {
                    continue;
                }
                message.receives += 1;
                message.visible_at = Some(until);
                taken.push(Message {
                    sqs_message_id: message.id.clone(),
                    receipt_handle: format!("{}/{}", message.id, message.receives),
                    receives: message.receives,
                    record: json!({
                        "messageId": message.id,
                        "attributes": {"ApproximateReceiveCount": message.receives.to_string()},
                    })
                    .to_string(),
                });
            }
            taken
        })
    }
}

fn is_visible(message: &Stored) -> bool {
    message.visible_at.is_none_or(|at| at <= clock::instant())
}

impl Queue for MemoryQueue {
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, CallFailed> {
        assert!((1..=10).contains(&max), "SQS refuses a receive of {max}");
        let until = clock::instant() + wait;
        loop {
            let taken = self.take(max)?;
            if !taken.is_empty() || clock::instant() >= until {
                return Ok(taken);
            }
            clock::pause(Duration::from_millis(100)).await;
        }
    }

    async fn delete(&self, messages: &[&Message]) -> Result<usize, CallFailed> {
        self.call("deleting messages", |contents| {
            for message in messages {
                contents.messages.retain(|stored| stored.id != message.sqs_message_id);
                if !contents.deleted.contains(&message.sqs_message_id) {
                    contents.deleted.push(message.sqs_message_id.clone());
                }
            }
            0
        })
    }

    /// Only the receipt handle of the last receive counts.
    async fn give_back(&self, messages: &[&Message]) -> Result<usize, CallFailed> {
        self.call("making messages visible", |contents| {
            for message in messages {
                let stored = contents.messages.iter_mut().find(|stored| {
                    format!("{}/{}", stored.id, stored.receives) == message.receipt_handle
                });
                if let Some(stored) = stored {
                    stored.visible_at = None;
                }
            }
            0
        })
    }
}

/// One record of an event.
#[derive(Debug)]
pub(super) struct Record(Value);

impl Record {
    pub(super) fn id(&self) -> &str {
        self.0["messageId"].as_str().unwrap()
    }

    pub(super) fn receives(&self) -> u32 {
        self.0["attributes"]["ApproximateReceiveCount"].as_str().unwrap().parse().unwrap()
    }
}

/// What the server does with an invocation.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    after: Duration,
    /// `None` for a response that never comes.
    response: Option<Result<Response, ()>>,
    failed: Vec<String>,
}

impl Reply {
    fn of(status: u16, body: &str, failed: Vec<String>) -> Self {
        let response = Some(Ok(Response { status, body: body.into() }));
        Self { after: Duration::ZERO, response, failed }
    }

    pub(super) fn failures<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let failed: Vec<String> = ids.map(ToOwned::to_owned).collect();
        let items: Vec<_> = failed.iter().map(|id| json!({"itemIdentifier": id})).collect();
        Self::of(200, &json!({"batchItemFailures": items}).to_string(), failed)
    }

    pub(super) fn text(body: &str) -> Self {
        Self::of(200, body, Vec::new())
    }

    pub(super) fn error(error_type: &str) -> Self {
        Self::of(
            500,
            &json!({"errorType": error_type, "errorMessage": "m"}).to_string(),
            Vec::new(),
        )
    }

    pub(super) fn none() -> Self {
        Self { after: Duration::ZERO, response: None, failed: Vec::new() }
    }

    pub(super) fn unreachable() -> Self {
        Self { after: Duration::ZERO, response: Some(Err(())), failed: Vec::new() }
    }

    pub(super) fn after(self, seconds: u64) -> Self {
        Self { after: Duration::from_secs(seconds), ..self }
    }
}

type Script = Box<dyn Fn(&[Record], usize) -> Reply>;

/// The server of `cargo lambda watch` with one function. An event without messages is not counted.
pub(super) struct MemoryServer {
    script: RefCell<Script>,
    batches: RefCell<Vec<Vec<String>>>,
    handled: RefCell<HashSet<String>>,
    at_once: Cell<usize>,
    max_at_once: Cell<usize>,
    is_away: Cell<bool>,
    has_function: Cell<bool>,
    build: Cell<Duration>,
}

impl Default for MemoryServer {
    fn default() -> Self {
        Self {
            script: RefCell::new(Box::new(|_, _| Reply::failures([].into_iter()))),
            batches: RefCell::default(),
            handled: RefCell::default(),
            at_once: Cell::default(),
            max_at_once: Cell::default(),
            is_away: Cell::default(),
            has_function: Cell::new(true),
            build: Cell::default(),
        }
    }
}

impl MemoryServer {
    /// The second argument of the script is the number of the batch.
    pub(super) fn reply(&self, script: impl Fn(&[Record], usize) -> Reply + 'static) {
        *self.script.borrow_mut() = Box::new(script);
    }

    pub(super) fn take_away(&self, away: bool) {
        self.is_away.set(away);
    }

    pub(super) fn remove_function(&self) {
        self.has_function.set(false);
    }

    /// The first response takes this long.
    pub(super) fn build_for(&self, time: Duration) {
        self.build.set(time);
    }

    pub(super) fn batches(&self) -> Vec<Vec<String>> {
        self.batches.borrow().clone()
    }

    /// The messages that the function has handled, whether or not the server said so.
    pub(super) fn handled(&self) -> HashSet<String> {
        self.handled.borrow().clone()
    }

    pub(super) fn max_at_once(&self) -> usize {
        self.max_at_once.get()
    }

    fn unreachable() -> InvokeError {
        InvokeError::Unreachable { url: "http://server".to_owned(), cause: "refused".to_owned() }
    }
}

/// Counts an invocation until it ends, or is abandoned.
struct InProgress<'a>(&'a Cell<usize>);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Functions for MemoryServer {
    async fn invoke(&self, function: &Named, event: Vec<u8>) -> Result<Response, InvokeError> {
        if self.is_away.get() {
            return Err(Self::unreachable());
        }
        if !self.has_function.get() {
            let Named { id, name } = function.clone();
            let (url, detail) = ("http://server".to_owned(), String::new());
            return Err(InvokeError::NoSuchFunction { url, function: name, id, detail });
        }
        let event: Value = serde_json::from_slice(&event).unwrap();
        let records: Vec<Record> =
            event["Records"].as_array().unwrap().iter().cloned().map(Record).collect();
        if records.is_empty() {
            clock::pause(self.build.take()).await;
            return Ok(Response { status: 200, body: br#"{"batchItemFailures":[]}"#.to_vec() });
        }
        self.at_once.set(self.at_once.get() + 1);
        self.max_at_once.set(self.max_at_once.get().max(self.at_once.get()));
        let in_progress = InProgress(&self.at_once);
        let number = self.batches.borrow().len();
        self.batches
            .borrow_mut()
            .push(records.iter().map(|record| record.id().to_owned()).collect());
        let reply = (self.script.borrow())(&records, number);
        clock::pause(reply.after).await;
        let ids = records.iter().map(|record| record.id().to_owned());
        self.handled.borrow_mut().extend(ids.filter(|id| !reply.failed.contains(id)));
        let response = match reply.response {
            Some(response) => response.map_err(|()| Self::unreachable()),
            None => std::future::pending().await,
        };
        drop(in_progress);
        response
    }
}
