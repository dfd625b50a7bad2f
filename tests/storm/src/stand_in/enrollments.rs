//! DynamoDB and SQS as the enrollment path uses them: the table of enrollments with its index `resume`, a
//! course, an empty ledger, and the email queue for producers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use email::testing::sqs_refusal;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{
    expression::{self, Item, Scope, Unsupported},
    units::Units,
};
use crate::{
    http::{HttpRequest, HttpResponse, Server},
    lock::locked,
};

/// The names of the tables.
pub const ENROLLMENTS: &str = "enrollments";
/// The table of courses: it has every course, free unless it has a price.
pub const COURSES: &str = "courses";
/// The key of Stripe's API in [`STRIPE_SECRET`].
pub const STRIPE_KEY: &str = "sk_test_1";
const STRIPE_SECRET: &str = r#"{"api_key":"sk_test_1","webhook_secret":"whsec_1"}"#;

/// How long a call takes, before its effect.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// DynamoDB.
    pub dynamodb: Duration,
    /// SQS.
    pub sqs: Duration,
}

/// The services of the enrollment path.
#[derive(Debug)]
pub struct EnrollmentServices {
    latency: Latency,
    queue_is_down: AtomicBool,
    /// Every nth entry of a batched send fails; 0 for none.
    failing_entry: AtomicUsize,
    contents: Mutex<Contents>,
}

/// Student and course.
type Key = (String, String);

#[derive(Debug, Default)]
struct Contents {
    items: HashMap<Key, Item>,
    /// By shard: `resume_at` and the table's key.
    index: BTreeMap<i64, BTreeSet<(i64, Key)>>,
    /// The number of messages by job id.
    jobs: HashMap<String, usize>,
    entries: usize,
    calls: BTreeMap<String, usize>,
    units: Units,
    /// In cents, by course. Every other course is free.
    prices: HashMap<String, u32>,
}

impl EnrollmentServices {
    /// Services without enrollments.
    pub fn new(latency: Latency) -> Arc<Self> {
        Arc::new(Self {
            latency,
            queue_is_down: AtomicBool::new(false),
            failing_entry: AtomicUsize::new(0),
            contents: Mutex::default(),
        })
    }

    /// Serves both services on one address.
    pub async fn serve(self: &Arc<Self>) -> io::Result<Server> {
        let services = self.clone();
        Server::start(move |request| {
            let services = services.clone();
            async move { services.respond(request).await }
        })
        .await
    }

    /// Puts an active enrollment into the table whose email job was never enqueued.
    pub fn insert_unfinished(&self, n: usize, resume_at: i64) {
        let id = format!("01a21304-1630-7215-83f8-{n:012x}");
        let text = |text: &str| json!({"S": text});
        let item = json!({
            "id": text(&id), "student_id": text(&format!("s-{n}")), "email": text("ada@example.com"),
            "name": text("Ada Lovelace"), "course_id": text("rust-on-lambda"),
            "course_title": text("Rust on Lambda"), "state": text("active"),
            "created_at": text("2026-11-25T04:12:00Z"), "version": {"N": "0"},
            "resume_at": {"N": resume_at.to_string()}, "resume_shard": {"N": (n % 16).to_string()},
        });
        if let Value::Object(item) = item {
            self.contents().put(item);
        }
    }

    /// Whether the email queue responds with 500 to everything.
    pub fn take_queue_down(&self, down: bool) {
        self.queue_is_down.store(down, Ordering::Relaxed);
    }

    /// Has every nth entry of batched sends fail by itself.
    pub fn fail_every_entry(&self, nth: usize) {
        self.failing_entry.store(nth, Ordering::Relaxed);
    }

    /// The number of items in the index.
    pub fn unfinished(&self) -> usize {
        self.contents().index.values().map(BTreeSet::len).sum()
    }

    /// The number of different jobs on the queue, and of messages.
    pub fn jobs(&self) -> (usize, usize) {
        let contents = self.contents();
        (contents.jobs.len(), contents.jobs.values().sum())
    }

    /// The number of calls by operation since the last time.
    pub fn take_calls(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.contents().calls)
    }

    /// The request units that DynamoDB bills for the calls since the last time.
    pub fn take_units(&self) -> Units {
        std::mem::take(&mut self.contents().units)
    }

    /// From now on the course has a price.
    pub fn set_price(&self, course: &str, cents: u32) {
        self.contents().prices.insert(course.to_owned(), cents);
    }

    async fn respond(&self, request: HttpRequest) -> HttpResponse {
        let body = request.json();
        let target = request.target.as_deref().and_then(|target| target.split_once('.'));
        let Some((service, operation)) = target else {
            return HttpResponse::not_implemented(&request.path);
        };
        *self.contents().calls.entry(operation.to_owned()).or_default() += 1;
        match service {
            "DynamoDB_20120810" => {
                tokio::time::sleep(self.latency.dynamodb).await;
                self.contents()
                    .dynamodb(operation, &body)
                    .unwrap_or_else(|Unsupported(what)| HttpResponse::not_implemented(&what))
            }
            "AmazonSQS" => {
                tokio::time::sleep(self.latency.sqs).await;
                self.sqs(operation, &body)
            }
            "secretsmanager" => HttpResponse::ok(&json!({"SecretString": STRIPE_SECRET})),
            _ => HttpResponse::not_implemented(service),
        }
    }

    fn sqs(&self, operation: &str, request: &Value) -> HttpResponse {
        if self.queue_is_down.load(Ordering::Relaxed) {
            let error = json!({"__type": "com.amazonaws.sqs#InternalFailure"});
            return HttpResponse::json(StatusCode::INTERNAL_SERVER_ERROR, &error);
        }
        match operation {
            "SendMessage" => match self.contents().send(&request["MessageBody"]) {
                Ok(message_id) => HttpResponse::ok(&json!({"MessageId": message_id})),
                Err((code, message)) => refused(code, &message),
            },
            "SendMessageBatch" => self.send_batch(&request["Entries"]),
            // Without names of attributes.
            "GetQueueAttributes" => HttpResponse::ok(&json!({})),
            _ => HttpResponse::not_implemented(operation),
        }
    }

    /// As Amazon SQS API Reference, `SendMessageBatch`: the limits are of the call, failures of an entry.
    fn send_batch(&self, entries: &Value) -> HttpResponse {
        let entries = entries.as_array().cloned().unwrap_or_default();
        let ids: BTreeSet<_> = entries.iter().map(|entry| entry["Id"].to_string()).collect();
        let length = |entry: &Value| entry["MessageBody"].as_str().unwrap_or_default().len();
        let refusal = match entries.len() {
            0 => Some("EmptyBatchRequest"),
            11.. => Some("TooManyEntriesInBatchRequest"),
            count if ids.len() < count => Some("BatchEntryIdsNotDistinct"),
            _ if entries.iter().map(length).sum::<usize>() > 1_048_576 => {
                Some("BatchRequestTooLong")
            }
            _ => None,
        };
        if let Some(code) = refusal {
            return refused(code, "the batch is refused");
        }
        let nth = self.failing_entry.load(Ordering::Relaxed);
        let mut contents = self.contents();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            contents.entries += 1;
            let id = &entry["Id"];
            if nth > 0 && contents.entries.is_multiple_of(nth) {
                failed.push(json!({"Id": id, "Code": "InternalError", "SenderFault": false}));
                continue;
            }
            match contents.send(&entry["MessageBody"]) {
                Ok(message_id) => successful.push(json!({
                    "Id": id, "MessageId": message_id, "MD5OfMessageBody": "",
                })),
                Err((code, message)) => failed.push(json!({
                    "Id": id, "Code": code, "Message": message, "SenderFault": true,
                })),
            }
        }
        HttpResponse::ok(&json!({"Successful": successful, "Failed": failed}))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

fn refused(code: &str, message: &str) -> HttpResponse {
    let error = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
    HttpResponse::json(StatusCode::BAD_REQUEST, &error)
}

impl Contents {
    fn send(&mut self, body: &Value) -> Result<String, (&'static str, String)> {
        let body = body.as_str().unwrap_or_default();
        if let Some(refusal) = sqs_refusal(body, []) {
            return Err(refusal);
        }
        let job: Value = serde_json::from_str(body).unwrap_or_default();
        let id = job["id"].as_str().unwrap_or_default().to_owned();
        *self.jobs.entry(id).or_default() += 1;
        Ok("m".to_owned())
    }

    fn dynamodb(&mut self, operation: &str, request: &Value) -> Result<HttpResponse, Unsupported> {
        let table = request["TableName"].as_str().unwrap_or_default();
        match (table, operation) {
            (ENROLLMENTS, "Query") => Ok(self.query(request)),
            (ENROLLMENTS, "GetItem") => {
                let item = self.items.get(&key(&request["Key"])).cloned();
                Ok(self.found(request, item))
            }
            (ENROLLMENTS, "PutItem") => {
                let Value::Object(item) = request["Item"].clone() else {
                    return Err(Unsupported("an item that is not an object".to_owned()));
                };
                self.write(key(&request["Item"]), request, |_| Ok(item))
            }
            (ENROLLMENTS, "UpdateItem") => {
                let update = request["UpdateExpression"].as_str().unwrap_or_default();
                let key = key(&request["Key"]);
                self.write(key, request, |before| {
                    expression::updated(update, scope(request), before)
                })
            }
            (COURSES, "GetItem") => {
                let course = self.course(&request["Key"]["course_id"]);
                Ok(self.found(request, Some(course)))
            }
            // The ledger: no worker has received a job yet.
            (_, "GetItem") => Ok(self.found(request, None)),
            _ => Err(Unsupported(operation.to_owned())),
        }
    }

    fn course(&self, id: &Value) -> Item {
        let cents = id["S"].as_str().and_then(|id| self.prices.get(id)).copied().unwrap_or(0);
        let course = json!({
            "course_id": id, "title": {"S": "Rust on Lambda"}, "price": {"N": cents.to_string()},
            "currency": {"S": "USD"}, "state": {"S": "open"},
        });
        course.as_object().cloned().unwrap_or_default()
    }

    /// The response to a `GetItem`.
    fn found(&mut self, request: &Value, item: Option<Item>) -> HttpResponse {
        self.units.read(request, item.as_ref());
        HttpResponse::ok(&item.map_or(json!({}), |item| json!({"Item": item})))
    }

    fn write(
        &mut self,
        key: Key,
        request: &Value,
        change: impl FnOnce(&Item) -> Result<Item, Unsupported>,
    ) -> Result<HttpResponse, Unsupported> {
        let before = self.items.get(&key).cloned().unwrap_or_default();
        if let Some(condition) = request["ConditionExpression"].as_str()
            && !expression::holds(condition, scope(request), &before)?
        {
            // A write that is refused costs as much as one that is not.
            self.units.write(&before, &Item::new());
            let error = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                "message": "The conditional request failed", "Item": before,
            });
            return Ok(HttpResponse::json(StatusCode::BAD_REQUEST, &error));
        }
        let after = change(&before)?;
        self.units.write(&before, &after);
        self.units.move_entry(place(&before), place(&after));
        self.units.move_entry(roster_place(&before), roster_place(&after));
        self.put(after);
        Ok(HttpResponse::ok(&json!({})))
    }

    fn put(&mut self, item: Item) {
        let key = key(&Value::Object(item.clone()));
        if let Some((shard, at)) = self.items.get(&key).and_then(place)
            && let Some(shard) = self.index.get_mut(&shard)
        {
            shard.remove(&(at, key.clone()));
        }
        if let Some((shard, at)) = place(&item) {
            self.index.entry(shard).or_default().insert((at, key.clone()));
        }
        self.items.insert(key, item);
    }

    /// A page of the index, as its keys and the table's.
    fn query(&self, request: &Value) -> HttpResponse {
        let values = &request["ExpressionAttributeValues"];
        let shard = number(&values[":shard"]).unwrap_or_default();
        let until = number(&values[":until"]).unwrap_or(i64::MAX);
        let limit = request["Limit"].as_u64().unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let start = &request["ExclusiveStartKey"];
        let after = number(&start["resume_at"]).map(|at| (at, key(start)));
        let found = self.index.get(&shard).into_iter().flatten();
        let found = found.filter(|entry| after.as_ref().is_none_or(|after| *entry > after));
        let page: Vec<_> = found.take_while(|(at, _)| *at <= until).take(limit).collect();
        let shown = |(at, (student, course)): &(i64, Key)| {
            json!({
                "resume_shard": {"N": shard.to_string()}, "resume_at": {"N": at.to_string()},
                "student_id": {"S": student}, "course_id": {"S": course},
            })
        };
        let items: Vec<_> = page.iter().map(|entry| shown(entry)).collect();
        // DynamoDB gives a key whenever the limit is reached, even if nothing follows.
        let last = page.last().filter(|_| page.len() == limit).map(|entry| shown(entry));
        let mut response = json!({"Items": items, "Count": items.len()});
        if let Some(last) = last {
            response["LastEvaluatedKey"] = last;
        }
        HttpResponse::ok(&response)
    }
}

fn scope(request: &Value) -> Scope<'_> {
    Scope {
        names: &request["ExpressionAttributeNames"],
        values: &request["ExpressionAttributeValues"],
    }
}

fn key(item: &Value) -> Key {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    (text("student_id"), text("course_id"))
}

fn number(value: &Value) -> Option<i64> {
    value["N"].as_str()?.parse().ok()
}

/// Shard and `resume_at` of an item that is in the index.
fn place(item: &Item) -> Option<(i64, i64)> {
    Some((number(item.get("resume_shard")?)?, number(item.get("resume_at")?)?))
}

/// The keys of an item that is in the index `roster`.
fn roster_place(item: &Item) -> Option<(&Value, &Value)> {
    Some((item.get("roster_shard")?, item.get("roster_at")?))
}
