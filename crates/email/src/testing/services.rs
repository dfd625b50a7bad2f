//! What SQS and SES refuse, for stand-ins: they must be as strict as the services.

use crate::{job::MAX_MESSAGE_BYTES, text::is_carried};

/// A service's refusal: its error code and message.
pub type Refusal = (&'static str, String);

/// Why SQS does not take a message, if it does not (Amazon SQS API Reference, `SendMessage` and
/// `MessageAttributeValue`). An attribute is its name, data type and value.
pub fn sqs_refusal<'a>(
    body: &str,
    attributes: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
) -> Option<Refusal> {
    queue_refusal(MAX_MESSAGE_BYTES, body, attributes)
}

/// Why a queue with this `MaximumMessageSize` does not take a message, if it does not. Body and attributes share the
/// limit: "all parts of the message attribute, including Name, Type, and Value" (`MessageAttributeValue`).
pub fn queue_refusal<'a>(
    max_bytes: usize,
    body: &str,
    attributes: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
) -> Option<Refusal> {
    let invalid = |why: &str| Some(("InvalidParameterValue", why.to_owned()));
    if body.is_empty() {
        return Some(("MissingParameter", "The request must contain MessageBody.".to_owned()));
    }
    let carried = |text: &str| text.chars().all(is_carried);
    if !carried(body) {
        return Some(("InvalidMessageContents", "Invalid characters found.".to_owned()));
    }
    let mut size = body.len();
    for (count, (name, kind, value)) in attributes.into_iter().enumerate() {
        if count == 10 {
            return invalid("Number of message attributes exceeds the allowed maximum.");
        }
        if name.is_empty() || kind.is_empty() || value.is_empty() || !carried(value) {
            return invalid("A message attribute is empty or has invalid characters.");
        }
        size += name.len() + kind.len() + value.len();
    }
    if size > max_bytes {
        return invalid(&format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {max_bytes} bytes."
        ));
    }
    None
}

/// Why SES does not take a tag, if it does not: only letters, digits, `_` and `-`, 1 to 256 of them (SES API
/// v2 Reference, `MessageTag`).
pub fn ses_tag_refusal(name: &str, value: &str) -> Option<Refusal> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let wrong = [("name", name), ("value", value)]
        .into_iter()
        .find(|(_, text)| !(1..=256).contains(&text.len()) || !text.bytes().all(allowed))?;
    let why = format!(
        "Invalid tag {} <{}>: only alphanumeric ASCII characters, '_', and '-' are allowed.",
        wrong.0, wrong.1
    );
    Some(("BadRequestException", why))
}

/// Why SES does not take a recipient, if it does not: the messages are those of the parser that it uses for the
/// syntax of RFC 5321 (Jakarta Mail, `InternetAddress`).
pub fn ses_address_refusal(address: &str) -> Option<Refusal> {
    let refusal = |why: &str| Some(("BadRequestException", why.to_owned()));
    let Some((local, domain)) = address.rsplit_once('@') else {
        return refusal("Missing final '@domain'");
    };
    if !address.is_ascii() {
        return refusal("Local address contains control or whitespace");
    }
    let is_quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    if local.len() > 64 {
        return refusal("Local part of the address is too long");
    }
    if !is_quoted && local.starts_with('.') {
        return refusal("Local address starts with dot");
    }
    if !is_quoted && local.contains("..") {
        return refusal("Local address contains dot-dot");
    }
    if !is_quoted && local.ends_with('.') {
        return refusal("Local address ends with dot");
    }
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        return refusal("Domain contains dot-dot");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(refusal: Option<Refusal>) -> Option<&'static str> {
        refusal.map(|(code, _)| code)
    }

    #[test]
    fn queue_refuses_what_the_reference_says() {
        let sized = |size: usize| code(sqs_refusal(&"x".repeat(size), []));
        assert_eq!(sized(MAX_MESSAGE_BYTES), None);
        assert_eq!(sized(MAX_MESSAGE_BYTES + 1), Some("InvalidParameterValue"));
        let body = "x".repeat(MAX_MESSAGE_BYTES - 12);
        assert_eq!(code(sqs_refusal(&body, [("name", "String", "ab")])), None);
        assert_eq!(
            code(sqs_refusal(&body, [("name", "String", "abc")])),
            Some("InvalidParameterValue")
        );
        assert_eq!(code(sqs_refusal("a\u{ffff}", [])), Some("InvalidMessageContents"));
        assert_eq!(
            code(sqs_refusal("a", [("name", "String", "\u{1}")])),
            Some("InvalidParameterValue")
        );
        assert_eq!(code(sqs_refusal("", [])), Some("MissingParameter"));
    }

    #[test]
    fn provider_refuses_what_the_reference_says() {
        assert_eq!(ses_tag_refusal("job_id", "receipt-42"), None);
        for value in ["receipt.42", "", "a@b", &"x".repeat(257)] {
            assert_eq!(code(ses_tag_refusal("job_id", value)), Some("BadRequestException"));
        }
        assert_eq!(ses_address_refusal("\"a..b\"@docomo.ne.jp"), None);
        for address in ["a..b@docomo.ne.jp", "ab.@ezweb.ne.jp", "ada", "é@example.com"] {
            assert_eq!(code(ses_address_refusal(address)), Some("BadRequestException"));
        }
    }
}
