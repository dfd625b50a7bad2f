//! Rules: which requests meet which fault, and whether before or after the real call.

use std::{mem, time::Duration};

use fastrand::Rng;
use http::Method;
use serde_json::{Value, json};

use super::{
    Faults,
    record::Passed,
    request::{Request, Service},
};

/// What happens to a request, or to its answer.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It takes longer; nothing else changes.
    Delay(Duration),
    /// No answer, and the connection stays open until the client gives up.
    Silence,
    /// The connection is closed: without an answer or, after the real call, in the middle of it.
    Cut,
    /// Another answer.
    Answer(Falsified),
    /// Status 200, and a body that means nothing.
    Garbage,
}

/// An answer that the service did not give.
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

/// A rule that is being written. It holds for all requests to the operation, and for the time
/// before the real call, unless it is told otherwise; the last word says the fault, and puts it
/// in force.
#[derive(Debug)]
#[must_use = "a rule is in force once it says its fault"]
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
    /// The requests that met it so far, whether or not it was their turn.
    met: u64,
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
            met: 0,
        };
        Self { faults, rule }
    }

    /// Only requests whose path or body has this text in it.
    pub fn mentioning(mut self, text: &str) -> Self {
        text.clone_into(&mut self.rule.mention);
        self
    }

    /// Only from the n-th such request on, counted from 1.
    pub fn from(mut self, n: u64) -> Self {
        self.rule.first = n;
        self
    }

    /// Only up to the n-th such request, counted from 1.
    pub fn up_to(mut self, n: u64) -> Self {
        self.rule.last = n;
        self
    }

    /// Only a share of them, from 0 to 1, drawn by that seed.
    pub fn share(mut self, share: f64, seed: u64) -> Self {
        self.rule.share = share;
        self.rule.random = Rng::with_seed(seed);
        self
    }

    /// After the real call: it has happened, and its answer is late, lost or falsified.
    pub fn after(mut self) -> Self {
        self.rule.when = When::After;
        self
    }

    /// They take that much longer. Other rules still see them.
    pub fn delay(self, by: Duration) -> Rule {
        self.put(Fault::Delay(by))
    }

    /// They are never answered; the connection stays until the client gives up.
    pub fn silence(self) -> Rule {
        self.put(Fault::Silence)
    }

    /// Their connection is closed: without an answer, or after half of the real one.
    pub fn cut(self) -> Rule {
        self.put(Fault::Cut)
    }

    /// They are answered with this.
    pub fn answer(self, status: u16, body: Value) -> Rule {
        self.put(Fault::Answer(Falsified { status, code: None, body }))
    }

    /// They are answered with an error, in the form that the SDK takes codes and messages from.
    pub fn error(self, status: u16, code: &str, message: &str) -> Rule {
        let body = json!({"__type": code, "message": message});
        self.put(Fault::Answer(Falsified { status, code: Some(code.to_owned()), body }))
    }

    /// They are answered with status 200 and what is no JSON.
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

/// A rule in force, until it is lifted; dropping this leaves it in force.
#[derive(Debug)]
pub struct Rule {
    id: u64,
    shared: super::Shared,
}

impl Rule {
    /// Ends it, for requests that come from now on.
    pub fn lift(&self) {
        self.shared.state().rules.lift(self.id);
    }

    /// What it was applied to so far, oldest first.
    pub fn caught(&self) -> Vec<Passed> {
        let mut passed = self.shared.state().record.clone();
        passed.retain(|passed| passed.rules.contains(&self.id));
        passed
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
    /// The rules that say so.
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

    /// The first rule that takes a request decides, and those after it do not see it. A delay takes
    /// nothing.
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
        if !self.meets(request) {
            return false;
        }
        self.met += 1;
        (self.first..=self.last).contains(&self.met) && self.random.f64() < self.share
    }

    fn meets(&self, request: &Request) -> bool {
        let asks_for_it = match &self.which {
            Which::Operation(operation) => request.operation == *operation,
            Which::Path { method, prefix } => {
                request.method == *method && request.path.starts_with(prefix)
            }
        };
        asks_for_it && request.service == self.service && request.mentions(&self.mention)
    }
}
