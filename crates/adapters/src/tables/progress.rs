//! Table `emails`, as operators read it: a job's entry with its claim and its error code, which only workers
//! and operators see.

use aws_sdk_dynamodb::Client;
use email::{JobId, ledger::Entry};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::item::{get, text};

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub entry: Entry,
    /// When the last claim ends, or ended, by itself. `None` if no claim is left.
    pub claimed_until: Option<OffsetDateTime>,
    /// The dead letter's code, if the job is one.
    pub error_code: Option<String>,
}

/// The delivery ledger, read only. Needs `dynamodb:GetItem`.
#[derive(Debug, Clone)]
pub struct ProgressTable {
    client: Client,
    name: String,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(flatten)]
    entry: Entry,
    /// In milliseconds since 1970; 0 after a release.
    #[serde(default)]
    claimed_until: i64,
    #[serde(default)]
    error_code: Option<String>,
}

impl ProgressTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// `None` if no worker has claimed the job, or if its entry has expired.
    pub async fn find(&self, job_id: &JobId) -> Result<Option<Progress>, Unavailable> {
        const READ: &str = "reading a job's progress";
        let item = self.client.get_item().table_name(&self.name).key("job_id", text(job_id));
        let Some(Stored { entry, claimed_until, error_code }) = get(READ, item).await? else {
            return Ok(None);
        };
        let at = |milliseconds: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
                .map_err(|error| Unavailable::new(READ, error))
        };
        let claimed_until = (claimed_until > 0).then(|| at(claimed_until)).transpose()?;
        Ok(Some(Progress { entry, claimed_until, error_code }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use email::ledger::State;
    use serde_json::json;

    use super::*;

    async fn found(item: serde_json::Value) -> Option<Progress> {
        let get = mock!(Client::get_item)
            .match_requests(|request| request.key().unwrap()["job_id"] == text("a-1"))
            .then_output(move || {
                let item = (!item.is_null()).then(|| serde_dynamo::to_item(&item).unwrap());
                GetItemOutput::builder().set_item(item).build()
            });
        let table = ProgressTable::new(mock_client!(aws_sdk_dynamodb, [&get]), "emails".to_owned());
        table.find(&"a-1".parse().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn claim_and_error_code_are_read_with_the_entry() {
        let entry = |state: &str| {
            json!({
                "job_id": "a-1", "state": state, "attempts": 2,
                "first_attempt_at": "1970-01-01T00:00:00Z", "last_attempt_at": "1970-01-01T00:00:00Z",
            })
        };
        let mut claimed = entry("sending");
        claimed["claimed_until"] = json!(5_000);
        let progress = found(claimed).await.unwrap();
        let until = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(5);
        assert_eq!(progress.claimed_until, Some(until));
        assert_eq!((progress.entry.state, progress.entry.attempts), (State::Sending, 2));

        let mut released = entry("sending");
        released["claimed_until"] = json!(0);
        assert_eq!(found(released).await.unwrap().claimed_until, None);

        let mut failed = entry("failed");
        failed["error_code"] = json!("MessageRejected");
        let progress = found(failed).await.unwrap();
        assert_eq!(progress.error_code.as_deref(), Some("MessageRejected"));

        assert_eq!(found(serde_json::Value::Null).await, None);
    }
}
