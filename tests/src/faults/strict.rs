//! What the real service refuses and the emulator behind the proxy accepts.

use email::testing::{ses_address_refusal, ses_tag_refusal};
use serde_json::Value;

use super::{
    request::Request,
    rules::{Falsified, Fault},
};

/// The refusal of an email that SES does not accept, by its tags or its recipient.
pub(super) fn refusal(request: &Request) -> Option<Fault> {
    if !request.is_send() {
        return None;
    }
    let email: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let texts = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = email["EmailTags"].as_array().into_iter().flatten();
    let by_tag = tags.map(|tag| ses_tag_refusal(&texts(&tag["Name"]), &texts(&tag["Value"])));
    let recipients = email["Destination"]["ToAddresses"].as_array().into_iter().flatten();
    let by_address = recipients.map(|address| ses_address_refusal(&texts(address)));
    let (code, why) = by_tag.chain(by_address).flatten().next()?;
    Some(Fault::Respond(Falsified::error(400, code, &why)))
}
