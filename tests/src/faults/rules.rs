//! Rules: which requests meet which fault, before or after the real call.

use std::{mem, time::Duration};

use fastrand::Rng;
use http::Method;
use serde_json::{Value, json};

use super::{
    Faults,
    record::Exchange,
    request::{Request, Service},
};

/// What happens to a request or to its response.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// A delay. Nothing else changes.
    Delay(Duration),
    /// No response. The connection stays open until the client closes it.
    Silence,
    /// The connection is closed: before the real call without a response, after it in the middle of the response.
    Cut,
    /// Another response.
    Respond(Falsified),
    /// Status 200 and a meaningless body.
    Garbage,
}

/// A response that the service did not give.
#[derive(Debug, Clone)]
pub(super) struct Falsified {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) body: Value,
}

/// Whether the real call has happened when a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// The builder of a rule. By default the rule applies to all requests to the operation, before the real call. The
/// method that names the fault comes last and puts the rule in force.
#[derive(Debug)]
#[must_use = "a rule is in force only after a call that names its fault"]
pub struct NewRule<'a> {
    faults: &'a Faults,
    rule: InForce,
}

#[derive(Debug)]
enum Which {
    Operation(String),
    Path { method: Method, prefix: String },
}

#[derive(Debug)]
pub(super) struct InForce {
    id: u64,
    service: Service,
    which: Which,
    mention: String,
    first: u64,
    last: u64,
    share: f64,
    random: Rng,
    when: When,
    fault: Fault,
    /// The number of requests so far that match, including those outside of `first..=last` or of the share.
    matched: u64,
}

impl<'a> NewRule<'a> {
    pub(super) fn for_operation(faults: &'a Faults, service: Service, operation: &str) -> Self {
        Self::new(faults, service, Which::Operation(operation.to_owned()))
    }

    pub(super) fn for_path(
        faults: &'a Faults,
        service: Service,
        method: Method,
        prefix: &str,
    ) -> Self {
        Self::new(faults, service, Which::Path { method, prefix: prefix.to_owned() })
    }

    fn new(faults: &'a Faults, service: Service, which: Which) -> Self {
        let rule = InForce {
            id: 0,
            service,
            which,
            mention: String::new(),
            first: 1,
            last: u64::MAX,
            share: 1.0,
            random: Rng::with_seed(0),
            when: When::Before,
            fault: Fault::Silence,
            matched: 0,
        };
        Self { faults, rule }
    }

    /// Only requests whose path or body contains this text.
    pub fn mentioning(mut self, text: &str) -> Self {
        text.clone_into(&mut self.rule.mention);
        self
    }

    /// Only from the n-th matching request on, counted from 1.
    pub fn from(mut self, n: u64) -> Self {
        self.rule.first = n;
        self
    }

    /// Only up to the n-th matching request, counted from 1.
    pub fn up_to(mut self, n: u64) -> Self {
        self.rule.last = n;
        self
    }

    /// Only a random share of the requests, from 0 to 1. The seed decides the draws.
    pub fn share(mut self, share: f64, seed: u64) -> Self {
        self.rule.share = share;
        self.rule.random = Rng::with_seed(seed);
        self
    }

    /// After the real call: the service has carried out the request, and the response is late, lost or falsified.
    pub fn after(mut self) -> Self {
        self.rule.when = When::After;
        self
    }

    /// Delays the requests by this much. Other rules still apply to them.
    pub fn delay(self, by: Duration) -> Rule {
        self.put(Fault::Delay(by))
    }

    /// Gives no response. The connection stays open until the client closes it.
    pub fn silence(self) -> Rule {
        self.put(Fault::Silence)
    }

    /// Closes the connection: before the real call without a response, after it in the middle of the response.
    pub fn cut(self) -> Rule {
        self.put(Fault::Cut)
    }

    /// Gives this response.
    pub fn respond(self, status: u16, body: Value) -> Rule {
        self.put(Fault::Respond(Falsified { status, code: None, body }))
    }

    /// Gives an error response, in the form from which the SDK reads codes and messages.
    pub fn error(self, status: u16, code: &str, message: &str) -> Rule {
        let body = json!({"__type": code, "message": message});
        self.put(Fault::Respond(Falsified { status, code: Some(code.to_owned()), body }))
    }

    /// Gives a response with status 200 and a body that is not JSON.
    pub fn garbage(self) -> Rule {
        self.put(Fault::Garbage)
    }

    fn put(mut self, fault: Fault) -> Rule {
        self.rule.fault = fault;
        let mut state = self.faults.shared.state();
        let id = state.rules.put(self.rule);
        Rule { id, shared: self.faults.shared.clone() }
    }
}

/// A rule in force, until it is lifted. Dropping this leaves it in force.
#[derive(Debug)]
pub struct Rule {
    id: u64,
    shared: super::Shared,
}

impl Rule {
    /// Ends the rule for later requests.
    pub fn lift(&self) {
        self.shared.state().rules.lift(self.id);
    }

    /// The exchanges that the rule has applied to so far, oldest first.
    pub fn caught(&self) -> Vec<Exchange> {
        let mut exchanges = self.shared.state().record.clone();
        exchanges.retain(|exchange| exchange.rules.contains(&self.id));
        exchanges
    }
}

/// The rules in force, in the order in which they were put.
#[derive(Debug, Default)]
pub(super) struct Rules {
    in_force: Vec<InForce>,
    last_id: u64,
}

/// What is to happen to a request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) delay_before: Duration,
    pub(super) before: Option<Fault>,
    pub(super) delay_after: Duration,
    pub(super) after: Option<Fault>,
    /// The rules that decided it.
    pub(super) rules: Vec<u64>,
}

impl Rules {
    fn put(&mut self, mut rule: InForce) -> u64 {
        self.last_id += 1;
        rule.id = self.last_id;
        self.in_force.push(rule);
        self.last_id
    }

    fn lift(&mut self, id: u64) {
        self.in_force.retain(|rule| rule.id != id);
    }

    pub(super) fn lift_all(&mut self) {
        mem::take(&mut self.in_force);
    }

    /// The first rule with a fault other than a delay decides. Rules after it do not see the request.
    pub(super) fn fate(&mut self, request: &Request) -> Fate {
        let mut fate = Fate::default();
        for rule in &mut self.in_force {
            if !rule.applies_to(request) {
                continue;
            }
            fate.rules.push(rule.id);
            match (&rule.fault, rule.when) {
                (Fault::Delay(by), When::Before) => fate.delay_before += *by,
                (Fault::Delay(by), When::After) => fate.delay_after += *by,
                (fault, When::Before) => fate.before = Some(fault.clone()),
                (fault, When::After) => fate.after = Some(fault.clone()),
            }
            if fate.before.is_some() || fate.after.is_some() {
                break;
            }
        }
        fate
    }
}

impl InForce {
    fn applies_to(&mut self, request: &Request) -> bool {
        if !self.matches(request) {
            return false;
        }
        self.matched += 1;
        (self.first..=self.last).contains(&self.matched) && self.random.f64() < self.share
    }

    fn matches(&self, request: &Request) -> bool {
        let is_operation = match &self.which {
            Which::Operation(operation) => request.operation == *operation,
            Which::Path { method, prefix } => {
                request.method == *method && request.path.starts_with(prefix)
            }
        };
        is_operation && request.service == self.service && request.mentions(&self.mention)
    }
}
