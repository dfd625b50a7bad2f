//! Who may use the console: a page that it served itself, in a browser that was given its address.
//!
//! The address has a random token, and every request must have it. It stays in the path and is not moved to a
//! cookie: a browser sends the cookies of 127.0.0.1 to *every* port of it, so another program of another user of
//! this machine could be sent the cookie; and two consoles in one browser would share it. A path is only sent to
//! the console itself: `Referrer-Policy: no-referrer` keeps it out of requests to others, and the token is worth
//! nothing once the console has ended.

use std::hint;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

/// For pages. Live updates and the script come from the console itself, emails are shown in frames of it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self' data:; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// For a rendered email, which has inline styles. `sandbox` gives it an origin of its own and no script.
const EMAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'self'; sandbox";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A random text in the console's address.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// 122 random bits of the system.
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The time does not depend on how much of it is right.
    fn is(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = own.iter().zip(given).fold(0, |all, (one, other)| all | (one ^ other));
        own.len() == given.len() && hint::black_box(differences) == 0
    }
}

/// What a request must have.
#[derive(Clone)]
pub(super) struct Access {
    token: Token,
    port: u16,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// A page of another site has a name that leads here (DNS rebinding).
    #[error("this console responds only at 127.0.0.1 and localhost, on its own port")]
    Host,
    #[error("not found: the address that the console printed has a token")]
    Token,
    #[error("refused: the request comes from another site")]
    CrossSite,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Token => StatusCode::NOT_FOUND,
            Self::CrossSite => StatusCode::FORBIDDEN,
        }
    }
}

impl Access {
    pub(super) fn new(token: Token, port: u16) -> Self {
        Self { token, port }
    }

    /// The path under which everything is.
    pub(super) fn base(&self) -> String {
        format!("/{}/", self.token.as_str())
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }

    fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name: &HeaderName| {
            let value = headers.get(name)?;
            // A value that is not text is not one of ours.
            Some(value.to_str().unwrap_or("?"))
        };
        let is_host = |host: &str| self.hosts().iter().any(|own| own.eq_ignore_ascii_case(host));
        if !text(&HOST).is_some_and(is_host) {
            return Err(Refusal::Host);
        }
        if !self.token.is(path.split('/').nth(1).unwrap_or_default()) {
            return Err(Refusal::Token);
        }
        if [Method::GET, Method::HEAD].contains(method) {
            return Ok(());
        }
        let is_origin = |origin: &str| origin.strip_prefix("http://").is_some_and(is_host);
        let is_own = match (text(&SEC_FETCH_SITE), text(&ORIGIN)) {
            // `null` is what a form of a page with `Referrer-Policy: no-referrer` sends (Fetch Standard,
            // "append a request `Origin` header").
            (Some(site), origin) => {
                site == "same-origin"
                    && origin.is_none_or(|origin| origin == "null" || is_origin(origin))
            }
            // A browser that does not send Sec-Fetch-Site.
            (None, Some(origin)) => is_origin(origin),
            (None, None) => false,
        };
        if is_own { Ok(()) } else { Err(Refusal::CrossSite) }
    }
}

/// Refuses what may not use the console, and protects every response.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let admitted = access.admit(request.method(), request.uri().path(), request.headers());
    let response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => (refusal.status(), refusal.to_string()).into_response(),
    };
    protected(response)
}

/// A rendered email has a policy of its own.
pub(super) fn email_policy() -> (HeaderName, HeaderValue) {
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(EMAIL_POLICY))
}

fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new(Token("secret".to_owned()), 8080)
    }

    fn admitted(method: Method, path: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        access().admit(&method, path, &map)
    }

    #[test]
    fn tokens_differ_and_only_the_whole_one_is_accepted() {
        let token = Token::random();
        assert_eq!(token.as_str().len(), 32);
        assert_ne!(token.as_str(), Token::random().as_str());
        assert!(token.is(token.as_str()));
        assert!(!token.is("") && !token.is(&token.as_str()[..31]));
        assert!(!token.is(&format!("{}x", token.as_str())));
        assert!(!token.is(&token.as_str().to_uppercase().replace(['A', 'B', 'C'], "x")));
    }

    #[test]
    fn request_needs_the_token_in_its_path() {
        let host = [("host", "127.0.0.1:8080")];
        assert_eq!(admitted(Method::GET, "/secret/", &host), Ok(()));
        assert_eq!(admitted(Method::GET, "/secret/jobs", &host), Ok(()));
        for path in ["/", "", "/secre/", "/secrets/", "/x/secret/", "//secret/"] {
            assert_eq!(admitted(Method::GET, path, &host), Err(Refusal::Token), "{path}");
        }
    }

    #[test]
    fn another_name_that_leads_to_this_machine_is_refused() {
        let get = |host| admitted(Method::GET, "/secret/", &[("host", host)]);
        assert_eq!(get("localhost:8080"), Ok(()));
        for host in
            ["evil.example:8080", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8080.evil.example"]
        {
            assert_eq!(get(host), Err(Refusal::Host), "{host}");
        }
        assert_eq!(admitted(Method::GET, "/secret/", &[]), Err(Refusal::Host));
    }

    #[test]
    fn post_from_another_site_or_of_unknown_origin_is_refused() {
        let post = |headers: &[(&str, &str)]| {
            let host = [("host", "127.0.0.1:8080")];
            admitted(Method::POST, "/secret/hold", &[&host, headers].concat())
        };
        let own = ("origin", "http://127.0.0.1:8080");
        for headers in [
            &[own][..],
            &[own, ("sec-fetch-site", "same-origin")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(post(headers), Ok(()), "{headers:?}");
        }
        for headers in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:9090")],
            &[("origin", "https://127.0.0.1:8080")],
            &[("origin", "http://evil.example")],
            &[own, ("sec-fetch-site", "same-site")],
            &[own, ("sec-fetch-site", "cross-site")],
            &[own, ("sec-fetch-site", "none")],
            &[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(post(headers), Err(Refusal::CrossSite), "{headers:?}");
        }
    }

    #[test]
    fn every_response_is_protected_and_an_email_keeps_its_own_policy() {
        let header = |response: &Response, name: &str| {
            response.headers().get(name).unwrap().to_str().unwrap().to_owned()
        };
        let page = protected("page".into_response());
        let policy = header(&page, "content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self' data:",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(header(&page, "cache-control"), "no-store");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        let email = protected(([email_policy()], "email").into_response());
        assert_eq!(email.headers().get_all("content-security-policy").iter().count(), 1);
        let policy = header(&email, "content-security-policy");
        assert!(policy.contains("sandbox") && !policy.contains("script"), "{policy}");
    }
}
