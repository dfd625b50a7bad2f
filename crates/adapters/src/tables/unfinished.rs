//! What the resumer does with the unfinished items of the table `enrollments`, readable or not.

use std::ops::Range;

use aws_sdk_dynamodb::{
    error::SdkError, operation::update_item::UpdateItemError, types::AttributeValue,
};
use enrollment::{
    Enrollment,
    unfinished::{
        Cause, FindOverdue, MakeDue, Overdue, OverdueKey, OverduePage, PutOff, ReadOverdue,
        Unfinished,
    },
};
use serde::Deserialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    enrollments::EnrollmentsTable,
    item::{Item, number, read},
    resume_index::{IndexKey, OTHER_SHARDS, PAYMENT_SHARDS, primary_key},
};

impl From<IndexKey> for OverdueKey {
    fn from(key: IndexKey) -> Self {
        Self { student_id: key.student_id, course_id: key.course_id, resume_at: key.resume_at }
    }
}

fn index_key(key: &OverdueKey) -> IndexKey {
    let OverdueKey { student_id, course_id, resume_at } = key.clone();
    IndexKey { student_id, course_id, resume_at }
}

impl FindOverdue for EnrollmentsTable {
    const PAYMENT_SHARDS: Range<u8> = PAYMENT_SHARDS;
    const OTHER_SHARDS: Range<u8> = OTHER_SHARDS;

    async fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        after: Option<&OverdueKey>,
    ) -> Result<OverduePage, Unavailable> {
        let after = after.map(index_key);
        let page = self.index().page(shard, Some(now), after.as_ref()).await?;
        let keys = page.keys.into_iter().map(OverdueKey::from).collect();
        Ok(OverduePage { keys, next: page.next.map(OverdueKey::from) })
    }
}

impl ReadOverdue for EnrollmentsTable {
    async fn read_overdue(
        &self,
        key: &OverdueKey,
        now: OffsetDateTime,
    ) -> Result<Unfinished, Unavailable> {
        const READ: &str = "reading an unfinished enrollment";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(primary_key(&index_key(key))))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error))?;
        Ok(found.item.map_or(Unfinished::Gone, |item| unfinished(item, key, now)))
    }
}

/// The item's own attributes beside the enrollment. A save or the end of the enrollment removes them.
#[derive(Debug, Deserialize)]
struct Failures {
    #[serde(default)]
    resume_failures: u32,
    /// Seconds since 1970.
    overdue_since: Option<i64>,
}

fn unfinished(item: Item, key: &OverdueKey, now: OffsetDateTime) -> Unfinished {
    let Some(resume_at) = item.get("resume_at").and_then(|at| at.as_n().ok()).cloned() else {
        return Unfinished::Gone;
    };
    // No float is exact, but no clock is either.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have 31 bits")]
    if resume_at.parse::<f64>().is_ok_and(|at| at > now.unix_timestamp() as f64) {
        return Unfinished::Gone;
    }
    let key = OverdueKey { resume_at, ..key.clone() };
    let id = |name: &str| item.get(name)?.as_s().ok().map(String::as_str);
    let enrollment_id = id("id").and_then(read_id);
    let course_id = key.course_id.parse().ok();
    let enrollment = read::<Enrollment>("reading an enrollment", item.clone());
    match (enrollment, read::<Failures>("reading failures", item), key.since()) {
        (Ok(enrollment), Ok(failures), Some(resume_at)) => {
            let since = failures.overdue_since;
            let since = since.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
            let since = since.unwrap_or(resume_at);
            let failures = failures.resume_failures;
            Unfinished::Readable(Overdue { enrollment, key, failures, since })
        }
        // The error is dropped: its text may repeat a value, such as an address.
        _ => Unfinished::Unreadable { enrollment_id, course_id, key },
    }
}

fn read_id(text: &str) -> Option<enrollment::EnrollmentId> {
    serde_dynamo::from_attribute_value(AttributeValue::S(text.to_owned())).ok()
}

impl PutOff for EnrollmentsTable {
    async fn put_off(
        &self,
        key: &OverdueKey,
        until: OffsetDateTime,
        cause: Cause,
    ) -> Result<bool, Unavailable> {
        const WRITE: &str = "putting an enrollment off";
        let cause = match cause {
            Cause::Failures(count) => Some(("resume_failures", number(count))),
            Cause::Outage => None,
            Cause::Unreadable => Some(("unreadable", AttributeValue::Bool(true))),
        };
        let update = "SET resume_at = :until, overdue_since = if_not_exists(overdue_since, :found)";
        let update = match &cause {
            Some((name, _)) => format!("{update}, {name} = :cause"),
            None => update.to_owned(),
        };
        let put_off = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(primary_key(&index_key(key))))
            .update_expression(update)
            .condition_expression("resume_at = :found")
            .expression_attribute_values(":until", number(until.unix_timestamp()))
            .expression_attribute_values(":found", AttributeValue::N(key.resume_at.clone()));
        let put_off = match cause {
            Some((_, value)) => put_off.expression_attribute_values(":cause", value),
            None => put_off,
        };
        match put_off.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }
}

impl MakeDue for EnrollmentsTable {
    async fn make_due(
        &self,
        student_id: &str,
        course_id: &str,
        now: OffsetDateTime,
    ) -> Result<bool, Unavailable> {
        const WRITE: &str = "making an enrollment due";
        let (student_id, course_id) = (student_id.to_owned(), course_id.to_owned());
        let key = IndexKey { student_id, course_id, resume_at: String::new() };
        let made = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(primary_key(&key)))
            .update_expression(
                "SET resume_at = :now REMOVE resume_failures, overdue_since, unreadable",
            )
            .condition_expression("attribute_exists(resume_at)")
            .expression_attribute_values(":now", number(now.unix_timestamp()))
            .send()
            .await;
        match made.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        operation::{get_item::GetItemOutput, update_item::UpdateItemOutput},
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;
    use crate::tables::item::text;

    const ID: &str = "01a21304-1630-7215-83f8-bf1567ec447e";
    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::MINUTE);

    fn table(rule: &Rule) -> EnrollmentsTable {
        EnrollmentsTable::new(
            mock_client!(aws_sdk_dynamodb, [rule]),
            "enrollments".to_owned(),
            "seats".to_owned(),
        )
    }

    fn key() -> OverdueKey {
        OverdueKey {
            student_id: "s-1".to_owned(),
            course_id: "rust-101".to_owned(),
            resume_at: "7".to_owned(),
        }
    }

    fn item() -> Item {
        [
            ("id", ID),
            ("student_id", "s-1"),
            ("email", "ada@example.com"),
            ("name", "Ada"),
            ("course_id", "rust-101"),
            ("course_title", "Rust 101"),
            ("state", "active"),
            ("created_at", "1970-01-01T00:00:00Z"),
        ]
        .map(|(name, value)| (name.to_owned(), text(value)))
        .into_iter()
        .chain(
            [("resume_at", 9), ("version", 0), ("resume_shard", 3)]
                .map(|(name, value)| (name.to_owned(), number(value))),
        )
        .collect()
    }

    fn with(name: &str, value: AttributeValue) -> Item {
        let mut item = item();
        item.insert(name.to_owned(), value);
        item
    }

    fn read_of(item: Item) -> Unfinished {
        unfinished(item, &key(), NOW)
    }

    #[test]
    fn overdue_item_is_read_with_its_failures_and_its_own_resume_at() {
        let mut stored = with("resume_failures", number(4));
        stored.insert("overdue_since".to_owned(), number(5));
        let Unfinished::Readable(overdue) = read_of(stored) else { panic!("it is readable") };
        assert_eq!((overdue.failures, overdue.since.unix_timestamp()), (4, 5));
        assert_eq!(overdue.key, OverdueKey { resume_at: "9".to_owned(), ..key() });
        let Unfinished::Readable(overdue) = read_of(item()) else { panic!("it is readable") };
        assert_eq!((overdue.failures, overdue.since.unix_timestamp()), (0, 9));
    }

    #[test]
    fn item_that_is_finished_or_not_overdue_is_gone() {
        let mut finished = item();
        finished.remove("resume_at");
        assert_eq!(read_of(finished), Unfinished::Gone);
        assert_eq!(read_of(with("resume_at", number(61))), Unfinished::Gone);
    }

    #[test]
    fn unreadable_item_has_the_ids_that_can_be_read() {
        let ids = |item| match unfinished(item, &key(), NOW) {
            Unfinished::Unreadable { enrollment_id, course_id, key } => {
                (enrollment_id.map(|id| id.to_string()), course_id.is_some(), key.resume_at)
            }
            other => panic!("{other:?}"),
        };
        let at = "9".to_owned();
        assert_eq!(ids(with("email", text("ada"))), (Some(ID.to_owned()), true, at.clone()));
        assert_eq!(ids(with("id", number(1))), (None, true, at.clone()));
        assert_eq!(ids(with("state", text("unheard of"))), (Some(ID.to_owned()), true, at.clone()));
        assert_eq!(ids(with("resume_failures", text("x"))), (Some(ID.to_owned()), true, at));
        assert_eq!(ids(with("resume_at", number("9.5"))).2, "9.5");
        let odd = OverdueKey { course_id: "not a course".to_owned(), ..key() };
        let Unfinished::Unreadable { course_id, .. } =
            unfinished(Item::from([("resume_at".to_owned(), number(9))]), &odd, NOW)
        else {
            panic!("it is not readable")
        };
        assert_eq!(course_id, None);
    }

    #[tokio::test]
    async fn read_is_consistent_and_by_the_key_as_stored() {
        let get = mock!(Client::get_item)
            .match_requests(|request| {
                request.consistent_read() == Some(true)
                    && request.key().unwrap()["student_id"] == text("not a student")
            })
            .then_output(|| GetItemOutput::builder().build());
        let key = OverdueKey { student_id: "not a student".to_owned(), ..key() };
        assert_eq!(table(&get).read_overdue(&key, NOW).await.unwrap(), Unfinished::Gone);
    }

    #[tokio::test]
    async fn item_is_put_off_only_if_it_is_as_it_was_found() {
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                request.condition_expression() == Some("resume_at = :found")
                    && values[":found"] == number(7)
                    && values[":until"] == number(60)
                    && values[":cause"] == number(2)
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert!(table(&update).put_off(&key(), NOW, Cause::Failures(2)).await.unwrap());
        let uncounted = mock!(Client::update_item)
            .match_requests(|request| {
                let update = request.update_expression().unwrap();
                !update.contains("resume_failures") && !update.contains("unreadable")
            })
            .then_error(|| {
                UpdateItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().build(),
                )
            });
        assert!(!table(&uncounted).put_off(&key(), NOW, Cause::Outage).await.unwrap());
    }

    #[tokio::test]
    async fn item_is_made_due_only_if_it_is_unfinished() {
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                let update = request.update_expression().unwrap();
                request.condition_expression() == Some("attribute_exists(resume_at)")
                    && request.expression_attribute_values().unwrap()[":now"] == number(60)
                    && update.contains("REMOVE resume_failures, overdue_since, unreadable")
                    && request.key().unwrap().len() == 2
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert!(table(&update).make_due("s-1", "rust-101", NOW).await.unwrap());
        let finished = mock!(Client::update_item).then_error(|| {
            UpdateItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().build(),
            )
        });
        assert!(!table(&finished).make_due("s-1", "rust-101", NOW).await.unwrap());
    }
}
