//! One Stripe account: authentication, idempotency, faults, routes. The rest of the stand-in is what a
//! request does once it is executed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{
    cards::Card,
    disputes,
    errors::Problem,
    exchange::{Request, Response},
    faults::{Fault, Faults, Rule},
    intents,
    keys::{self, Keys},
    lists, methods,
    objects::{Charge, Intent},
    refunds,
    store::{Event, Store},
};
use crate::{secret::Secret, webhook};

/// How long a refund that a test card promises to change stays as it is.
const REFUND_SETTLES_AFTER: Duration = Duration::minutes(1);

/// A call that was received, for tests that look at what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `POST`.
    pub method: String,
    /// `/v1/…`.
    pub path: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// `None`: it got no response.
    pub status: Option<u16>,
    /// Whether its response was a replay.
    pub is_replay: bool,
}

/// A stand-in for one Stripe account, as a state machine: no sockets, no clock, no randomness but the
/// seed's.
#[derive(Debug, Clone)]
pub struct Account {
    store: Store,
    /// The mode of the account's own key.
    live: bool,
    api_keys: BTreeSet<String>,
    keys: Keys,
    faults: Faults,
    /// What happens later by itself.
    due: Vec<(OffsetDateTime, Due)>,
    calls: Vec<Call>,
    taken: usize,
}

#[derive(Debug, Clone)]
enum Due {
    /// The request arrives.
    Arrival(Request),
    /// The request, on which Stripe works already, takes effect in this mode.
    Effect(Request, bool),
    /// A refund changes, as its test card promises.
    Refund(String),
}

/// The counts of all intents with some metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Intents that were created.
    pub intents: u32,
    /// Confirmations that were executed, declined ones too.
    pub confirmations: u32,
    /// Charges that succeeded.
    pub charges: u32,
    /// Charges that succeeded and are not refunded in full: failed refunds give nothing back.
    pub kept: u32,
    /// Refunds that are not failed.
    pub refunds: u32,
}

impl Account {
    /// An account with this secret key, `sk_test_…` or `sk_live_…`.
    pub fn new(api_key: &str, now: OffsetDateTime) -> Self {
        Self {
            store: Store::new(now),
            live: is_live(api_key),
            api_keys: BTreeSet::from([api_key.to_owned()]),
            keys: Keys::default(),
            faults: Faults::default(),
            due: Vec::new(),
            calls: Vec::new(),
            taken: 0,
        }
    }

    /// One more key. A restricted one, `rk_…`, has no permission for anything.
    pub fn add_api_key(&mut self, key: &str) {
        self.api_keys.insert(key.to_owned());
    }

    /// The key is rolled: from now on it gets 401.
    pub fn revoke_api_key(&mut self, key: &str) {
        self.api_keys.remove(key);
    }

    /// Sets the clock. What was due meanwhile happens, in order.
    pub fn set_now(&mut self, now: OffsetDateTime) {
        while let Some(index) = self.next_due().filter(|index| self.due[*index].0 <= now) {
            let (at, due) = self.due.remove(index);
            self.store.now = at.max(self.store.now);
            match due {
                Due::Arrival(request) => drop(self.respond(None, &request)),
                Due::Effect(request, live) => drop(self.execute(None, &request, live)),
                Due::Refund(id) => refunds::change(&mut self.store, &id),
            }
        }
        self.store.now = now;
    }

    /// Moves the clock.
    pub fn advance(&mut self, by: Duration) {
        self.set_now(self.store.now + by);
    }

    /// The clock.
    pub fn now(&self) -> OffsetDateTime {
        self.store.now
    }

    /// Handles a request. `None`: the response never comes.
    pub fn handle(&mut self, request: &Request) -> Option<Response> {
        self.set_now(self.store.now);
        let metadata = self.metadata_of(request);
        let fault = self.faults.draw(request, &metadata);
        let response = self.under(fault, request);
        self.calls.push(Call {
            method: request.method.clone(),
            path: request.path.clone(),
            key: request.headers.get("idempotency-key").cloned(),
            status: response.as_ref().map(|response| response.status),
            is_replay: response.as_ref().is_some_and(Response::is_replay),
        });
        response
    }

    /// What the network and the servers before the API do.
    fn under(&mut self, fault: Option<Fault>, request: &Request) -> Option<Response> {
        let problem = match fault {
            Some(Fault::SilenceBefore) => return None,
            Some(Fault::Late(by)) => {
                self.due.push((self.store.now + by, Due::Arrival(request.clone())));
                return None;
            }
            Some(Fault::RateLimit) => Some(Problem::rate_limit()),
            Some(Fault::ErrorBefore(status)) if status != 500 => {
                Some(Problem::server_error(status))
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Some(self.stamp(request, problem.response()));
        }
        let response = self.respond(fault, request)?;
        let response = match fault {
            Some(Fault::SilenceAfter) => return None,
            Some(Fault::ErrorAfter(status)) if status != 500 => {
                Problem::server_error(status).response()
            }
            _ => response,
        };
        Some(self.stamp(request, response))
    }

    /// Authentication, then idempotency, then execution.
    fn respond(&mut self, fault: Option<Fault>, request: &Request) -> Option<Response> {
        let api_key = request.secret_key();
        let known = api_key.as_ref().filter(|key| self.api_keys.contains(*key));
        let Some(known) = known.filter(|_| fault != Some(Fault::Unauthorized)) else {
            return Some(Problem::unauthorized(api_key.as_deref()).response());
        };
        if known.starts_with("rk_") || fault == Some(Fault::Forbidden) {
            return Some(Problem::forbidden().response());
        }
        let live = is_live(known);
        // "All POST requests accept idempotency keys"; in others a key "has no effect".
        let key = request.headers.get("idempotency-key").filter(|_| request.method == "POST");
        if let Some(key) = key
            && let Some(known) = self.keys.find(live, key, request, self.store.now)
        {
            return Some(known);
        }
        if request.method == "POST" && self.is_locked(request) || fault == Some(Fault::LockTimeout)
        {
            return Some(Problem::lock_timeout().response());
        }
        if fault == Some(Fault::KeyInUse) {
            return Some(keys::in_use(key.map_or("", String::as_str)).response());
        }
        if let Some(key) = key {
            self.keys.begin(live, key, request, self.store.now);
        }
        if let Some(Fault::Slow(by)) = fault {
            self.due.push((self.store.now + by, Due::Effect(request.clone(), live)));
            return None;
        }
        Some(self.execute(fault, request, live))
    }

    /// Executes, and saves the response under the key: "the status code and body of the first request
    /// made with a given idempotency key after endpoint execution begins", 500s included.
    fn execute(&mut self, fault: Option<Fault>, request: &Request, live: bool) -> Response {
        let key = request.headers.get("idempotency-key").filter(|_| request.method == "POST");
        self.store.key = key.cloned();
        let result = match fault {
            Some(Fault::ErrorBefore(500)) => Err(Problem::server_error(500)),
            Some(Fault::DependencyFailed) => Err(Problem::dependency_failed()),
            _ => self.route(request, live),
        };
        self.store.key = None;
        let result = match (fault, result) {
            (Some(Fault::ErrorAfter(500)), Ok(_)) => Err(Problem::server_error(500)),
            (Some(Fault::ErrorAfter(500)), Err(problem)) if problem.executed => {
                Err(Problem::server_error(500))
            }
            (_, result) => result,
        };
        let is_saved = result.as_ref().err().is_none_or(|problem| problem.executed);
        let response = match result {
            Ok(body) => Response::new(200, &body),
            Err(problem) => problem.response(),
        };
        if let Some(key) = key {
            let saved = is_saved.then(|| (self.request_id(), response.clone()));
            self.keys.finish(live, key, saved);
        }
        response
    }

    fn route(&mut self, request: &Request, live: bool) -> Result<Value, Problem> {
        let store = &mut self.store;
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["v1", "payment_intents"]) => intents::create(store, request, live),
            ("GET", ["v1", "payment_intents"]) => lists::payment_intents(store, request, live),
            ("GET", ["v1", "payment_intents", id]) => {
                let intent = intents::retrieve(store, id, live)?;
                lists::expanded(store, request, intent)
            }
            ("POST", ["v1", "payment_intents", id, "confirm"]) => {
                intents::confirm(store, id, request.param("payment_method"), live)
            }
            ("POST", ["v1", "payment_intents", id, "cancel"]) => intents::cancel(store, id, live),
            ("POST", ["v1", "payment_methods"]) => methods::create(store, request, live),
            ("POST", ["v1", "refunds"]) => {
                let refund = refunds::create(store, request, live)?;
                let id = refund["id"].as_str().unwrap_or_default().to_owned();
                self.due.push((store.now + REFUND_SETTLES_AFTER, Due::Refund(id)));
                Ok(refund)
            }
            ("GET", ["v1", "refunds"]) => refunds::page(store, request, live),
            ("GET", ["v1", "refunds", id]) => refunds::retrieve(store, id, live),
            (method, _) => {
                let path = &request.path;
                let message = format!(
                    "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
                );
                Err(Problem::new(404, "invalid_request_error", message))
            }
        }
    }

    /// A card of this behaviour, in the mode of the account's own key. It may be used once.
    pub fn add_payment_method(&mut self, id: &str, card: Card) {
        methods::add(&mut self.store, id.to_owned(), self.live, card, "4242424242424242");
    }

    /// Injects a fault.
    pub fn inject(&mut self, rule: Rule) {
        self.faults.add(rule);
    }

    /// Lets calls that no rule is for fail at random: so many of a thousand, each with one of these.
    pub fn roll_dice(&mut self, seed: u64, per_mille: u16, faults: &[Fault]) {
        self.faults.roll(seed, per_mille, faults);
    }

    /// No more faults. Requests that are late or slow stay so.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The student completes or fails 3-D Secure. `false`: the intent does not wait for it.
    pub fn authenticate(&mut self, intent: &str, success: bool) -> bool {
        intents::authenticate(&mut self.store, intent, success)
    }

    /// The student pays on the screen with Stripe.js, which the client secret allows: the response, as
    /// for a confirmation without an idempotency key. `None`: no intent has this secret.
    pub fn confirm_on_screen(&mut self, client_secret: &str, method: &str) -> Option<Response> {
        let mut intents = self.store.intents.values();
        let intent = intents.find(|intent| intent.client_secret == client_secret)?;
        let (id, live) = (intent.id.clone(), intent.livemode);
        Some(match intents::confirm(&mut self.store, &id, Some(method), live) {
            Ok(body) => Response::new(200, &body),
            Err(problem) => problem.response(),
        })
    }

    /// An intent that is processing succeeds or fails. `false`: it is not processing.
    pub fn settle(&mut self, intent: &str, success: bool) -> bool {
        intents::settle(&mut self.store, intent, success)
    }

    /// A pending refund succeeds. `false`: it is not pending.
    pub fn settle_refund(&mut self, refund: &str) -> bool {
        refunds::settle(&mut self.store, refund)
    }

    /// A refund fails, even one that was reported as succeeded. `false`: it has failed before.
    pub fn fail_refund(&mut self, refund: &str, reason: &str) -> bool {
        refunds::fail(&mut self.store, refund, reason)
    }

    /// A person refunds the charge of an intent in Stripe's dashboard: a part of it, or what is left. `false`: there
    /// is nothing to refund.
    pub fn refund_in_dashboard(&mut self, intent: &str, part: Option<u64>) -> bool {
        let Some(live) = self.store.intents.get(intent).map(|intent| intent.livemode) else {
            return false;
        };
        let part = part.map(|part| part.to_string());
        let mut form = vec![("payment_intent", intent)];
        form.extend(part.as_deref().map(|part| ("amount", part)));
        let request = Request::post("/v1/refunds", &form);
        refunds::create(&mut self.store, &request, live).is_ok()
    }

    /// A student disputes the charge of an intent; returns the dispute's id. `None`: there is nothing to dispute.
    pub fn dispute(&mut self, intent: &str) -> Option<String> {
        disputes::open(&mut self.store, intent, None)
    }

    /// A student disputes a part of the charge.
    pub fn dispute_part(&mut self, intent: &str, part: u64) -> Option<String> {
        disputes::open(&mut self.store, intent, Some(part))
    }

    /// A dispute ends with this status: `won`, `lost` or `warning_closed`. `false`: it has ended before.
    pub fn close_dispute(&mut self, dispute: &str, status: &str) -> bool {
        disputes::close(&mut self.store, dispute, status)
    }

    /// Whether the bank has taken the charge of an intent back.
    pub fn is_charged_back(&self, intent: &str) -> bool {
        self.paid_charges(intent).any(|charge| disputes::is_lost(&self.store, &charge.id))
    }

    /// An intent is older by so many seconds. `false`: there is no such intent.
    pub fn backdate(&mut self, intent: &str, seconds: i64) -> bool {
        let found = self.store.intents.get_mut(intent);
        found.map(|intent| intent.created -= seconds).is_some()
    }

    /// The ids of intents with this metadata, oldest first.
    pub fn intents(&self, name: &str, value: &str) -> Vec<String> {
        self.about(name, value).map(|intent| intent.id.clone()).collect()
    }

    /// The ids of refunds of this intent, oldest first.
    pub fn refunds(&self, intent: &str) -> Vec<String> {
        let refunds = self.store.refunds.values().filter(|refund| refund.payment_intent == intent);
        refunds.map(|refund| refund.id.clone()).collect()
    }

    /// Counts over all intents with this metadata.
    pub fn counts(&self, name: &str, value: &str) -> Counts {
        let mut counts = Counts::default();
        for intent in self.about(name, value) {
            counts.intents += 1;
            counts.confirmations += intent.confirmations;
            for charge in self.paid_charges(&intent.id) {
                counts.charges += 1;
                let lost = disputes::is_lost(&self.store, &charge.id);
                counts.kept += u32::from(charge.amount_refunded < charge.amount && !lost);
            }
            let refunds = self.store.refunds.values();
            let refunds = refunds.filter(|r| r.payment_intent == intent.id && r.status != "failed");
            counts.refunds += u32::try_from(refunds.count()).unwrap_or(u32::MAX);
        }
        counts
    }

    /// How many charges succeeded by requests with this idempotency key.
    pub fn charges_of_key(&self, key: &str) -> usize {
        let charges = self.store.charges.values();
        charges.filter(|charge| charge.paid && charge.key.as_deref() == Some(key)).count()
    }

    /// Every call so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Every event so far.
    pub fn events(&self) -> &[Event] {
        &self.store.events
    }

    /// The events since this was last called.
    pub fn take_events(&mut self) -> Vec<Event> {
        let taken = std::mem::replace(&mut self.taken, self.store.events.len());
        self.store.events[taken..].to_vec()
    }

    /// An event destination is pinged.
    pub fn ping(&mut self) {
        self.store.emit_ping();
    }

    /// The `Stripe-Signature` of an event that is delivered now.
    pub fn sign(&self, event: &Event, secret: &Secret) -> String {
        webhook::sign(secret, event.body.as_bytes(), self.store.now)
    }

    fn about(&self, name: &str, value: &str) -> impl Iterator<Item = &Intent> {
        let intents = self.store.intents.values();
        intents.filter(move |intent| intent.metadata.get(name).is_some_and(|is| is == value))
    }

    fn paid_charges(&self, intent: &str) -> impl Iterator<Item = &Charge> {
        let charges = self.store.charges.values();
        charges.filter(move |charge| charge.paid && charge.payment_intent == intent)
    }

    /// The id of the intent that a request is about.
    fn subject(&self, request: &Request) -> Option<String> {
        match request.segments().as_slice() {
            ["v1", "payment_intents", id, ..] => Some((*id).to_owned()),
            ["v1", "refunds", id] => {
                self.store.refunds.get(*id).map(|refund| refund.payment_intent.clone())
            }
            _ => request.param("payment_intent").map(str::to_owned),
        }
    }

    /// The metadata that a request is about: its own, or its intent's.
    fn metadata_of(&self, request: &Request) -> BTreeMap<String, String> {
        let intent = self.subject(request).and_then(|id| self.store.intents.get(&id));
        intent.map_or_else(|| request.metadata(), |intent| intent.metadata.clone())
    }

    /// Whether Stripe works on another request for the same intent.
    fn is_locked(&self, request: &Request) -> bool {
        let intent = self.subject(request);
        let busy = self.due.iter().filter_map(|(_, due)| match due {
            Due::Effect(other, _) => self.subject(other),
            _ => None,
        });
        intent.is_some_and(|intent| busy.into_iter().any(|other| other == intent))
    }

    fn next_due(&self) -> Option<usize> {
        let due = self.due.iter().enumerate();
        due.min_by_key(|(_, (at, _))| *at).map(|(index, _)| index)
    }

    fn request_id(&mut self) -> String {
        self.store.id("req")
    }

    fn stamp(&mut self, request: &Request, mut response: Response) -> Response {
        response.headers.push(("Request-Id", self.request_id()));
        for name in ["Idempotency-Key", "Stripe-Version"] {
            if let Some(value) = request.headers.get(&name.to_lowercase()) {
                response.headers.push((name, value.clone()));
            }
        }
        response
    }
}

/// A key says which mode it is for (Stripe docs, "API keys").
fn is_live(api_key: &str) -> bool {
    api_key.contains("_live_")
}

#[cfg(test)]
mod tests;
