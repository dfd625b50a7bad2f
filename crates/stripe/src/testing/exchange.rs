//! A request to the stand-in and its response, without a socket.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::transport;

/// A request to Stripe's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Of the query and of the form in the body.
    pub params: Vec<(String, String)>,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// Reads.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Writes, with this form.
    pub fn post(path: &str, form: &[(&str, &str)]) -> Self {
        let mut request = Self::new("POST", path);
        request.params.extend(form.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        request
    }

    /// From the parts of an HTTP request; the body is a form.
    pub fn read<'a>(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &[u8],
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self::new(method, path);
        for encoded in [query.as_bytes(), body] {
            let params: Vec<_> = serde_urlencoded::from_bytes(encoded).unwrap_or_default();
            request.params.extend(params);
        }
        for (name, value) in headers {
            request.headers.insert(name.to_lowercase(), value.to_owned());
        }
        request
    }

    /// With this idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With this API key.
    #[must_use]
    pub fn api_key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The request that the client sends.
    pub fn of_client(request: &transport::Request) -> Self {
        let headers: Vec<_> = request.headers().collect();
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        Self::read(request.method, &request.path, headers, request.form.as_bytes())
    }

    fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, params: Vec::new(), headers: BTreeMap::new() }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The parameters `metadata[…]`.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let metadata = self.params.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((name.to_owned(), value.clone()))
        });
        metadata.collect()
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// The secret API key, of either scheme that Stripe takes (Stripe API reference, "Authentication").
    pub(super) fn secret_key(&self) -> Option<String> {
        let (scheme, value) = self.headers.get("authorization")?.split_once(' ')?;
        match scheme.to_lowercase().as_str() {
            "bearer" => Some(value.to_owned()),
            "basic" => Some(base64(value)?.split(':').next()?.to_owned()),
            _ => None,
        }
    }
}

/// Stripe's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names as Stripe writes them.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, indented by two spaces as Stripe's is.
    pub body: String,
}

impl Response {
    pub(super) fn new(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: format!("{body:#}") }
    }

    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The response that the client receives.
    pub fn to_client(&self) -> transport::Response {
        let (status, is_replay) = (self.status, self.is_replay());
        transport::Response { status, is_replay, body: self.body.clone().into_bytes() }
    }

    /// Whether it is the saved response of an earlier request.
    pub fn is_replay(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == "Idempotent-Replayed" && value == "true")
    }
}

/// Decodes the standard alphabet, for `curl -u`.
fn base64(text: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for symbol in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == symbol)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_of_authentication_give_the_key() {
        let basic = Request::get("/").header("authorization", "Basic c2tfdGVzdF9sb2NhbDo=");
        assert_eq!(basic.secret_key().as_deref(), Some("sk_test_local"));
        let bearer = Request::get("/").api_key("sk_test_local");
        assert_eq!(bearer.secret_key().as_deref(), Some("sk_test_local"));
    }

    #[test]
    fn a_form_and_a_query_are_both_parameters() {
        let request =
            Request::read("POST", "/v1/x?a=1", [("X-Y", "z")], b"metadata%5Battempt%5D=2&b=%20");
        assert_eq!((request.param("a"), request.param("b")), (Some("1"), Some(" ")));
        assert_eq!(request.metadata()["attempt"], "2");
        assert_eq!(request.headers["x-y"], "z");
    }
}
