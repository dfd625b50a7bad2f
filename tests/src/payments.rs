//! A stand-in for Stripe that honours idempotency keys and counts charges. The payment method says what
//! it does: `pm_ok` pays, `pm_declined` is declined, `pm_action` asks the student, and the others stop
//! halfway, so that a journey can kill who waits for the answer.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, LazyLock, Mutex, MutexGuard},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{Answer, World, processes};

/// Pays.
pub const OK: &str = "pm_ok";
/// Is declined.
pub const DECLINED: &str = "pm_declined";
/// Asks the student.
pub const ACTION: &str = "pm_action";
/// Is confirmed, and nobody ever hears of it.
pub const CHARGED_AND_SILENT: &str = "pm_silent_after";
/// Is not confirmed, and nobody ever hears of it.
pub const SILENT: &str = "pm_silent_before";
/// Stripe is down.
pub const DOWN: &str = "pm_down";

static STRIPE: LazyLock<Mutex<Option<Stripe>>> = LazyLock::new(Mutex::default);

/// The stand-in: one for all journeys, at the address that the functions were deployed with.
#[derive(Clone, Default)]
pub struct Stripe(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    intents: HashMap<String, Value>,
    answers: HashMap<String, (u16, Value)>,
    confirmations: HashMap<String, u32>,
    refunds: HashMap<String, u32>,
}

struct Call {
    method: String,
    path: String,
    key: Option<String>,
    form: HashMap<String, String>,
}

impl Stripe {
    /// Starts it, unless it runs.
    pub fn at(world: &World) -> Self {
        let mut running = STRIPE.lock().expect("no journey panics here");
        running
            .get_or_insert_with(|| {
                let url = &world.stack.function_environment["STRIPE_API_URL"];
                let address = url.trim_start_matches("http://");
                let listener = TcpListener::bind(address).expect("Stripe's address is free");
                let stripe = Self::default();
                let serving = stripe.clone();
                thread::spawn(move || {
                    for connection in listener.incoming().flatten() {
                        let serving = serving.clone();
                        thread::spawn(move || serving.serve(connection));
                    }
                });
                stripe
            })
            .clone()
    }

    /// How many times this student was charged and not paid back.
    pub fn charges(&self, student_id: &str) -> usize {
        let state = self.state();
        let kept = |intent: &&Value| {
            let id = intent["id"].as_str().unwrap_or_default();
            intent["status"] == "succeeded" && !state.refunds.contains_key(id)
        };
        state.of(student_id).filter(kept).count()
    }

    /// How many refunds were made to this student.
    pub fn refunds(&self, student_id: &str) -> u32 {
        let state = self.state();
        let ids = state.of(student_id).filter_map(|intent| intent["id"].as_str());
        ids.filter_map(|id| state.refunds.get(id)).sum()
    }

    /// How many confirmations this student's intents have had.
    pub fn confirmations(&self, student_id: &str) -> u32 {
        let state = self.state();
        let ids = state.of(student_id).filter_map(|intent| intent["id"].as_str());
        ids.filter_map(|id| state.confirmations.get(id)).sum()
    }

    /// The student does what the bank asks: the intent, as Stripe tells of it then.
    pub fn student_acts(&self, student_id: &str) -> Value {
        let mut state = self.state();
        let intent = state
            .intents
            .values_mut()
            .find(|i| i["metadata"]["student_id"] == student_id && i["status"] == "requires_action")
            .expect("an intent waits for the student");
        intent["status"] = json!("succeeded");
        intent.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the stand-in does not panic")
    }

    fn serve(&self, connection: TcpStream) {
        let Ok(mut writer) = connection.try_clone() else { return };
        let mut reader = BufReader::new(connection);
        while let Some(call) = read(&mut reader) {
            let (replayed, (status, body)) = self.answer(&call);
            let replayed = if replayed { "idempotent-replayed: true\r\n" } else { "" };
            let body = body.to_string();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{replayed}");
            if status == 0 {
                // Silence, for longer than anybody waits.
                thread::sleep(Duration::from_mins(1));
                return;
            }
            if write!(writer, "{head}\r\n{body}").is_err() {
                return;
            }
        }
    }

    /// Whether it is an answer given before, and the answer.
    fn answer(&self, call: &Call) -> (bool, (u16, Value)) {
        let mut state = self.state();
        if let Some(known) = call.key.as_ref().and_then(|key| state.answers.get(key)) {
            return (true, known.clone());
        }
        let answer = state.act(call);
        if let Some(key) = call.key.clone().filter(|_| (200..500).contains(&answer.0)) {
            state.answers.insert(key, answer.clone());
        }
        (false, answer)
    }
}

impl State {
    fn of(&self, student_id: &str) -> impl Iterator<Item = &Value> {
        self.intents.values().filter(move |i| i["metadata"]["student_id"] == student_id)
    }

    fn act(&mut self, call: &Call) -> (u16, Value) {
        let segments: Vec<&str> = call.path.trim_start_matches("/v1/").split('/').collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("POST", ["payment_intents"]) => self.create(&call.form),
            ("GET", ["payment_intents", id]) => (200, self.intents[*id].clone()),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm(id),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel(id),
            ("POST", ["refunds"]) => {
                *self.refunds.entry(call.form["payment_intent"].clone()).or_default() += 1;
                (200, json!({"status": "succeeded"}))
            }
            _ => (404, json!({"error": {"code": "no_such_route"}})),
        }
    }

    fn create(&mut self, form: &HashMap<String, String>) -> (u16, Value) {
        let method = &form["payment_method"];
        if method == DOWN {
            return (503, json!({"error": {"code": "down"}}));
        }
        let id = format!("pi_{}", self.intents.len() + 1);
        let metadata = |field: &str| form[&format!("metadata[{field}]")].clone();
        let intent = json!({
            "id": id,
            "status": "requires_confirmation",
            "amount": form["amount"],
            "payment_method": method,
            "client_secret": format!("{id}_secret"),
            "last_payment_error": null,
            "metadata": {
                "enrollment_id": metadata("enrollment_id"),
                "student_id": metadata("student_id"),
                "course_id": metadata("course_id"),
                "attempt": metadata("attempt"),
            },
        });
        self.intents.insert(id, intent.clone());
        (200, intent)
    }

    fn confirm(&mut self, id: &str) -> (u16, Value) {
        let Some(intent) = self.intents.get_mut(id) else { return (404, Value::Null) };
        if intent["status"] != "requires_confirmation" {
            return (400, json!({"error": {"code": "payment_intent_unexpected_state"}}));
        }
        *self.confirmations.entry(id.to_owned()).or_default() += 1;
        match intent["payment_method"].as_str().unwrap_or_default() {
            DECLINED => {
                let error = json!({
                    "code": "card_declined", "decline_code": "insufficient_funds",
                    "message": "Your card has insufficient funds.",
                });
                intent["status"] = json!("requires_payment_method");
                intent["last_payment_error"] = error.clone();
                (402, json!({"error": error}))
            }
            ACTION => {
                intent["status"] = json!("requires_action");
                (200, intent.clone())
            }
            SILENT => (0, Value::Null),
            CHARGED_AND_SILENT => {
                intent["status"] = json!("succeeded");
                (0, Value::Null)
            }
            _ => {
                intent["status"] = json!("succeeded");
                (200, intent.clone())
            }
        }
    }

    fn cancel(&mut self, id: &str) -> (u16, Value) {
        let Some(intent) = self.intents.get_mut(id) else { return (404, Value::Null) };
        if intent["status"] == "succeeded" {
            return (400, json!({"error": {"code": "payment_intent_unexpected_state"}}));
        }
        intent["status"] = json!("canceled");
        (200, intent.clone())
    }
}

fn read(reader: &mut impl BufRead) -> Option<Call> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let form = serde_urlencoded::from_bytes(&body).ok()?;
    Some(Call { method, path, key: headers.remove("idempotency-key"), form })
}

/// Tells the stack's webhook of a payment, signed with this secret.
pub async fn tell(world: &World, intent: &Value, secret: &str) -> Answer {
    let event = json!({
        "type": format!("payment_intent.{}", intent["status"].as_str().unwrap_or_default()),
        "data": {"object": intent},
    })
    .to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(format!("{now}.{event}").as_bytes());
    let header = format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()));
    world.call_with("POST", "/webhooks/stripe", ("stripe-signature", &header), event).await
}

/// Kills the function's processes, as an environment that dies would.
pub fn kill(function: &str) {
    let killed = processes::of(function).into_iter().filter_map(processes::kill).count();
    assert!(killed > 0, "no process of {function} runs");
}
