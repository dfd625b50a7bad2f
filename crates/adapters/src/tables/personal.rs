//! What the tables keep about one student, item by item as it is stored: also what no version of the code can read.

use aws_sdk_dynamodb::Client;
use email::{EmailAddress, JobId};
use enrollment::StudentId;
use serde::de::DeserializeOwned;
use unavailable::Unavailable;

use super::{
    item::{Item, get, read, text},
    job_search::ENTRIES_PER_PAGE,
    recipient::recipient_digest,
};

/// A page of the ledger, which may be empty although a later page is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPage<T> {
    /// In no order.
    pub entries: Vec<T>,
    /// Where the next page begins; `None` if this one is the last.
    pub next: Option<JobId>,
}

/// The tables of enrollments and of emails, read only. Needs `dynamodb:Query` on the first, and `dynamodb:GetItem` and
/// `dynamodb:Scan` on the second.
#[derive(Debug, Clone)]
pub struct PersonalData {
    client: Client,
    enrollments: String,
    emails: String,
}

impl PersonalData {
    pub fn new(client: Client, enrollments: String, emails: String) -> Self {
        Self { client, enrollments, emails }
    }

    /// Every enrollment of a student, with every write so far.
    pub async fn enrollments_of<T: DeserializeOwned>(
        &self,
        student_id: &StudentId,
    ) -> Result<Vec<T>, Unavailable> {
        const READ: &str = "reading a student's enrollments";
        let query = self
            .client
            .query()
            .table_name(&self.enrollments)
            .consistent_read(true)
            .key_condition_expression("student_id = :student")
            .expression_attribute_values(":student", text(student_id));
        let mut items = query.into_paginator().items().send();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(read(READ, item.map_err(|error| Unavailable::new(READ, error))?)?);
        }
        Ok(all)
    }

    /// A job's entry in the ledger. `None` if no worker has claimed it, or if its entry has expired.
    pub async fn ledger_entry<T: DeserializeOwned>(
        &self,
        job_id: &JobId,
    ) -> Result<Option<T>, Unavailable> {
        let item = self.client.get_item().table_name(&self.emails).key("job_id", text(job_id));
        get("reading a job's entry", item).await
    }

    /// Reads up to [`ENTRIES_PER_PAGE`] entries of the ledger, and returns those of a recipient. There is no index for
    /// it, and there are no addresses: DynamoDB compares the digests.
    pub async fn ledger_entries_to<T: DeserializeOwned>(
        &self,
        recipient: &EmailAddress,
        after: Option<&JobId>,
    ) -> Result<StoredPage<T>, Unavailable> {
        const SEARCH: &str = "searching the ledger";
        let page = self
            .client
            .scan()
            .table_name(&self.emails)
            .consistent_read(true)
            .filter_expression("#recipient = :recipient")
            .expression_attribute_names("#recipient", "recipient")
            .expression_attribute_values(":recipient", text(recipient_digest(recipient)))
            .set_exclusive_start_key(after.map(|id| Item::from([("job_id".to_owned(), text(id))])))
            .limit(i32::try_from(ENTRIES_PER_PAGE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Unavailable::new(SEARCH, error))?;
        let entries = page.items.unwrap_or_default().into_iter().map(|item| read(SEARCH, item));
        let next = page.last_evaluated_key.map(|key| {
            let id = key.get("job_id").and_then(|id| id.as_s().ok()).and_then(|id| id.parse().ok());
            id.ok_or_else(|| {
                Unavailable::new(SEARCH, "the ledger has a key that is not a job's id")
            })
        });
        Ok(StoredPage { entries: entries.collect::<Result<_, _>>()?, next: next.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::{query::QueryOutput, scan::ScanOutput};
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use serde_json::{Value, json};

    use super::*;

    fn data(rules: &[&Rule]) -> PersonalData {
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
        PersonalData::new(client, "enrollments".to_owned(), "emails".to_owned())
    }

    fn item(value: Value) -> Item {
        serde_dynamo::to_item(value).unwrap()
    }

    #[tokio::test]
    async fn every_page_of_a_students_enrollments_is_read_as_it_is_stored() {
        let page = |after: Option<&'static str>, course: &'static str, is_last: bool| {
            mock!(Client::query)
                .match_requests(move |request| {
                    let start = request.exclusive_start_key();
                    request.consistent_read() == Some(true)
                        && request.key_condition_expression() == Some("student_id = :student")
                        && request.expression_attribute_values().unwrap()[":student"] == text("s-1")
                        && start.map(|key| key["course_id"].as_s().unwrap().as_str()) == after
                })
                .then_output(move || {
                    let found = item(json!({"student_id": "s-1", "course_id": course, "odd": [1]}));
                    let last = item(json!({"student_id": "s-1", "course_id": course}));
                    QueryOutput::builder()
                        .items(found)
                        .set_last_evaluated_key((!is_last).then_some(last))
                        .build()
                })
        };
        let (first, second) = (page(None, "a", false), page(Some("a"), "b", true));
        let found: Vec<Value> =
            data(&[&first, &second]).enrollments_of(&"s-1".parse().unwrap()).await.unwrap();
        let expected = |course: &str| json!({"student_id": "s-1", "course_id": course, "odd": [1]});
        assert_eq!(found, [expected("a"), expected("b")]);
    }

    #[tokio::test]
    async fn ledger_is_searched_by_the_digest_of_the_address_from_page_to_page() {
        let scan = mock!(Client::scan)
            .match_requests(|request| {
                let digest = &request.expression_attribute_values().unwrap()[":recipient"];
                digest.as_s().unwrap().len() == 64
                    && request.exclusive_start_key().unwrap()["job_id"] == text("a-1")
            })
            .then_output(|| {
                ScanOutput::builder()
                    .items(item(json!({"job_id": "a-2", "state": "of a later version"})))
                    .last_evaluated_key("job_id", text("a-3"))
                    .build()
            });
        let ada = "Ada@example.com".parse().unwrap();
        let page =
            data(&[&scan]).ledger_entries_to::<Value>(&ada, Some(&"a-1".parse().unwrap())).await;
        let page = page.unwrap();
        assert_eq!(page.entries, [json!({"job_id": "a-2", "state": "of a later version"})]);
        assert_eq!(page.next, Some("a-3".parse().unwrap()));
    }
}
