//! What SQS and SES refuse, for stand-ins: they must be as strict as the services.

use serde_json::Value;

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

/// Why SES does not take a header, if it does not (SES API v2 Reference, `MessageHeader`). A later edition of the page
/// allows values of 995 characters.
pub fn ses_header_refusal(name: &str, value: &str) -> Option<Refusal> {
    let is_name =
        (1..=126).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic() && c != b':');
    let is_value = value.len() <= 870 && value.bytes().all(|c| matches!(c, b' '..=b'~'));
    let refusal = |why: &str| Some(("BadRequestException", why.to_owned()));
    match (is_name, is_value) {
        (false, _) => refusal("Header name does not satisfy the pattern."),
        (_, false) => refusal("Header value does not satisfy the pattern."),
        _ => None,
    }
}

/// Why SES does not take a sender, `Name <address>` or an address alone, if it does not. The name is a `phrase` of RFC
/// 5322, 3.2.5, in ASCII. The maximum length is that of [`Sender`](crate::sender::Sender).
pub fn ses_mailbox_refusal(mailbox: &str) -> Option<Refusal> {
    let refusal = |why: &str| Some(("BadRequestException", why.to_owned()));
    if mailbox.bytes().any(|c| !matches!(c, b' '..=b'~')) {
        return refusal("Non-ASCII or control character in the From address");
    }
    if mailbox.len() > 320 {
        return refusal("The From address is longer than 320 characters");
    }
    let Some((phrase, address)) =
        mailbox.strip_suffix('>').and_then(|mailbox| mailbox.rsplit_once('<'))
    else {
        return ses_address_refusal(mailbox);
    };
    if !is_phrase(phrase.trim_end_matches(' ')) {
        return refusal("Illegal character in the From name");
    }
    ses_address_refusal(address)
}

/// Atoms with spaces between them, which encoded words are too, or one quoted string.
fn is_phrase(phrase: &str) -> bool {
    let Some(quoted) = phrase.strip_prefix('"') else {
        let special = |c: char| "()<>[]:;@\\,.\"".contains(c);
        return !phrase.contains(special);
    };
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' if characters.next().is_none() => return false,
            '"' => return characters.next().is_none(),
            _ => {}
        }
    }
    false
}

/// Why SES does not take a request of `SendEmail`, if it does not: its sender, recipients, reply addresses, tags and
/// headers.
pub fn ses_request_refusal(request: &Value) -> Option<Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let pairs = |value: &Value| {
        list(value).into_iter().map(move |pair| (text(&pair["Name"]), text(&pair["Value"])))
    };
    let headers = &request["Content"]["Simple"]["Headers"];
    if list(headers).len() > 15 {
        let why = "At most 15 headers are allowed.".to_owned();
        return Some(("BadRequestException", why));
    }
    // "The following fields can't appear more than once" (SES Developer Guide, "Amazon SES header fields").
    let mut names: Vec<_> = pairs(headers).map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Some(("BadRequestException", "Duplicate header.".to_owned()));
    }
    let addresses = [&request["Destination"]["ToAddresses"], &request["ReplyToAddresses"]];
    let by_tag =
        pairs(&request["EmailTags"]).find_map(|(name, value)| ses_tag_refusal(&name, &value));
    by_tag
        .or_else(|| request["FromEmailAddress"].as_str().and_then(ses_mailbox_refusal))
        .or_else(|| {
            let mut addresses = addresses.into_iter().flat_map(list);
            addresses.find_map(|address| ses_address_refusal(&text(&address)))
        })
        .or_else(|| pairs(headers).find_map(|(name, value)| ses_header_refusal(&name, &value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn provider_refuses_a_sender_that_is_not_a_mailbox_in_ascii() {
        for mailbox in ["a@example.com", "A B <a@example.com>", r#""A, \"B\"" <a@example.com>"#] {
            assert_eq!(ses_mailbox_refusal(mailbox), None, "{mailbox}");
        }
        let long = format!("{} <a@example.com>", "x".repeat(305));
        for mailbox in [
            "M\u{fc}ller <a@example.com>",
            "A, B <a@example.com>",
            r#""A "B"" <a@example.com>"#,
            r#""A <a@example.com>"#,
            "A\nB <a@example.com>",
            "A <a..b@example.com>",
            &long,
        ] {
            assert_eq!(
                code(ses_mailbox_refusal(mailbox)),
                Some("BadRequestException"),
                "{mailbox}"
            );
        }
    }

    #[test]
    fn provider_refuses_a_request_by_any_of_its_parts() {
        let request = |from: &str, to: &str, reply_to: &str, tag: &str, header: (&str, &str)| {
            let headers = json!([{"Name": header.0, "Value": header.1}]);
            code(ses_request_refusal(&json!({
                "FromEmailAddress": from,
                "Destination": {"ToAddresses": [to]},
                "ReplyToAddresses": [reply_to],
                "EmailTags": [{"Name": "job_id", "Value": tag}],
                "Content": {"Simple": {"Headers": headers}},
            })))
        };
        let (a, header) = ("a@example.com", ("List-Unsubscribe", "<https://example.com/u>"));
        assert_eq!(request(a, a, a, "a", header), None);
        let refused = Some("BadRequestException");
        assert_eq!(request("A, B <a@example.com>", a, a, "a", header), refused);
        assert_eq!(request(a, "a", a, "a", header), refused);
        assert_eq!(request(a, a, "a", "a", header), refused);
        assert_eq!(request(a, a, a, "a.b", header), refused);
        assert_eq!(request(a, a, a, "a", ("A:", "b")), refused);
        assert_eq!(request(a, a, a, "a", ("A", "b\r\nc")), refused);
        assert_eq!(request(a, a, a, "a", ("A", &"b".repeat(871))), refused);
        let with_headers = |names: &[&str]| {
            let headers: Vec<_> =
                names.iter().map(|name| json!({"Name": name, "Value": "b"})).collect();
            code(ses_request_refusal(&json!({"Content": {"Simple": {"Headers": headers}}})))
        };
        let names: Vec<_> = "ABCDEFGHIJKLMNOP".split("").filter(|name| !name.is_empty()).collect();
        assert_eq!(with_headers(&names[..15]), None);
        assert_eq!(with_headers(&names), refused);
        assert_eq!(with_headers(&["A", "a"]), refused);
    }
}
