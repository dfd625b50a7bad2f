//! An event of API Gateway (payload format 2.0) as a request to the router, and the response back.
//!
//! The route of a request is the one that API Gateway matched and authorised: `routeKey`, with the values
//! of `pathParameters`. `rawPath` does not decide: API Gateway decodes it, so that `/courses/a%2Fb` looks
//! like another path, and behind a custom domain it may begin with the API mapping's key. (API Gateway
//! Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" and "Map HTTP API stages to a
//! custom domain name".)
//!
//! `lambda_http` routes by `rawPath`, and panics on a query, a host or a body that is not valid.

#[cfg(test)]
pub(super) mod tests;

use std::{collections::BTreeMap, fmt::Write};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use enrollment::fields::FieldErrors;
use lambda_runtime::{Diagnostic, LambdaEvent, tower::ServiceExt};
use serde::{Deserialize, Serialize};

use super::jsend::ApiResponse;

/// The route key of an API without routes, of a function URL, and of `cargo lambda watch`: nothing was
/// matched, so the path decides.
const DEFAULT_ROUTE: &str = "$default";

/// The method of a route that takes all methods.
const ANY_METHOD: &str = "ANY";

/// The fields that are read. All are optional, so that an event of another source gets an error that
/// names the right one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayEvent {
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
}

#[derive(Debug, Deserialize)]
struct HttpDescription {
    method: String,
}

/// The response in payload format 2.0.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
    /// Always empty; `cargo lambda watch` requires it.
    cookies: [(); 0],
}

/// `Err` means that the function is connected to something that is not an HTTP API with payload
/// format 2.0. Everything that a client can cause has a response.
pub async fn handle(
    router: &Router,
    event: LambdaEvent<GatewayEvent>,
) -> Result<GatewayResponse, Diagnostic> {
    let LambdaEvent { payload, context } = event;
    let route = Route::of(&payload)?;
    let response = match request(route, payload) {
        Ok(mut request) => {
            let trace_id = context.xray_trace_id.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(trace_id)) = trace_id {
                request.headers_mut().insert("x-amzn-trace-id", trace_id);
            }
            request.extensions_mut().insert(context);
            let Ok(response) = router.clone().oneshot(request).await;
            response
        }
        Err(refusal) => refusal.into_response(),
    };
    GatewayResponse::read(response).await
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
            return Err(unsupported(
                "this function takes events of an API Gateway HTTP API with payload format 2.0; an \
                 event of a REST API, a load balancer, a queue or a schedule is not one",
            ));
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

fn unsupported(message: &str) -> Diagnostic {
    Diagnostic { error_type: "UnsupportedEvent".to_owned(), error_message: message.to_owned() }
}

fn request(route: Route, event: GatewayEvent) -> Result<Request, ApiResponse> {
    let path = match route.path {
        RoutePath::Template(template) => {
            filled(&template, &event.path_parameters.unwrap_or_default())?
        }
        RoutePath::Raw(path) => encoded_path(&path),
    };
    let mut request = Request::new(body(event.body, event.is_base64_encoded.unwrap_or(false))?);
    *request.method_mut() = Method::from_bytes(route.method.as_bytes())
        .map_err(|_| bad_request("method", "is not a method of HTTP"))?;
    *request.uri_mut() = uri(path, event.raw_query_string.as_deref().unwrap_or_default())?;
    *request.headers_mut() = headers(event.headers.unwrap_or_default())?;
    Ok(request)
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

fn headers(named: BTreeMap<String, String>) -> Result<HeaderMap, ApiResponse> {
    named
        .into_iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| bad_request("headers", "have a name or a value that HTTP does not allow"))
}

fn body(text: Option<String>, is_base64: bool) -> Result<Body, ApiResponse> {
    let text = text.unwrap_or_default();
    if !is_base64 {
        return Ok(Body::from(text));
    }
    aws_smithy_types::base64::decode(text)
        .map(Body::from)
        .map_err(|_| bad_request("body", "is not base64, as the event says"))
}

impl GatewayResponse {
    async fn read(response: Response) -> Result<Self, Diagnostic> {
        let (parts, body) = response.into_parts();
        // The API's own responses, which are whole already.
        let bytes = to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|values| {
                    values.push_str(", ");
                    values.push_str(&value);
                })
                .or_insert_with(|| value.clone().into_owned());
        }
        Ok(Self {
            status_code: parts.status.as_u16(),
            headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            is_base64_encoded: false,
            cookies: [],
        })
    }
}
