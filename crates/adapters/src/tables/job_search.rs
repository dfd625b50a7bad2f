//! Table `emails`, searched for an operator: by state, template and recipient.
//!
//! There is no index for it. One would be written with each change of each job, for the sake of a search that
//! is rarely made. So a search reads the table, one bounded page per call, and DynamoDB filters what it returns.

use aws_sdk_dynamodb::Client;
use email::{EmailAddress, JobId, ledger::State};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    item::{Item, read, text},
    recipient::recipient_digest,
};

/// Entries that a call reads. An entry has about 500 bytes, and an eventually consistent read of 4 KB costs half a
/// read unit (DynamoDB Developer Guide, "DynamoDB read and write operations"): about 63 units.
pub const ENTRIES_PER_PAGE: u32 = 1_000;

/// What the jobs of a search have in common. Jobs that were claimed by a release before 0.2 have neither a
/// template nor a recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub state: Option<State>,
    /// The template's name.
    pub template: Option<String>,
    pub recipient: Option<EmailAddress>,
}

/// A job that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundJob {
    #[serde(rename = "job_id")]
    pub id: JobId,
    pub state: State,
    #[serde(default)]
    pub template: Option<String>,
    #[serde(default)]
    pub attempts: u32,
    /// `None` if an event came before any claim.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_attempt_at: Option<OffsetDateTime>,
    #[serde(default)]
    pub error_code: Option<String>,
}

/// A page of a search, which may be empty although a later page is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPage {
    /// In no order.
    pub jobs: Vec<FoundJob>,
    /// Entries that were read for this page.
    pub examined: u32,
    /// Where the next page begins; `None` if this one is the last.
    pub next: Option<JobId>,
}

/// Searches the delivery ledger. Needs `dynamodb:Scan`.
#[derive(Debug, Clone)]
pub struct JobSearch {
    client: Client,
    table: String,
}

impl JobSearch {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Reads up to [`ENTRIES_PER_PAGE`] entries, and returns those that fit the filter. Eventually consistent.
    pub async fn page(
        &self,
        filter: &JobFilter,
        after: Option<&JobId>,
    ) -> Result<JobPage, Unavailable> {
        const SEARCH: &str = "searching the ledger";
        let wanted = [
            ("state", filter.state.map(|state| state.name().to_owned())),
            ("template", filter.template.clone()),
            ("recipient", filter.recipient.as_ref().map(recipient_digest)),
        ];
        let mut scan = self.client.scan().table_name(&self.table);
        let mut conditions = Vec::new();
        for (name, value) in wanted {
            let Some(value) = value else { continue };
            conditions.push(format!("#{name} = :{name}"));
            scan = scan
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), text(value));
        }
        let page = scan
            .set_filter_expression((!conditions.is_empty()).then(|| conditions.join(" AND ")))
            .set_exclusive_start_key(after.map(|id| Item::from([("job_id".to_owned(), text(id))])))
            .limit(i32::try_from(ENTRIES_PER_PAGE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Unavailable::new(SEARCH, error))?;
        let jobs = page.items.unwrap_or_default().into_iter().map(|item| read(SEARCH, item));
        let next = page.last_evaluated_key.and_then(|key| key.get("job_id")?.as_s().ok().cloned());
        Ok(JobPage {
            jobs: jobs.collect::<Result<_, _>>()?,
            examined: u32::try_from(page.scanned_count).unwrap_or_default(),
            next: next.and_then(|id| id.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::scan::ScanOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn search_filters_by_what_was_given_and_continues_after_a_job() {
        let scan = mock!(Client::scan)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                let digest = values[":recipient"].as_s().unwrap();
                request.filter_expression() == Some("#state = :state AND #recipient = :recipient")
                    && values[":state"] == text("sent")
                    && digest.len() == 64
                    && !digest.contains('@')
                    && request.exclusive_start_key().unwrap()["job_id"] == text("a-1")
            })
            .then_output(|| {
                let item = json!({
                    "job_id": "a-2", "state": "sent", "template": "t", "attempts": 1,
                    "last_attempt_at": "1970-01-01T00:00:00Z", "recipient": "digest",
                });
                let item: Item = serde_dynamo::to_item(item).unwrap();
                ScanOutput::builder()
                    .items(item)
                    .scanned_count(9)
                    .last_evaluated_key("job_id", text("a-3"))
                    .build()
            });
        let search = JobSearch::new(mock_client!(aws_sdk_dynamodb, [&scan]), "emails".to_owned());
        let filter = JobFilter {
            state: Some(State::Sent),
            recipient: Some("Ada@example.com".parse().unwrap()),
            template: None,
        };
        let page = search.page(&filter, Some(&"a-1".parse().unwrap())).await.unwrap();
        assert_eq!((page.examined, page.next), (9, Some("a-3".parse().unwrap())));
        assert_eq!(page.jobs.len(), 1);
        assert_eq!(page.jobs[0].template.as_deref(), Some("t"));
        assert_eq!(page.jobs[0].last_attempt_at, Some(OffsetDateTime::UNIX_EPOCH));
    }

    #[tokio::test]
    async fn search_without_a_filter_has_no_expression_and_reads_entries_without_a_claim() {
        let scan = mock!(Client::scan)
            .match_requests(|request| {
                request.filter_expression().is_none()
                    && request.expression_attribute_values().is_none()
            })
            .then_output(|| {
                let item: Item =
                    serde_dynamo::to_item(json!({"job_id": "a-1", "state": "bounced"})).unwrap();
                ScanOutput::builder().items(item).scanned_count(1).build()
            });
        let search = JobSearch::new(mock_client!(aws_sdk_dynamodb, [&scan]), "emails".to_owned());
        let page = search.page(&JobFilter::default(), None).await.unwrap();
        assert_eq!((page.jobs[0].attempts, page.jobs[0].last_attempt_at), (0, None));
        assert_eq!(page.next, None);
    }
}
