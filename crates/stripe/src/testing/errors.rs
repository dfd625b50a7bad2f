//! Errors as Stripe writes them (Stripe API reference, "Errors").

use serde_json::{Value, json};

use super::exchange::Response;

/// A response that is not a success.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: u16,
    error: Value,
    /// Whether the endpoint's execution had begun: then the response is saved under the idempotency
    /// key, and otherwise not (Stripe API reference, "Idempotent requests").
    pub(super) executed: bool,
}

impl Problem {
    /// Of that type: `api_error`, `card_error`, `idempotency_error` or `invalid_request_error`.
    pub(super) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let error = json!({"type": kind, "message": message.into()});
        Self { status, error, executed: false }
    }

    /// Parameters that fail validation.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A state that does not allow the request.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::invalid(message).executed()
    }

    /// An object that does not exist, or only in the other mode (Stripe docs, "Error codes",
    /// `resource_missing`). The status is 404 for an object of the path and 400 for a parameter.
    pub(super) fn missing(status: u16, param: &str, id: &str) -> Self {
        let object = if param == "payment_method" { "PaymentMethod" } else { param };
        Self::new(status, "invalid_request_error", format!("No such {object}: '{id}'"))
            .code("resource_missing")
            .param(param)
            .executed()
    }

    /// The same for an object that exists in the other mode than the key's, if it does.
    pub(super) fn or_other_mode(mut self, exists: bool, live: bool) -> Self {
        let (other, used) = if live { ("test", "live") } else { ("live", "test") };
        if exists && let Some(message) = self.error["message"].as_str() {
            self.error["message"] = json!(format!(
                "{message}; a similar object exists in {other} mode, but a {used} mode key was used to make this request."
            ));
        }
        self
    }

    /// A parameter that must be there.
    pub(super) fn required(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."))
            .code("parameter_missing")
            .param(param)
    }

    pub(super) fn code(mut self, code: &str) -> Self {
        let page = code.replace('_', "-");
        self.error["code"] = json!(code);
        self.error["doc_url"] = json!(format!("https://stripe.com/docs/error-codes/{page}"));
        self
    }

    pub(super) fn param(mut self, param: &str) -> Self {
        self.error["param"] = json!(param);
        self
    }

    /// With another attribute, such as `decline_code` or `payment_intent`.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.error[name] = value;
        self
    }

    pub(super) fn executed(mut self) -> Self {
        self.executed = true;
        self
    }

    pub(super) fn error(&self) -> &Value {
        &self.error
    }

    pub(super) fn response(&self) -> Response {
        Response::new(self.status, &json!({"error": self.error}))
    }

    /// Codes and types: Stripe API reference, "Errors", and Stripe docs, "Rate limits". Limiters run
    /// before the idempotency layer (Stripe docs, "Advanced error handling").
    pub(super) fn rate_limit() -> Self {
        let message = "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.";
        Self::new(429, "invalid_request_error", message).code("rate_limit")
    }

    /// Another request holds the object (Stripe docs, "Rate limits", object lock timeouts). A conflict
    /// with a concurrent request is not saved.
    pub(super) fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request.";
        Self::new(429, "invalid_request_error", message).code("lock_timeout")
    }

    pub(super) fn dependency_failed() -> Self {
        let message = "The request couldn't be completed due to a failure in a dependency external to Stripe.";
        Self::new(424, "invalid_request_error", message).executed()
    }

    pub(super) fn server_error(status: u16) -> Self {
        let message = "An unknown error occurred";
        let problem = Self::new(status, "api_error", message);
        // A 500 is the endpoint's own; 502 to 504 come from a proxy before it, which saves nothing.
        if status == 500 { problem.executed() } else { problem }
    }

    pub(super) fn unauthorized(key: Option<&str>) -> Self {
        let message = match key {
            None => "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').".to_owned(),
            Some(key) => {
                let end = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
                format!("Invalid API Key provided: {}****{end}", key.get(..3).unwrap_or_default())
            }
        };
        Self::new(401, "invalid_request_error", message)
    }

    pub(super) fn forbidden() -> Self {
        let message = "The provided key 'rk_***' does not have the required permissions for this endpoint. Having more permissions would allow this request to continue.";
        Self::new(403, "invalid_request_error", message).code("more_permissions_required")
    }
}
