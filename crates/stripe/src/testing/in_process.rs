//! The stand-in without sockets, for the real client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unavailable::Unavailable;

use super::{
    account::Account,
    exchange::{Request, Response},
};
use crate::transport::{self, Transport};

/// A shared account that the client calls as it calls Stripe. Silence is an error at once.
#[derive(Debug, Clone)]
pub struct InProcess(Arc<Mutex<Account>>);

impl InProcess {
    pub fn new(account: Account) -> Self {
        Self(Arc::new(Mutex::new(account)))
    }

    /// The account, between two requests.
    pub fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for InProcess {
    async fn send(&self, request: transport::Request) -> Result<transport::Response, Unavailable> {
        let response = self.account().handle(&Request::of_client(&request));
        let silence = || Unavailable::new(request.operation, "no response");
        response.as_ref().map(Response::to_client).ok_or_else(silence)
    }
}
