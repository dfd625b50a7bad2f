//! Faults between the functions and AWS. A proxy on loopback has one door per service. The functions under test use it
//! as their endpoint, and it forwards every request unchanged unless a rule applies.
//!
//! ```ignore
//! let faults = Faults::in_front_of(&stack.description.endpoint);
//! faults.rule(Ses, "SendEmail").up_to(3).error(500, "InternalFailure", "down");
//! faults.rule(Ses, "SendEmail").share(0.2, 7).after().cut();
//! faults.rule(Ses, "GetAccount").respond(200, json!({"SendingEnabled": false}));
//! faults.rule_for_path(Ses, Method::GET, "/v2/email/identities/").silence();
//! stack.with_environment(worker, &faults.environment(), async || ...).await;
//! ```
//!
//! The `Host` header is forwarded unchanged, so that signatures stay valid and permissions are checked as without the
//! proxy. An email that SES would refuse for its tags or its recipient is refused here, because the emulator accepts it. A
//! request that arrived completely is carried out even if its sender dies meanwhile, as on AWS. The proxy
//! keeps a record of every request.

mod door;
mod proxy;
mod record;
mod request;
mod responses;
mod rule;
mod rules;
mod state;
mod strict;

use std::thread::{self, JoinHandle};

use http::Method;

use self::{
    door::{Door, Handle},
    state::Shared,
};
pub use self::{
    record::{Exchange, Response},
    request::{Request, Service},
    rule::{NewRule, Rule},
};

/// The proxy, until it is dropped.
#[derive(Debug)]
pub struct Faults {
    shared: Shared,
    doors: Vec<Handle>,
    thread: Option<JoinHandle<()>>,
}

impl Faults {
    /// Starts a proxy in front of the services at this address. It has a thread of its own, so that a busy journey
    /// does not delay requests.
    pub fn in_front_of(endpoint: &str) -> Self {
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

    /// The environment variables with which a function uses the proxy.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        self.doors.iter().map(|door| (door.service.variable(), door.url.as_str())).collect()
    }

    /// The URL of a service's door.
    pub fn url(&self, service: Service) -> &str {
        &self.door(service).url
    }

    /// A new rule for an operation.
    pub fn rule(&self, service: Service, operation: &str) -> NewRule<'_> {
        NewRule::for_operation(&self.shared, service, operation)
    }

    /// A new rule for requests with this method and a path with this prefix.
    pub fn rule_for_path(&self, service: Service, method: Method, prefix: &str) -> NewRule<'_> {
        NewRule::for_path(&self.shared, service, method, prefix)
    }

    /// Ends all rules.
    pub fn lift_all(&self) {
        self.shared.state().rules.lift_all();
    }

    /// Closes a door: its connections are closed, and new ones are refused.
    pub async fn close(&self, service: Service) {
        self.door(service).set_open(false).await;
    }

    /// Opens a door that was closed.
    pub async fn open(&self, service: Service) {
        self.door(service).set_open(true).await;
    }

    /// The exchanges so far, in the order of their arrival.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.state().record.clone()
    }

    /// The attempts to send an email that arrived at the provider's door.
    pub fn sends(&self) -> Vec<Exchange> {
        let mut exchanges = self.exchanges();
        exchanges.retain(|exchange| exchange.is_send());
        exchanges
    }

    fn door(&self, service: Service) -> &Handle {
        let door = self.doors.iter().find(|door| door.service == service);
        door.expect("every service has a door")
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // A door ends when its handle is dropped.
        self.doors.clear();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
