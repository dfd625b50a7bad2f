//! DynamoDB: the ledger's table with the partition key `job_id`, by `UpdateItem`. The other tables, of
//! holds and of suppressions, are empty.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::expression::{self, Item, NotUnderstood, Scope};
use crate::{Clock, http::Answer, locked};

/// The ledger's name.
pub(crate) const LEDGER: &str = "emails";

/// A job's state changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Duration,
    /// Which job's.
    pub job_id: String,
    /// To which state.
    pub state: String,
}

/// The delivery ledger's table.
#[derive(Debug)]
pub struct Table {
    clock: Clock,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    items: HashMap<String, Item>,
    changes: Vec<Change>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, contents: Mutex::default() }
    }

    /// Every change of any job's state, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.contents().changes.clone()
    }

    /// Ends the claims of an invocation that has died, as if the time had come: what takes a minute
    /// and more on AWS takes none here.
    pub fn end_claims(&self, request_id: &str) {
        for item in self.contents().items.values_mut() {
            let token = item.get("claim_token").and_then(|token| token["S"].as_str());
            let of_invocation = token.is_some_and(|token| {
                token.strip_prefix(request_id).is_some_and(|rest| rest.starts_with('/'))
            });
            if of_invocation {
                item.insert("claimed_until".to_owned(), json!({"N": "0"}));
            }
        }
    }

    pub(super) fn answer(&self, operation: &str, request: &Value) -> Answer {
        if request["TableName"] != LEDGER {
            return match operation {
                "GetItem" => Answer::ok(&json!({})),
                _ => Answer::not_known(operation),
            };
        }
        let Some(job_id) = request["Key"]["job_id"]["S"].as_str() else {
            return Answer::not_known("a request without a job_id");
        };
        match operation {
            "UpdateItem" => self
                .update(job_id, request)
                .unwrap_or_else(|NotUnderstood(what)| Answer::not_known(&what)),
            _ => Answer::not_known(operation),
        }
    }

    fn update(&self, job_id: &str, request: &Value) -> Result<Answer, NotUnderstood> {
        let scope = Scope {
            names: &request["ExpressionAttributeNames"],
            values: &request["ExpressionAttributeValues"],
        };
        let mut contents = self.contents();
        let before = contents.items.get(job_id).cloned().unwrap_or_default();
        if let Some(condition) = request["ConditionExpression"].as_str()
            && !expression::holds(condition, scope, &before)?
        {
            return Ok(refusal(&before));
        }
        let update = request["UpdateExpression"].as_str().unwrap_or_default();
        let mut after = expression::updated(update, scope, &before)?;
        after.insert("job_id".to_owned(), json!({"S": job_id}));
        if let Some(state) = after.get("state").filter(|&state| before.get("state") != Some(state))
        {
            let state = state["S"].as_str().unwrap_or_default().to_owned();
            let change = Change { at: self.clock.now(), job_id: job_id.to_owned(), state };
            contents.changes.push(change);
        }
        let answer = match request["ReturnValues"].as_str() {
            Some("ALL_NEW") => json!({"Attributes": after}),
            _ => json!({}),
        };
        contents.items.insert(job_id.to_owned(), after);
        Ok(Answer::ok(&answer))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

fn refusal(item: &Item) -> Answer {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": item,
    });
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(table: &Table, token: &str) -> Answer {
        let request = json!({
            "TableName": LEDGER,
            "Key": {"job_id": {"S": "a"}},
            "UpdateExpression": "SET #state = :sending, claim_token = :token, claimed_until = :until",
            "ConditionExpression": "attribute_not_exists(job_id) OR claimed_until <= :now",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":sending": {"S": "sending"}, ":token": {"S": token},
                ":until": {"N": "9"}, ":now": {"N": "1"},
            },
        });
        table.answer("UpdateItem", &request)
    }

    #[test]
    fn a_claim_in_force_is_respected_until_its_invocation_dies() {
        let table = Table::new(Clock::start());
        assert!(claim(&table, "r-1/m").is_ok());
        assert!(!claim(&table, "r-10/m").is_ok());
        table.end_claims("r-10");
        assert!(!claim(&table, "r-10/m").is_ok());
        table.end_claims("r-1");
        assert!(claim(&table, "r-10/m").is_ok());
        assert_eq!(table.changes().len(), 1, "sending is one state, whoever has the claim");
    }
}
