//! A rule, as a journey writes it: which requests meet which fault, before or after the real call.

use std::time::Duration;

use fastrand::Rng;
use http::Method;
use serde_json::Value;

use super::{
    record::Exchange,
    request::Service,
    rules::{Falsified, Fault, InForce, When, Which},
    state::Shared,
};

/// The builder of a rule. By default the rule applies to all requests to the operation, before the real call. The
/// method that names the fault comes last and puts the rule in force.
#[derive(Debug)]
#[must_use = "a rule is in force only after a call that names its fault"]
pub struct NewRule<'a> {
    shared: &'a Shared,
    rule: InForce,
}

impl<'a> NewRule<'a> {
    pub(super) fn for_operation(shared: &'a Shared, service: Service, operation: &str) -> Self {
        Self::new(shared, service, Which::Operation(operation.to_owned()))
    }

    pub(super) fn for_path(
        shared: &'a Shared,
        service: Service,
        method: Method,
        prefix: &str,
    ) -> Self {
        Self::new(shared, service, Which::Path { method, prefix: prefix.to_owned() })
    }

    fn new(shared: &'a Shared, service: Service, which: Which) -> Self {
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
        Self { shared, rule }
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
        self.put(Fault::Respond(Falsified::error(status, code, message)))
    }

    /// Gives a response with status 200 and a body that is not JSON.
    pub fn garbage(self) -> Rule {
        self.put(Fault::Garbage)
    }

    fn put(mut self, fault: Fault) -> Rule {
        self.rule.fault = fault;
        let mut state = self.shared.state();
        let id = state.rules.put(self.rule);
        Rule { id, shared: self.shared.clone() }
    }
}

/// A rule in force, until it is lifted. Dropping this leaves it in force.
#[derive(Debug)]
pub struct Rule {
    id: u64,
    shared: Shared,
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
