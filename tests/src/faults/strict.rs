//! What the real service refuses and the emulator behind the proxy accepts.

use email::testing::ses_request_refusal;
use serde_json::Value;

use super::{
    request::Request,
    rules::{Falsified, Fault},
};

/// The refusal of an email that SES does not accept, by its sender, addresses, tags or headers.
pub(super) fn refusal(request: &Request) -> Option<Fault> {
    if !request.is_send() {
        return None;
    }
    let email: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (code, why) = ses_request_refusal(&email)?;
    Some(Fault::Respond(Falsified::error(400, code, &why)))
}
