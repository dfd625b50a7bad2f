//! An event of API Gateway (payload format 2.0) as a request to the router, and the response back.
//!
//! The route of a request is the one that API Gateway matched and authorised: `routeKey`, with the values
//! of `pathParameters`. `rawPath` does not decide: API Gateway decodes it, so that `/courses/a%2Fb` looks
//! like another path, and behind a custom domain it may begin with the API mapping's key. (API Gateway
//! Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" and "Map HTTP API stages to a
//! custom domain name".)
//!
//! `lambda_http` routes by `rawPath`, and panics on a query, a host or a body that is not valid. So the
//! event is checked first, and its path is replaced by that of the route.

#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(super) mod tests;

use std::{collections::BTreeMap, fmt::Write};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, uri::PathAndQuery},
    response::IntoResponse,
};
use enrollment::{claims::Claims, fields::FieldErrors};
use invocation::trace::{self, TraceHeader};
use lambda_http::{
    Adapter, Request,
    request::LambdaRequest,
    service_fn,
    tower::{Service, ServiceExt},
};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument;

use super::{caller::Caller, jsend::ApiResponse, span};

/// The route key of an API without routes, of a function URL, and of `cargo lambda watch`: nothing was
/// matched, so the path decides.
const DEFAULT_ROUTE: &str = "$default";

/// The method of a route that takes all methods.
const ANY_METHOD: &str = "ANY";

/// The fields that are checked before `lambda_http` reads the event. All are optional, so that an event of
/// another source gets an error that names the right one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GatewayEvent {
    version: Option<String>,
    route_key: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    path_parameters: Option<BTreeMap<String, String>>,
    request_context: Option<RequestContext>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestContext {
    http: Option<HttpDescription>,
    authorizer: Option<Authorizer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Authorizer {
    iam: Option<IamPrincipal>,
    jwt: Option<VerifiedToken>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VerifiedToken {
    claims: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IamPrincipal {
    user_arn: Option<String>,
}

impl GatewayEvent {
    /// Only API Gateway writes it: nothing of it comes from the client.
    fn caller(&self) -> Caller {
        let context = self.request_context.as_ref();
        let Some(authorizer) = context.and_then(|context| context.authorizer.as_ref()) else {
            return Caller::Unnamed;
        };
        match (&authorizer.iam, &authorizer.jwt) {
            (None, None) => Caller::Unnamed,
            (Some(principal), None) => {
                Caller::Signed(principal.user_arn.as_ref().and_then(|arn| arn.parse().ok()))
            }
            (None, Some(token)) => Caller::Token(Claims::new(token.claims.clone())),
            (Some(_), Some(_)) => Caller::Contradictory,
        }
    }
}

#[derive(Debug, Deserialize)]
struct HttpDescription {
    method: String,
}

/// Handles one event, and returns the response in payload format 2.0.
///
/// `Err` means that the function is connected to something that is not an HTTP API with payload
/// format 2.0. Everything that a client can cause has a response.
pub async fn handle(router: &Router, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let LambdaEvent { mut payload, context } = event;
    let checked = GatewayEvent::deserialize(&payload).map_err(|_| not_an_http_api())?;
    let route = Route::of(&checked)?;
    let target = Target::of(route, &checked);
    // Of a request that is refused, nothing is read.
    target.as_ref().unwrap_or(&Target::default()).write(&mut payload);
    let request: LambdaRequest = serde_json::from_value(payload).map_err(|_| not_an_http_api())?;
    let (uri, caller) = (target.map(|target| target.uri), checked.caller());
    let service = service_fn(|mut request: Request| {
        let (router, uri, caller) = (router.clone(), uri.clone(), caller.clone());
        async move {
            match uri {
                Ok(uri) => {
                    *request.uri_mut() = uri;
                    request.extensions_mut().insert(caller);
                    router.oneshot(request).await
                }
                Err(refusal) => Ok(refusal.into_response()),
            }
        }
    });
    let trace = context.xray_trace_id.as_deref().and_then(TraceHeader::parse);
    let route = checked.route_key.as_deref().unwrap_or(DEFAULT_ROUTE);
    let span = span::request(route, trace.as_ref());
    let call = Adapter::from(service).call(LambdaEvent::new(request, context));
    let Ok(response) = trace::within(trace, call).instrument(span).await;
    serde_json::to_value(response).map_err(|error| error.to_string().into())
}

/// What decides the handler.
struct Route {
    method: String,
    path: RoutePath,
}

enum RoutePath {
    /// The path of a route key, such as `/courses/{course_id}`.
    Template(String),
    /// The path of the request.
    Raw(String),
}

impl Route {
    fn of(event: &GatewayEvent) -> Result<Self, Diagnostic> {
        let http = event.request_context.as_ref().and_then(|context| context.http.as_ref());
        let (Some("2.0"), Some(http)) = (event.version.as_deref(), http) else {
            return Err(not_an_http_api());
        };
        let key = event.route_key.as_deref().filter(|key| !key.is_empty());
        let key = key.unwrap_or(DEFAULT_ROUTE);
        if key == DEFAULT_ROUTE {
            let path = event.raw_path.clone().unwrap_or_default();
            return Ok(Self { method: http.method.clone(), path: RoutePath::Raw(path) });
        }
        let (method, path) = key
            .split_once(' ')
            .ok_or_else(|| unsupported("the event's routeKey is not a method and a path"))?;
        let method = if method == ANY_METHOD { &http.method } else { method };
        Ok(Self { method: method.to_owned(), path: RoutePath::Template(path.to_owned()) })
    }
}

fn not_an_http_api() -> Diagnostic {
    unsupported(
        "this function takes events of an API Gateway HTTP API with payload format 2.0; an event of a \
         REST API, a load balancer, a queue or a schedule is not one",
    )
}

fn unsupported(message: &str) -> Diagnostic {
    Diagnostic { error_type: "UnsupportedEvent".to_owned(), error_message: message.to_owned() }
}

/// The request as `lambda_http` is to build it: every part is valid.
struct Target {
    method: String,
    uri: Uri,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

impl Default for Target {
    fn default() -> Self {
        let method = Method::GET.to_string();
        Self { method, uri: Uri::default(), headers: BTreeMap::new(), body: None }
    }
}

impl Target {
    fn of(route: Route, event: &GatewayEvent) -> Result<Self, ApiResponse> {
        let path = match route.path {
            RoutePath::Template(template) => {
                let none = BTreeMap::new();
                filled(&template, event.path_parameters.as_ref().unwrap_or(&none))?
            }
            RoutePath::Raw(path) => encoded_path(&path),
        };
        Method::from_bytes(route.method.as_bytes())
            .map_err(|_| bad_request("method", "is not a method of HTTP"))?;
        let uri = uri(path, event.raw_query_string.as_deref().unwrap_or_default())?;
        let headers = headers(event.headers.clone().unwrap_or_default())?;
        check_body(event)?;
        Ok(Self { method: route.method, uri, headers, body: event.body.clone() })
    }

    /// The URI is not among it: `lambda_http` would resolve `..` in its path, encoded or not.
    fn write(&self, payload: &mut Value) {
        payload["rawPath"] = json!("/");
        payload["rawQueryString"] = json!("");
        payload["headers"] = json!(self.headers);
        payload["body"] = json!(self.body);
        if self.body.is_none() {
            payload["isBase64Encoded"] = json!(false);
        }
        payload["requestContext"]["http"]["method"] = json!(self.method);
        // `lambda_http` makes a URL of the domain, and panics if it is not one.
        payload["requestContext"]["domainName"] = Value::Null;
    }
}

fn bad_request(field: &'static str, why: &str) -> ApiResponse {
    ApiResponse::fail(StatusCode::BAD_REQUEST, field, why)
}

/// The template with its parameters. Every byte of a value is encoded, so that whatever it contains, it
/// stays one segment, and equals no segment of another route.
fn filled(template: &str, values: &BTreeMap<String, String>) -> Result<String, ApiResponse> {
    let mut path = String::new();
    for segment in template.split('/').skip(1) {
        path.push('/');
        let parameter = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let Some(name) = parameter else {
            encode(segment, is_unreserved, &mut path);
            continue;
        };
        // `{name+}` takes the rest of the path, and its value is under `name`.
        let name = name.strip_suffix('+').unwrap_or(name);
        let value = values.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let missing = FieldErrors::from([(name.to_owned().into(), "is missing".into())]);
            ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, missing)
        })?;
        encode(value, |_| false, &mut path);
    }
    Ok(path)
}

/// The path of a request that no route was matched to. `cargo lambda watch` does not decode it, so an
/// escape stays one.
fn encoded_path(raw: &str) -> String {
    let mut path = String::new();
    if !raw.starts_with('/') {
        path.push('/');
    }
    encode(raw, |byte| is_unreserved(byte) || matches!(byte, b'/' | b'%'), &mut path);
    path
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Percent-encodes everything except what is `kept`, which must be ASCII.
fn encode(text: &str, kept: impl Fn(u8) -> bool, out: &mut String) {
    for byte in text.bytes() {
        if kept(byte) {
            out.push(byte.into());
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn uri(path: String, query: &str) -> Result<Uri, ApiResponse> {
    let too_long = |_| ApiResponse::fail(StatusCode::URI_TOO_LONG, "path", "is too long");
    if query.is_empty() {
        return PathAndQuery::try_from(path).map(Uri::from).map_err(too_long);
    }
    let not_a_query = || bad_request("query", "is not the query string of a URI");
    // The parser takes the rest for a fragment and drops it.
    if query.contains('#') {
        return Err(not_a_query());
    }
    let whole = format!("{path}?{query}");
    PathAndQuery::try_from(whole).map(Uri::from).map_err(|_| not_a_query())
}

/// The headers without those of the connection, which the API does not use: they would become part of
/// the same URL.
fn headers(named: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiResponse> {
    let is_valid = |(name, value): (&String, &String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    if !named.iter().all(is_valid) {
        return Err(bad_request("headers", "have a name or a value that HTTP does not allow"));
    }
    let is_of_connection = |name: &str| {
        ["host", "x-forwarded-proto"].iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    Ok(named.into_iter().filter(|(name, _)| !is_of_connection(name)).collect())
}

fn check_body(event: &GatewayEvent) -> Result<(), ApiResponse> {
    let text = event.body.as_deref().filter(|_| event.is_base64_encoded == Some(true));
    match text.map(aws_smithy_types::base64::decode) {
        Some(Err(_)) => Err(bad_request("body", "is not base64, as the event says")),
        _ => Ok(()),
    }
}
