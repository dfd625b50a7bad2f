//! A stand-in for Stripe that honours idempotency keys and counts charges. The payment method decides what happens.
//! With some methods there is never a response, so that a journey can kill the function that waits for it.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, LazyLock, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::DeployedStack;

/// The payment succeeds.
pub const PAYS: &str = "pm_ok";
/// The card is declined.
pub const DECLINED: &str = "pm_declined";
/// The student must act first.
pub const REQUIRES_ACTION: &str = "pm_action";
/// The student is charged, and there is no response.
pub const CHARGES_WITHOUT_RESPONSE: &str = "pm_silent_after";
/// The student is not charged, and there is no response.
pub const NO_RESPONSE: &str = "pm_silent_before";
/// Stripe is down.
pub const DOWN: &str = "pm_down";

static STRIPE: LazyLock<Mutex<Option<StripeStandIn>>> = LazyLock::new(Mutex::default);

/// The stand-in. All journeys share one, at the address that the functions were deployed with.
#[derive(Clone, Default)]
pub struct StripeStandIn(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    intents: HashMap<String, Value>,
    responses: HashMap<String, (u16, Value)>,
    confirmations: HashMap<String, u32>,
    refunds: HashMap<String, u32>,
}

struct Request {
    method: String,
    path: String,
    key: Option<String>,
    form: HashMap<String, String>,
}

impl StripeStandIn {
    /// The stand-in of the stack. Starts it, unless another journey has.
    pub fn of(stack: &DeployedStack) -> Self {
        let mut running = STRIPE.lock().expect("nothing panics while it has the lock");
        running
            .get_or_insert_with(|| {
                let url = &stack.description.function_environment["STRIPE_API_URL"];
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

    /// The number of charges to a student that were not refunded.
    pub fn charges(&self, student_id: &str) -> usize {
        let state = self.state();
        let kept = |intent: &&Value| {
            let id = intent["id"].as_str().unwrap_or_default();
            intent["status"] == "succeeded" && !state.refunds.contains_key(id)
        };
        state.of(student_id).filter(kept).count()
    }

    /// The number of refunds to a student.
    pub fn refunds(&self, student_id: &str) -> u32 {
        let state = self.state();
        let ids = state.of(student_id).filter_map(|intent| intent["id"].as_str());
        ids.filter_map(|id| state.refunds.get(id)).sum()
    }

    /// The number of confirmations of a student's payment intents.
    pub fn confirmations(&self, student_id: &str) -> u32 {
        let state = self.state();
        let ids = state.of(student_id).filter_map(|intent| intent["id"].as_str());
        ids.filter_map(|id| state.confirmations.get(id)).sum()
    }

    /// Completes the action that the student's bank requires, and returns the payment intent after it.
    pub fn complete_action(&self, student_id: &str) -> Value {
        let mut state = self.state();
        let intent = state
            .intents
            .values_mut()
            .find(|i| i["metadata"]["student_id"] == student_id && i["status"] == "requires_action")
            .expect("a payment intent requires the student's action");
        intent["status"] = json!("succeeded");
        intent.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the stand-in does not panic")
    }

    fn serve(&self, connection: TcpStream) {
        let Ok(mut writer) = connection.try_clone() else { return };
        let mut reader = BufReader::new(connection);
        while let Some(request) = read(&mut reader) {
            let (replayed, (status, body)) = self.respond(&request);
            let replayed = if replayed { "idempotent-replayed: true\r\n" } else { "" };
            let body = body.to_string();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{replayed}");
            if status == 0 {
                // Longer than any client waits.
                thread::sleep(Duration::from_mins(1));
                return;
            }
            if write!(writer, "{head}\r\n{body}").is_err() {
                return;
            }
        }
    }

    /// Whether the response is replayed for its idempotency key, and the response.
    fn respond(&self, request: &Request) -> (bool, (u16, Value)) {
        let mut state = self.state();
        if let Some(known) = request.key.as_ref().and_then(|key| state.responses.get(key)) {
            return (true, known.clone());
        }
        let response = state.respond(request);
        if let Some(key) = request.key.clone().filter(|_| (200..500).contains(&response.0)) {
            state.responses.insert(key, response.clone());
        }
        (false, response)
    }
}

impl State {
    fn of(&self, student_id: &str) -> impl Iterator<Item = &Value> {
        self.intents.values().filter(move |i| i["metadata"]["student_id"] == student_id)
    }

    fn respond(&mut self, request: &Request) -> (u16, Value) {
        let segments: Vec<&str> = request.path.trim_start_matches("/v1/").split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["payment_intents"]) => self.create(&request.form),
            ("GET", ["payment_intents", id]) => (200, self.intents[*id].clone()),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm(id),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel(id),
            ("POST", ["refunds"]) => {
                *self.refunds.entry(request.form["payment_intent"].clone()).or_default() += 1;
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
            REQUIRES_ACTION => {
                intent["status"] = json!("requires_action");
                (200, intent.clone())
            }
            NO_RESPONSE => (0, Value::Null),
            CHARGES_WITHOUT_RESPONSE => {
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

fn read(reader: &mut impl BufRead) -> Option<Request> {
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
    Some(Request { method, path, key: headers.remove("idempotency-key"), form })
}
