//! What tests and people do to the stand-in over HTTP, under `/_test/`. Parameters are a query or a form.
//!
//! | request | parameters |
//! |---|---|
//! | `POST authenticate` | `intent` or `client_secret`, `success` |
//! | `POST confirm` | `client_secret`, `payment_method`: the student pays on the screen |
//! | `POST settle` | `intent`, `success`: of an intent that is processing |
//! | `POST settle-refund`, `POST fail-refund` | `refund`; `reason` |
//! | `POST refund-in-dashboard` | `intent`, `amount`: all that is left without it |
//! | `POST dispute`, `POST close-dispute` | `intent`; `dispute` with `status` |
//! | `POST clock` | `advance`, in seconds |
//! | `POST faults` | `fault`; `method` with `path`; `name` with `value` of the metadata; `times`, 0 for always |
//! | `POST clear-faults`, `POST ping` | |
//! | `POST webhook` | `url`, `secret` |
//! | `GET counts` | `name` and `value` of the metadata |
//! | `GET events` | |
//!
//! A test in the process of the server has [`Account`] itself.

use serde_json::{Value, json};
use time::Duration;

use super::{
    account::Account,
    exchange::{Request, Response},
    faults::{Fault, Rule},
};

/// The path's beginning.
pub(super) const PREFIX: &str = "/_test/";

/// Handles a request under [`PREFIX`]: 200 with what was done, 404 if there was nothing to do, 400 for
/// a parameter that cannot be read.
pub(super) fn handle(account: &mut Account, request: &Request) -> Response {
    match act(account, request) {
        Ok(Value::Bool(false)) => Response::new(404, &json!({"done": false})),
        Ok(Value::Bool(true)) => Response::new(200, &json!({"done": true})),
        Ok(body) => Response::new(200, &body),
        Err(message) => Response::new(400, &json!({"error": message})),
    }
}

fn act(account: &mut Account, request: &Request) -> Result<Value, String> {
    let text = |name: &str| request.param(name).ok_or_else(|| format!("{name} is missing"));
    let success = request.param("success") != Some("false");
    let done = match request.path.strip_prefix(PREFIX).unwrap_or_default() {
        "authenticate" => {
            let secret = request.param("client_secret").and_then(|s| s.split("_secret_").next());
            let intent = secret.map_or_else(|| text("intent"), Ok)?;
            account.authenticate(intent, success)
        }
        "confirm" => {
            let (secret, method) = (text("client_secret")?, text("payment_method")?);
            let response = account.confirm_on_screen(secret, method);
            return Ok(response.map_or(Value::Bool(false), |response| response.json()));
        }
        "settle" => account.settle(text("intent")?, success),
        "settle-refund" => account.settle_refund(text("refund")?),
        "fail-refund" => {
            let reason = request.param("reason").unwrap_or("expired_or_canceled_card");
            account.fail_refund(text("refund")?, reason)
        }
        "refund-in-dashboard" => {
            let part = request.param("amount").map(number).transpose()?;
            account.refund_in_dashboard(text("intent")?, part)
        }
        "dispute" => {
            let dispute = account.dispute(text("intent")?);
            return Ok(dispute.map_or(Value::Bool(false), |id| json!({"dispute": id})));
        }
        "close-dispute" => account.close_dispute(text("dispute")?, text("status")?),
        "clock" => {
            account.advance(Duration::seconds(number(text("advance")?)?));
            true
        }
        "faults" => {
            account.inject(rule(request)?);
            true
        }
        "clear-faults" => {
            account.clear_faults();
            true
        }
        "ping" => {
            account.ping();
            true
        }
        "counts" => {
            let counts = account.counts(text("name")?, text("value")?);
            return Ok(json!({
                "intents": counts.intents,
                "confirmations": counts.confirmations,
                "charges": counts.charges,
                "kept": counts.kept,
                "refunds": counts.refunds,
            }));
        }
        "events" => {
            let events = account.events().iter();
            return Ok(events
                .filter_map(|event| serde_json::from_str::<Value>(&event.body).ok())
                .collect());
        }
        path => return Err(format!("nothing is at {path}")),
    };
    Ok(Value::Bool(done))
}

fn rule(request: &Request) -> Result<Rule, String> {
    let mut rule = Rule::next(fault(request.param("fault").unwrap_or_default())?);
    if let (Some(method), Some(path)) = (request.param("method"), request.param("path")) {
        rule = rule.on(method, path);
    }
    if let (Some(name), Some(value)) = (request.param("name"), request.param("value")) {
        rule = rule.about(name, value);
    }
    Ok(match request.param("times").map(number).transpose()? {
        None => rule,
        Some(0) => rule.always(),
        Some(times) => rule.times(times),
    })
}

fn fault(text: &str) -> Result<Fault, String> {
    text.parse().map_err(|error: super::faults::NotAFault| error.to_string())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
