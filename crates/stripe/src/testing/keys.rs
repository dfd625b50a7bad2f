//! Idempotency keys (Stripe API reference, "Idempotent requests").

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

use super::{
    errors::Problem,
    exchange::{Request, Response},
};

/// "You can remove keys from the system automatically after they're at least 24 hours old."
pub const KEPT_FOR: Duration = Duration::hours(24);

/// "Idempotency keys are up to 255 characters long."
const MAX_LENGTH: usize = 255;

#[derive(Debug, Clone)]
struct Saved {
    at: OffsetDateTime,
    path: String,
    params: Vec<(String, String)>,
    /// `None`: the request is in progress.
    response: Option<(String, Response)>,
}

/// The keys of one account. Test mode and live mode have their own.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(HashMap<(bool, String), Saved>);

impl Keys {
    /// The response of a request whose key is known; `None`: it must be executed.
    pub(super) fn find(
        &mut self,
        live: bool,
        key: &str,
        request: &Request,
        now: OffsetDateTime,
    ) -> Option<Response> {
        if key.chars().count() > MAX_LENGTH {
            let message =
                format!("Idempotency-Key is too long; it may be up to {MAX_LENGTH} characters.");
            return Some(Problem::invalid(message).response());
        }
        self.0.retain(|_, saved| now - saved.at < KEPT_FOR);
        let saved = self.0.get(&(live, key.to_owned()))?;
        if saved.path != request.path || saved.params != sorted(request) {
            let same = if saved.path == request.path {
                "with the same parameters they were first used with".to_owned()
            } else {
                format!("for the same endpoint they were first used for ('{}')", saved.path)
            };
            let message = format!(
                "Keys for idempotent requests can only be used {same}. Try using a key other than '{key}' if you meant to execute a different request."
            );
            return Some(Problem::new(400, "idempotency_error", message).response());
        }
        let Some((original, response)) = &saved.response else {
            return Some(in_use(key).response());
        };
        let mut response = response.clone();
        response.headers.push(("Idempotent-Replayed", "true".to_owned()));
        response.headers.push(("Original-Request", original.clone()));
        Some(response)
    }

    /// The request is in progress.
    pub(super) fn begin(&mut self, live: bool, key: &str, request: &Request, now: OffsetDateTime) {
        let (path, params) = (request.path.clone(), sorted(request));
        let saved = Saved { at: now, path, params, response: None };
        self.0.insert((live, key.to_owned()), saved);
    }

    /// The request was executed: its response is given again. `None`: it is not saved.
    pub(super) fn finish(&mut self, live: bool, key: &str, response: Option<(String, Response)>) {
        let key = (live, key.to_owned());
        match (response, self.0.get_mut(&key)) {
            (Some(response), Some(saved)) => saved.response = Some(response),
            _ => drop(self.0.remove(&key)),
        }
    }
}

/// "If […] the request conflicts with another request that's executing concurrently, we don't save the
/// idempotent result."
pub(super) fn in_use(key: &str) -> Problem {
    let message = format!(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
    );
    Problem::new(409, "invalid_request_error", message).code("idempotency_key_in_use")
}

fn sorted(request: &Request) -> Vec<(String, String)> {
    let mut params = request.params.clone();
    params.sort();
    params
}
