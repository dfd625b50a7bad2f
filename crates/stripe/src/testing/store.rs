//! What the account holds: objects of both modes, events, and the clock.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    errors::Problem,
    objects::{self, Charge, Dispute, Intent, PaymentMethod, Refund},
};

/// An event, delivered by the test that takes it: repeated, late and out of order, as
/// Stripe does (Stripe docs, "Receive Stripe events in your webhook endpoint").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`.
    pub id: String,
    /// Its type, such as `payment_intent.succeeded`.
    pub kind: String,
    /// The JSON that is signed and sent.
    pub body: String,
}

impl Event {
    /// The event as EventBridge delivers it from Stripe's partner event source of this name (Stripe, "Send events to Amazon
    /// EventBridge", event structure).
    ///
    /// # Panics
    ///
    /// If the body is not JSON, which Stripe's is.
    pub fn in_envelope(&self, source: &str) -> String {
        let detail: Value = serde_json::from_str(&self.body).expect("an event is JSON");
        json!({
            "version": "0", "id": "17e8dff5-d6cd-3770-ace9-aeac02b6ac3f", "detail-type": self.kind, "source": source,
            "account": "123456789012", "time": "2026-11-23T09:30:02Z", "region": "us-east-1", "resources": [],
            "detail": detail,
        })
        .to_string()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) now: OffsetDateTime,
    started: i64,
    count: u64,
    pub(super) intents: BTreeMap<String, Intent>,
    pub(super) charges: BTreeMap<String, Charge>,
    pub(super) refunds: BTreeMap<String, Refund>,
    pub(super) disputes: BTreeMap<String, Dispute>,
    pub(super) methods: BTreeMap<String, PaymentMethod>,
    pub(super) events: Vec<Event>,
    /// Of the request that is executed.
    pub(super) key: Option<String>,
}

impl Store {
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self {
            now,
            started: now.unix_timestamp(),
            count: 0,
            intents: BTreeMap::new(),
            charges: BTreeMap::new(),
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            methods: BTreeMap::new(),
            events: Vec::new(),
            key: None,
        }
    }

    /// A new id. Ids sort by age, and differ between stand-ins that started at different times.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}_3{:x}S{:08}", self.started, self.count)
    }

    pub(super) fn seconds(&self) -> i64 {
        self.now.unix_timestamp()
    }

    /// An intent of the path, for a key of that mode.
    pub(super) fn intent(&mut self, id: &str, live: bool) -> Result<&mut Intent, Problem> {
        let exists = self.intents.contains_key(id);
        let missing = Problem::missing(404, "payment_intent", id).or_other_mode(exists, live);
        self.intents.get_mut(id).filter(|intent| intent.livemode == live).ok_or(missing)
    }

    /// Records an event about this object as it is now (Stripe API reference, "Types of events").
    pub(super) fn emit(&mut self, kind: &str, live: bool, object: &Value) {
        let id = self.id("evt");
        let body = json!({
            "id": id,
            "object": "event",
            "api_version": "2025-08-27.basil",
            "created": self.seconds(),
            "data": {"object": object},
            "livemode": live,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": self.key},
            "type": kind,
        });
        self.events.push(Event { id, kind: kind.to_owned(), body: body.to_string() });
    }

    pub(super) fn emit_intent(&mut self, id: &str, what: &str) {
        let (live, object) = (self.intents[id].livemode, objects::json(&self.intents[id]));
        self.emit(&format!("payment_intent.{what}"), live, &object);
    }

    pub(super) fn emit_charge(&mut self, id: &str, what: &str) {
        let (live, object) = (self.charges[id].livemode, objects::json(&self.charges[id]));
        self.emit(&format!("charge.{what}"), live, &object);
    }

    /// A thin event, which has no object in it: the ping of an event destination (Stripe API v2
    /// reference, "`v2.core.event_destination.ping`").
    pub(super) fn emit_ping(&mut self) {
        let kind = "v2.core.event_destination.ping";
        let (id, destination) = (self.id("evt"), self.id("ed"));
        let url = format!("/v2/core/event_destinations/{destination}");
        let related = json!({"id": destination, "type": "v2.core.event_destination", "url": url});
        let body = json!({
            "id": id,
            "object": "v2.core.event",
            "created": self.now.to_string(),
            "livemode": false,
            "related_object": related,
            "type": kind,
        });
        self.events.push(Event { id, kind: kind.to_owned(), body: body.to_string() });
    }
}
