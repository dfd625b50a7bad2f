//! DynamoDB: `UpdateItem` and `GetItem` on the ledger's table, whose partition key is `job_id`. The tables of holds and of
//! suppressions are empty.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{
    expression::{self, Item, Scope, Unsupported},
    units::Units,
};
use crate::{Clock, http::HttpResponse, lock::locked};

/// The name of the ledger's table.
pub const LEDGER: &str = "emails";

/// A change of a job's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The time of the change.
    pub at: Duration,
    /// The job.
    pub job_id: String,
    /// The new state.
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
    units: Units,
}

impl Table {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, contents: Mutex::default() }
    }

    /// Every change of a job's state, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        self.contents().changes.clone()
    }

    /// The request units that DynamoDB bills for the calls since the last time, of all three tables.
    pub fn take_units(&self) -> Units {
        std::mem::take(&mut self.contents().units)
    }

    /// Ends the claims of an invocation that has died. On AWS they end after a minute or more.
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

    pub(super) fn respond(&self, operation: &str, request: &Value) -> HttpResponse {
        if request["TableName"] != LEDGER {
            return match operation {
                "GetItem" => self.found(request, None),
                _ => HttpResponse::not_implemented(operation),
            };
        }
        let Some(job_id) = request["Key"]["job_id"]["S"].as_str() else {
            return HttpResponse::not_implemented("a request without a job_id");
        };
        match operation {
            "GetItem" => {
                let item = self.contents().items.get(job_id).cloned();
                self.found(request, item)
            }
            "UpdateItem" => self
                .update(job_id, request)
                .unwrap_or_else(|Unsupported(what)| HttpResponse::not_implemented(&what)),
            _ => HttpResponse::not_implemented(operation),
        }
    }

    fn found(&self, request: &Value, item: Option<Item>) -> HttpResponse {
        self.contents().units.read(request, item.as_ref());
        HttpResponse::ok(&item.map_or(json!({}), |item| json!({"Item": item})))
    }

    fn update(&self, job_id: &str, request: &Value) -> Result<HttpResponse, Unsupported> {
        let scope = Scope {
            names: &request["ExpressionAttributeNames"],
            values: &request["ExpressionAttributeValues"],
        };
        let mut contents = self.contents();
        let before = contents.items.get(job_id).cloned().unwrap_or_default();
        if let Some(condition) = request["ConditionExpression"].as_str()
            && !expression::holds(condition, scope, &before)?
        {
            contents.units.write(&before, &Item::new());
            return Ok(condition_failed(&before));
        }
        let update = request["UpdateExpression"].as_str().unwrap_or_default();
        let mut after = expression::updated(update, scope, &before)?;
        after.insert("job_id".to_owned(), json!({"S": job_id}));
        contents.units.write(&before, &after);
        if let Some(state) = after.get("state").filter(|&state| before.get("state") != Some(state))
        {
            let state = state["S"].as_str().unwrap_or_default().to_owned();
            let change = Change { at: self.clock.now(), job_id: job_id.to_owned(), state };
            contents.changes.push(change);
        }
        let response = match request["ReturnValues"].as_str() {
            Some("ALL_NEW") => json!({"Attributes": after}),
            _ => json!({}),
        };
        contents.items.insert(job_id.to_owned(), after);
        Ok(HttpResponse::ok(&response))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

fn condition_failed(item: &Item) -> HttpResponse {
    let mut body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    });
    // DynamoDB returns none if there is none.
    if !item.is_empty() {
        body["Item"] = json!(item);
    }
    HttpResponse::json(StatusCode::BAD_REQUEST, &body)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use adapters::tables::EmailsTable;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_sesv2::config::{Credentials, SharedCredentialsProvider};
    use email::testing::contract;

    use super::*;
    use crate::http::{HttpRequest, Server};

    fn claim(table: &Table, token: &str) -> HttpResponse {
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
        table.respond("UpdateItem", &request)
    }

    /// The ledger's adapter against its own expressions, evaluated.
    #[tokio::test]
    async fn ledger_on_dynamodb_keeps_every_rule() {
        let table = Arc::new(Table::new(Clock::start()));
        let server = Server::start(move |request: HttpRequest| {
            let table = table.clone();
            async move {
                let target = request.target.as_deref().unwrap_or_default();
                let (_, operation) = target.split_once('.').unwrap_or_default();
                table.respond(operation, &request.json())
            }
        })
        .await
        .unwrap();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", server.address()))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .build();
        let ledger = EmailsTable::new(adapters::clients::dynamodb(&sdk), LEDGER.to_owned());
        contract::every_rule(&ledger).await.unwrap();
    }

    #[test]
    fn claim_in_force_is_respected_until_its_invocation_dies() {
        let table = Table::new(Clock::start());
        assert!(claim(&table, "r-1/m").is_ok());
        assert!(!claim(&table, "r-10/m").is_ok());
        table.end_claims("r-10");
        assert!(!claim(&table, "r-10/m").is_ok());
        table.end_claims("r-1");
        assert!(claim(&table, "r-10/m").is_ok());
        assert_eq!(table.changes().len(), 1, "a second claim does not change the state");
    }
}
