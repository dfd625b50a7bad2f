//! The headers that a job may choose: a closed list, because any other header would let a producer change what the
//! configuration decides.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::address::EmailAddress;

/// The headers that a job chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Instead of the configured address for replies.
    pub reply_to: Option<EmailAddress>,
    pub unsubscribe: Option<Unsubscribe>,
}

/// `List-Unsubscribe` (RFC 2369), and `List-Unsubscribe-Post` (RFC 8058) if one click is enough.
///
/// `Debug` masks the URIs: they have tokens and addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// `<https://…>, <mailto:…>`.
    uris: String,
    one_click: bool,
}

/// Why `headers` of a job are not headers. Messages never repeat a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaders {
    #[error("has another name than `{LIST_UNSUBSCRIBE}` and `{LIST_UNSUBSCRIBE_POST}`")]
    UnknownName,
    #[error("has `{0}`, which is not a string")]
    NotText(&'static str),
    #[error("has `{LIST_UNSUBSCRIBE_POST}` without `{LIST_UNSUBSCRIBE}`")]
    PostAlone,
    #[error("has `{LIST_UNSUBSCRIBE_POST}`, which is not `{ONE_CLICK}`")]
    Post,
    /// "MUST contain one HTTPS URI" (RFC 8058, 3.1).
    #[error("has `{LIST_UNSUBSCRIBE_POST}`, but not exactly one https URI to post to")]
    NotOneHttps,
    #[error("has `{LIST_UNSUBSCRIBE}`, which {0}")]
    Unsubscribe(&'static str),
}

const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
const LIST_UNSUBSCRIBE_POST: &str = "List-Unsubscribe-Post";

/// The only value of `List-Unsubscribe-Post` (RFC 8058, 3.1).
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// The maximum length of a header's value in SES (SES API v2 Reference, `MessageHeader`: 870 characters). A later
/// edition says 995, and 996 together with the name; the smaller number is safe in every Region.
const MAX_VALUE: usize = 870;

impl Unsubscribe {
    /// Each header with its value.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let post = self.one_click.then_some((LIST_UNSUBSCRIBE_POST, ONE_CLICK));
        [(LIST_UNSUBSCRIBE, self.uris.as_str())].into_iter().chain(post)
    }

    /// Reads the field `headers` of a job.
    pub(super) fn read(mut fields: Map<String, Value>) -> Result<Option<Self>, InvalidHeaders> {
        let mut take = |name| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(InvalidHeaders::NotText(name)),
        };
        let (list, post) = (take(LIST_UNSUBSCRIBE)?, take(LIST_UNSUBSCRIBE_POST)?);
        if !fields.is_empty() {
            return Err(InvalidHeaders::UnknownName);
        }
        match (list, post) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(InvalidHeaders::PostAlone),
            (Some(list), post) => Self::new(&list, post.as_deref()).map(Some),
        }
    }

    fn new(list: &str, post: Option<&str>) -> Result<Self, InvalidHeaders> {
        let uris = uris(list).map_err(InvalidHeaders::Unsubscribe)?;
        let https = uris.iter().filter(|uri| is_https(uri)).count();
        match post {
            Some(post) if post != ONE_CLICK => return Err(InvalidHeaders::Post),
            Some(_) if https != 1 => return Err(InvalidHeaders::NotOneHttps),
            _ => {}
        }
        let uris: Vec<_> = uris.into_iter().map(|uri| format!("<{uri}>")).collect();
        let uris = uris.join(", ");
        if uris.len() > MAX_VALUE {
            return Err(InvalidHeaders::Unsubscribe("is longer than 870 characters"));
        }
        Ok(Self { uris, one_click: post.is_some() })
    }

    /// The field from which [`Unsubscribe::read`] reads the same headers.
    pub(super) fn to_field(&self) -> Value {
        self.headers().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

impl fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsubscribe(***, one_click: {})", self.one_click)
    }
}

/// The URIs between angle brackets, separated by commas (RFC 2369, 2). A URI may have a comma itself.
fn uris(list: &str) -> Result<Vec<&str>, &'static str> {
    const FORM: &str = "is not one or more URIs, each in angle brackets, with commas between them";
    let (mut uris, mut rest) = (Vec::new(), list.trim_matches(' '));
    loop {
        let (uri, after) = rest.strip_prefix('<').and_then(|it| it.split_once('>')).ok_or(FORM)?;
        check_uri(uri)?;
        uris.push(uri);
        rest = after.trim_start_matches(' ');
        if rest.is_empty() {
            return Ok(uris);
        }
        rest = rest.strip_prefix(',').ok_or(FORM)?.trim_start_matches(' ');
    }
}

/// The rest of a URI after its scheme, which may be written in any case (RFC 3986, 3.1).
fn after_scheme<'a>(uri: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = uri.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_https(uri: &str) -> bool {
    after_scheme(uri, "https://").is_some()
}

fn check_uri(uri: &str) -> Result<(), &'static str> {
    // RFC 3986, 2.2 and 2.3, and the start of an escape.
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    if !uri.chars().all(is_allowed) {
        return Err("has a character that a URI must escape");
    }
    let is_escape =
        |text: &str| text.get(..2).is_some_and(|code| code.bytes().all(|c| c.is_ascii_hexdigit()));
    if !uri.split('%').skip(1).all(is_escape) {
        return Err("has a `%` without two hexadecimal digits in a URI");
    }
    if let Some(rest) = after_scheme(uri, "https://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if is_host_and_port(authority) { Ok(()) } else { Err("has an https URI without a host") }
    } else if let Some(rest) = after_scheme(uri, "mailto:") {
        let address = rest.split('?').next().unwrap_or_default();
        match address.parse::<EmailAddress>() {
            Ok(_) => Ok(()),
            Err(_) => Err("has a mailto URI without one email address"),
        }
    } else {
        Err("has a URI that is neither https nor mailto")
    }
}

/// A name with a dot, and a port if one is given. No user, and no IP address: recipients reach neither.
fn is_host_and_port(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    // The rules of a domain are those of an address.
    format!("unsubscribe@{host}").parse::<EmailAddress>().is_ok() && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: Value) -> Result<Vec<(&'static str, String)>, String> {
        let Value::Object(fields) = headers else { panic!() };
        let unsubscribe = Unsubscribe::read(fields).map_err(|why| why.to_string())?;
        let headers = unsubscribe.iter().flat_map(Unsubscribe::headers);
        Ok(headers.map(|(name, value)| (name, value.to_owned())).collect())
    }

    #[test]
    fn https_and_mailto_are_written_in_one_form() {
        let list = " <https://example.com/u?t=a%20b,c> ,<MAILTO:leave@example.com?subject=leave> ";
        let written = "<https://example.com/u?t=a%20b,c>, <MAILTO:leave@example.com?subject=leave>";
        let list_alone = vec![(LIST_UNSUBSCRIBE, written.to_owned())];
        assert_eq!(read(json!({"List-Unsubscribe": list})), Ok(list_alone.clone()));
        assert_eq!(
            read(json!({"List-Unsubscribe": list, "List-Unsubscribe-Post": null})),
            Ok(list_alone.clone())
        );
        let post = (LIST_UNSUBSCRIBE_POST, ONE_CLICK.to_owned());
        assert_eq!(
            read(json!({"List-Unsubscribe": list, "List-Unsubscribe-Post": ONE_CLICK})),
            Ok([list_alone, vec![post]].concat())
        );
        assert_eq!(read(json!({})), Ok(Vec::new()));
        let longest = format!("<https://example.com/{}>", "u".repeat(MAX_VALUE - 22));
        assert_eq!(longest.len(), MAX_VALUE);
        assert!(read(json!({"List-Unsubscribe": longest})).is_ok());
        let mailto = json!({"List-Unsubscribe": "<mailto:leave@example.com>"});
        assert_eq!(read(mailto).unwrap().len(), 1);
    }

    #[test]
    fn refusal_says_what_is_wrong_with_the_headers() {
        const FORM: &str = "has `List-Unsubscribe`, which is not one or more URIs, each in angle brackets, with commas between them";
        let longest = format!("<https://example.com/{}>", "x".repeat(848));
        assert_eq!(longest.len(), 870);
        assert!(read(json!({ "List-Unsubscribe": longest })).is_ok());
        let too_long = longest.replace('>', "x>");
        for (list, why) in [
            ("", FORM),
            ("https://example.com/u", FORM),
            ("<https://example.com/u", FORM),
            ("<https://example.com/u> <mailto:leave@example.com>", FORM),
            ("<https://example.com/u>,", FORM),
            ("<https://example.com/u>\r\nBcc: <mailto:eve@example.com>", FORM),
            (
                "<https://example.com/u\r\nBcc: eve@example.com>",
                "has `List-Unsubscribe`, which has a character that a URI must escape",
            ),
            (
                "<https://example.com/\u{fc}>",
                "has `List-Unsubscribe`, which has a character that a URI must escape",
            ),
            (
                "<https://example.com/%2>",
                "has `List-Unsubscribe`, which has a `%` without two hexadecimal digits in a URI",
            ),
            (
                "<http://example.com/u>",
                "has `List-Unsubscribe`, which has a URI that is neither https nor mailto",
            ),
            (
                "<javascript:alert(1)>",
                "has `List-Unsubscribe`, which has a URI that is neither https nor mailto",
            ),
            ("<https:///u>", "has `List-Unsubscribe`, which has an https URI without a host"),
            (
                "<https://eve@example.com/u>",
                "has `List-Unsubscribe`, which has an https URI without a host",
            ),
            (
                "<https://example.com:x/u>",
                "has `List-Unsubscribe`, which has an https URI without a host",
            ),
            (
                "<mailto:?subject=leave>",
                "has `List-Unsubscribe`, which has a mailto URI without one email address",
            ),
            (&too_long, "has `List-Unsubscribe`, which is longer than 870 characters"),
        ] {
            let headers = json!({ "List-Unsubscribe": list });
            assert_eq!(read(headers).unwrap_err(), why, "{list:?}");
        }
        let https = "<https://example.com/u>";
        for (headers, why) in [
            (
                json!({"Bcc": "eve@example.com"}),
                "has another name than `List-Unsubscribe` and `List-Unsubscribe-Post`",
            ),
            (
                json!({"list-unsubscribe": https}),
                "has another name than `List-Unsubscribe` and `List-Unsubscribe-Post`",
            ),
            (json!({"List-Unsubscribe": [https]}), "has `List-Unsubscribe`, which is not a string"),
            (
                json!({"List-Unsubscribe-Post": ONE_CLICK}),
                "has `List-Unsubscribe-Post` without `List-Unsubscribe`",
            ),
            (
                json!({"List-Unsubscribe": https, "List-Unsubscribe-Post": "yes"}),
                "has `List-Unsubscribe-Post`, which is not `List-Unsubscribe=One-Click`",
            ),
            (
                json!({"List-Unsubscribe": "<mailto:leave@example.com>", "List-Unsubscribe-Post": ONE_CLICK}),
                "has `List-Unsubscribe-Post`, but not exactly one https URI to post to",
            ),
            (
                json!({"List-Unsubscribe": format!("{https}, {https}"), "List-Unsubscribe-Post": ONE_CLICK}),
                "has `List-Unsubscribe-Post`, but not exactly one https URI to post to",
            ),
        ] {
            assert_eq!(read(headers).unwrap_err(), why);
        }
    }

    #[test]
    fn uris_do_not_reach_a_log() {
        let unsubscribe = Unsubscribe::new("<https://example.com/u?token=secret>", None).unwrap();
        assert_eq!(format!("{unsubscribe:?}"), "Unsubscribe(***, one_click: false)");
    }
}
