//! Faults on the way between the functions and AWS: a proxy on loopback that functions are pointed
//! at, one door for each service, which passes everything on unchanged unless a rule says otherwise.
//!
//! ```ignore
//! let faults = Faults::before(&world.stack.endpoint);
//! faults.rule(Ses, "SendEmail").up_to(3).error(500, "InternalFailure", "down");
//! faults.rule(Ses, "SendEmail").share(0.2, 7).after().cut();
//! faults.rule(Ses, "GetAccount").answer(200, json!({"SendingEnabled": false}));
//! faults.rule_for_path(Ses, Method::GET, "/v2/email/identities/").silence();
//! world.with_environment(worker, &faults.environment(), async || ...).await;
//! ```
//!
//! The `Host` header is passed on as it came, so that signatures hold and permissions are checked as
//! they are without it. What arrived whole is carried out even if its sender dies meanwhile, as at
//! AWS's own door. Everything that passed is on record.

mod answers;
mod door;
mod proxy;
mod record;
mod request;
mod rules;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};

use http::Method;
use tokio::sync::mpsc::UnboundedSender;

use self::{
    door::{Door, Order},
    rules::{Fate, Rules},
};
pub use self::{
    record::{Given, Passed},
    request::{Request, Service},
    rules::{NewRule, Rule},
};

/// The proxy, until it is dropped.
#[derive(Debug)]
pub struct Faults {
    shared: Shared,
    doors: Vec<Handle>,
    thread: Option<JoinHandle<()>>,
}

/// What a door is known by from outside of the proxy's thread.
#[derive(Debug)]
struct Handle {
    service: Service,
    url: String,
    orders: UnboundedSender<Order>,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    record: Vec<Passed>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the proxy does not panic")
    }

    /// Puts a request on record; its number there, and what is to happen to it.
    fn arrives(&self, request: Request) -> (usize, Fate) {
        let mut state = self.state();
        let fate = state.rules.fate(&request);
        state.record.push(Passed::new(request, fate.rules.clone()));
        (state.record.len() - 1, fate)
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Passed)) {
        change(&mut self.state().record[number]);
    }
}

impl Faults {
    /// Starts a proxy in front of the services at that address. It has a thread of its own: how late
    /// a request arrives must not depend on what a journey is busy with.
    pub fn before(endpoint: &str) -> Self {
        let shared = Shared::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("there is room for one more runtime");
        let (doors, handles): (Vec<Door>, Vec<Handle>) = {
            let _inside = runtime.enter();
            let open = |service| Door::open(service, endpoint, shared.clone());
            Service::ALL.into_iter().map(open).unzip()
        };
        let serve = move || {
            runtime.block_on(futures_util::future::join_all(doors.into_iter().map(Door::serve)));
        };
        Self { shared, doors: handles, thread: Some(thread::spawn(serve)) }
    }

    /// The variables that point a function at the proxy.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        self.doors.iter().map(|door| (door.service.variable(), door.url.as_str())).collect()
    }

    /// Where a service's door is.
    pub fn url(&self, service: Service) -> &str {
        &self.door(service).url
    }

    /// A rule for one operation.
    pub fn rule(&self, service: Service, operation: &str) -> NewRule<'_> {
        NewRule::for_operation(self, service, operation)
    }

    /// A rule for what has that method, and a path that begins like this.
    pub fn rule_for_path(&self, service: Service, method: Method, prefix: &str) -> NewRule<'_> {
        NewRule::for_path(self, service, method, prefix)
    }

    /// Ends all rules.
    pub fn lift_all(&self) {
        self.shared.state().rules.lift_all();
    }

    /// Closes a door: its connections are closed, and new ones are refused.
    pub async fn close(&self, service: Service) {
        self.door(service).order(false).await;
    }

    /// Opens a door that was closed.
    pub async fn open(&self, service: Service) {
        self.door(service).order(true).await;
    }

    /// All that passed so far, in the order of its arrival.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.state().record.clone()
    }

    /// The attempts to send an email that arrived at the provider's door.
    pub fn sends(&self) -> Vec<Passed> {
        let mut passed = self.passed();
        passed.retain(|passed| passed.is_send());
        passed
    }

    fn door(&self, service: Service) -> &Handle {
        let door = self.doors.iter().find(|door| door.service == service);
        door.expect("every service has a door")
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // Nobody can give orders any more, which is what doors end by.
        self.doors.clear();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
