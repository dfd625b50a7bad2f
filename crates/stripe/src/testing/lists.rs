//! Lists and expanded objects (Stripe API reference, "Pagination", "List all `PaymentIntents`", "Expanding Responses").

use serde_json::{Value, json};

use super::{
    errors::Problem,
    exchange::Request,
    objects::{self, Intent},
    store::Store,
};

/// `GET /v1/payment_intents`, the newest first.
pub(super) fn payment_intents(
    store: &Store,
    request: &Request,
    live: bool,
) -> Result<Value, Problem> {
    check_names(request)?;
    check_expansions(request, "data.")?;
    let limit = limit(request)?;
    let created = Range::read(request)?;
    let all: Vec<&Intent> =
        store.intents.values().rev().filter(|intent| intent.livemode == live).collect();
    // Any object of the account is a cursor, also one that the filter leaves out.
    let start = match request.param("starting_after") {
        None => 0,
        Some(id) => {
            let at = all.iter().position(|intent| intent.id == id);
            let missing = || Problem::missing(400, "payment_intent", id).param("starting_after");
            at.ok_or_else(missing)? + 1
        }
    };
    let wanted = all[start..].iter().filter(|intent| created.contains(intent.created));
    let mut list = page("/v1/payment_intents", wanted.map(objects::json), limit);
    if let Some(data) = list["data"].as_array_mut() {
        for object in data {
            *object = expand(store, request, object.take());
        }
    }
    Ok(list)
}

/// "Limit can range between 1 and 100, and the default is 10."
pub(super) fn limit(request: &Request) -> Result<usize, Problem> {
    let Some(limit) = request.param("limit") else { return Ok(10) };
    let limit = limit.parse().ok().filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| {
        let problem = Problem::invalid("Invalid integer: limit must be between 1 and 100");
        problem.code("parameter_invalid_integer").param("limit")
    })
}

pub(super) fn page(url: &str, objects: impl Iterator<Item = Value>, limit: usize) -> Value {
    let mut data: Vec<Value> = objects.take(limit + 1).collect();
    let has_more = data.len() > limit;
    data.truncate(limit);
    json!({"object": "list", "data": data, "has_more": has_more, "url": url})
}

/// `GET /v1/payment_intents/:id`, with what the request asks to expand.
pub(super) fn expanded(store: &Store, request: &Request, intent: Value) -> Result<Value, Problem> {
    check_expansions(request, "")?;
    Ok(expand(store, request, intent))
}

fn expand(store: &Store, request: &Request, mut intent: Value) -> Value {
    if request.params.iter().any(|(name, _)| is_expand(name)) {
        let charge = intent["latest_charge"].as_str().and_then(|id| store.charges.get(id));
        intent["latest_charge"] = charge.map_or(Value::Null, objects::json);
    }
    intent
}

/// Only `latest_charge` is expanded here; in a list its path begins with `data.`.
fn check_expansions(request: &Request, prefix: &str) -> Result<(), Problem> {
    let mut paths = request.params.iter().filter(|(name, _)| is_expand(name));
    match paths.find(|(_, path)| path.strip_prefix(prefix) != Some("latest_charge")) {
        None => Ok(()),
        Some((_, path)) => {
            let problem = Problem::invalid(format!("This property cannot be expanded ({path})."));
            Err(problem.param("expand"))
        }
    }
}

fn is_expand(name: &str) -> bool {
    name.starts_with("expand[")
}

/// The parameters that are used here; Stripe has others.
fn check_names(request: &Request) -> Result<(), Problem> {
    let known = |name: &str| {
        is_expand(name)
            || name.starts_with("created[")
            || ["limit", "starting_after"].contains(&name)
    };
    match request.params.iter().find(|(name, _)| !known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let problem = Problem::invalid(format!("Received unknown parameter: {name}"));
            Err(problem.code("parameter_unknown").param(name))
        }
    }
}

/// Of `created`, in seconds since 1970.
struct Range {
    from: i64,
    until: i64,
}

impl Range {
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut range = Self { from: i64::MIN, until: i64::MAX };
        for (name, value) in &request.params {
            let Some(bound) = name.strip_prefix("created[") else { continue };
            let invalid = || {
                let problem = Problem::invalid(format!("Invalid integer: {value}"));
                problem.code("parameter_invalid_integer").param(name)
            };
            let at: i64 = value.parse().map_err(|_| invalid())?;
            match bound {
                "gte]" => range.from = at,
                "gt]" => range.from = at + 1,
                "lt]" => range.until = at,
                "lte]" => range.until = at + 1,
                _ => return Err(invalid()),
            }
        }
        Ok(range)
    }

    fn contains(&self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::super::account::Account;
    use super::*;

    const KEY: &str = "sk_test_1";

    fn get(account: &mut Account, params: &[(&str, &str)]) -> (u16, Value) {
        let mut request = Request::get("/v1/payment_intents").api_key(KEY);
        request.params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let response = account.handle(&request).unwrap();
        (response.status, response.json())
    }

    #[test]
    fn wrong_parameter_is_named() {
        let mut account = Account::new(KEY, OffsetDateTime::UNIX_EPOCH);
        for (name, value, named) in [
            ("limit", "0", "limit"),
            ("limit", "101", "limit"),
            ("limit", "ten", "limit"),
            ("starting_after", "pi_unknown", "starting_after"),
            ("created[gte]", "yesterday", "created[gte]"),
            ("created[after]", "1", "created[after]"),
            ("expand[]", "latest_charge", "expand"),
            ("status", "succeeded", "status"),
        ] {
            let (status, body) = get(&mut account, &[(name, value)]);
            assert_eq!((status, body["error"]["param"].as_str()), (400, Some(named)), "{value}");
        }
    }
}
