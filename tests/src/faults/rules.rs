//! The rules in force, and the faults that they decide for a request.

use std::{mem, time::Duration};

use fastrand::Rng;
use http::Method;
use serde_json::{Value, json};

use super::request::{Request, Service};

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

impl Falsified {
    /// An error in the form from which the SDK reads codes and messages.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"__type": code, "message": message});
        Self { status, code: Some(code.to_owned()), body }
    }
}

/// Whether the real call has happened when a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// The requests that a rule applies to.
#[derive(Debug)]
pub(super) enum Which {
    Operation(String),
    Path { method: Method, prefix: String },
}

#[derive(Debug)]
pub(super) struct InForce {
    pub(super) id: u64,
    pub(super) service: Service,
    pub(super) which: Which,
    pub(super) mention: String,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) share: f64,
    pub(super) random: Rng,
    pub(super) when: When,
    pub(super) fault: Fault,
    /// The number of requests so far that match, including those outside of `first..=last` or of the share.
    pub(super) matched: u64,
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
    pub(super) fn put(&mut self, mut rule: InForce) -> u64 {
        self.last_id += 1;
        rule.id = self.last_id;
        self.in_force.push(rule);
        self.last_id
    }

    pub(super) fn lift(&mut self, id: u64) {
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
