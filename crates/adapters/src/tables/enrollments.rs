//! Table `enrollments`: partition key `student_id`, sort key `course_id`. So a student has one enrollment per
//! course.
//!
//! Every item has `resume_at` (seconds since 1970) and `resume_shard` from its first write until it is known
//! to be finished. They are the sort key and the partition key of the sparse index `resume`. The shards
//! distribute the writes over several partition keys, and payments in progress have shards of their own.
//!
//! Every item that this release writes has `roster_shard` and `roster_at`, the keys of the index `roster`
//! (`roster.rs`).

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, builders::PutBuilder},
};
use enrollment::{
    CourseId, Enrollment, StudentId,
    ports::{FindEnrollment, FinishEnrollment, InsertEnrollment, Inserted, SaveEnrollment, Saved},
};
use unavailable::Unavailable;

use super::{
    enrollment_reads::find,
    item::{Item, number, read, text, write},
    resume_index::{OTHER_SHARDS, PAYMENT_SHARDS, ResumeIndex},
    roster,
    seats::SeatChange,
    transaction::{ConditionFailed, write_together},
};

const IS_NEW: &str = "attribute_not_exists(student_id)";
const IS_PREVIOUS: &str = "id = :id AND version = :previous";

/// Also removes what putting an enrollment off has left.
const LEAVE_THE_INDEX: &str =
    "REMOVE resume_at, resume_shard, resume_failures, overdue_since, unreadable";

/// Enrollments. Needs `dynamodb:GetItem`, `dynamodb:PutItem` and `dynamodb:UpdateItem`, and `dynamodb:UpdateItem` on the
/// table of seats;
/// [`ListEnrollments`](enrollment::listing::ListEnrollments) needs `dynamodb:Query` on the table, and
/// [`FindOverdue`](enrollment::unfinished::FindOverdue) and [`ListRoster`](enrollment::roster::ListRoster) on an index.
#[derive(Debug, Clone)]
pub struct EnrollmentsTable {
    pub(super) client: Client,
    pub(super) name: String,
    /// The table of the courses' seats.
    pub(super) seats: String,
}

impl EnrollmentsTable {
    pub fn new(client: Client, name: String, seats: String) -> Self {
        Self { client, name, seats }
    }

    /// An enrollment and the count of its course's seats, both or neither.
    async fn write_with_seat(
        &self,
        operation: &'static str,
        put: PutBuilder,
        enrollment: &Enrollment,
        change: SeatChange,
    ) -> Result<Option<ConditionFailed>, Unavailable> {
        let put = put
            .table_name(&self.name)
            .set_item(Some(item(operation, enrollment)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Unavailable::new(operation, error))?;
        let seat = change.update(&self.seats, &enrollment.course_id, operation)?;
        let writes = vec![TransactWriteItem::builder().put(put).build(), seat];
        write_together(&self.client, operation, writes).await
    }

    async fn insert_with_seat(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        const WRITE: &str = "writing an enrollment with its seat";
        let put = Put::builder().condition_expression(IS_NEW);
        match self.write_with_seat(WRITE, put, enrollment, SeatChange::Takes).await? {
            None => Ok(Inserted::New),
            Some(ConditionFailed { index: 0, item }) => read(WRITE, item).map(Inserted::Exists),
            Some(_) => Ok(Inserted::Full),
        }
    }

    async fn save_with_seat(
        &self,
        before: &Enrollment,
        next: &Enrollment,
        change: SeatChange,
    ) -> Result<Saved, Unavailable> {
        const WRITE: &str = "changing an enrollment and its seat";
        let put = Put::builder()
            .condition_expression(IS_PREVIOUS)
            .expression_attribute_values(":id", text(next.id))
            .expression_attribute_values(":previous", number(before.version));
        match self.write_with_seat(WRITE, put, next, change).await? {
            None => Ok(Saved::Done),
            Some(ConditionFailed { index: 0, item }) => saved_or_conflict(WRITE, item, next),
            Some(_) if change == SeatChange::Takes => Ok(Saved::Full),
            // Nothing is counted, as after a table of seats was lost: then nothing is to be released.
            Some(_) => self.save_alone(before, next).await,
        }
    }

    async fn save_alone(
        &self,
        before: &Enrollment,
        next: &Enrollment,
    ) -> Result<Saved, Unavailable> {
        const WRITE: &str = "changing an enrollment";
        let saved = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item(WRITE, next)?))
            .condition_expression(IS_PREVIOUS)
            .expression_attribute_values(":id", text(next.id))
            .expression_attribute_values(":previous", number(before.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match saved.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Saved::Done),
            Err(PutItemError::ConditionalCheckFailedException(refusal)) => {
                saved_or_conflict(WRITE, refusal.item.unwrap_or_default(), next)
            }
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }

    pub(super) fn index(&self) -> ResumeIndex {
        ResumeIndex::new(self.client.clone(), self.name.clone())
    }
}

/// The shard of an enrollment: by whether its next step is the payment provider's, and from the random end of its id.
fn resume_shard(enrollment: &Enrollment) -> u8 {
    let shards = if enrollment.has_payment_in_progress() { PAYMENT_SHARDS } else { OTHER_SHARDS };
    let [.., last] = enrollment.id.as_bytes();
    let number_of_shards = shards.end - shards.start;
    shards.start + last % number_of_shards
}

impl FindEnrollment for EnrollmentsTable {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        find(&self.client, &self.name, student_id, course_id).await
    }
}

impl InsertEnrollment for EnrollmentsTable {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        const WRITE: &str = "writing an enrollment";
        if enrollment.seat {
            return self.insert_with_seat(enrollment).await;
        }
        let item = item(WRITE, enrollment)?;
        let inserted = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(IS_NEW)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match inserted.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Inserted::New),
            Err(PutItemError::ConditionalCheckFailedException(refusal)) => {
                read(WRITE, refusal.item.unwrap_or_default()).map(Inserted::Exists)
            }
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }
}

impl SaveEnrollment for EnrollmentsTable {
    async fn save_enrollment(
        &self,
        before: &Enrollment,
        next: &Enrollment,
    ) -> Result<Saved, Unavailable> {
        if next.version.checked_sub(1) != Some(before.version) {
            let why = "it is not the next version";
            return Err(Unavailable::new("changing an enrollment", why));
        }
        match SeatChange::between(before, next) {
            Some(change) => self.save_with_seat(before, next, change).await,
            None => self.save_alone(before, next).await,
        }
    }
}

impl FinishEnrollment for EnrollmentsTable {
    async fn finish_enrollment(&self, enrollment: &Enrollment) -> Result<bool, Unavailable> {
        const WRITE: &str = "taking an enrollment out of the index";
        let finished = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("student_id", text(&enrollment.student.id))
            .key("course_id", text(&enrollment.course_id))
            .update_expression(LEAVE_THE_INDEX)
            .condition_expression("id = :id AND version = :version")
            .expression_attribute_values(":id", text(enrollment.id))
            .expression_attribute_values(":version", number(enrollment.version))
            .send()
            .await;
        match finished.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }
}

/// If the client repeats a write whose response was lost, the repetition is refused and returns the item that the first
/// one wrote.
fn saved_or_conflict(
    operation: &'static str,
    found: Item,
    next: &Enrollment,
) -> Result<Saved, Unavailable> {
    let current: Enrollment = read(operation, found)?;
    Ok(if current == *next { Saved::Done } else { Saved::Conflict(current) })
}

/// Adds the keys of the index `roster`, and the shard of the other index if the enrollment has a `resume_at`.
fn item(operation: &'static str, enrollment: &Enrollment) -> Result<Item, Unavailable> {
    let mut item = write(operation, enrollment)?;
    item.extend(roster::keys(enrollment));
    if enrollment.resume_at.is_some() {
        item.insert("resume_shard".to_owned(), number(resume_shard(enrollment)));
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::{put_item::PutItemOutput, update_item::UpdateItemOutput},
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use enrollment::payment::RefundProgress;
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    fn enrollment() -> Enrollment {
        let course = serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 0, "currency": "USD", "state": "open",
        }))
        .unwrap();
        let student = json!({"student_id": "s-1", "email": "ada@example.com", "name": "Ada"});
        Enrollment::new(
            serde_json::from_value(student).unwrap(),
            &course,
            None,
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    fn table(rule: &Rule) -> EnrollmentsTable {
        EnrollmentsTable::new(
            mock_client!(aws_sdk_dynamodb, [rule]),
            "enrollments".to_owned(),
            "seats".to_owned(),
        )
    }

    fn shard_of(item: &Item) -> u8 {
        item["resume_shard"].as_n().unwrap().parse().unwrap()
    }

    fn refused_with(existing: &Enrollment) -> Rule {
        let item = item("a test", existing).unwrap();
        mock!(Client::put_item).then_error(move || {
            PutItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().set_item(Some(item.clone())).build(),
            )
        })
    }

    #[tokio::test]
    async fn save_is_conditional_on_the_previous_version() {
        let before = Enrollment { version: 2, ..enrollment() };
        let next = Enrollment { version: 3, resume_at: None, ..before.clone() };
        let put = mock!(Client::put_item)
            .match_requests(|request| {
                let item = request.item().unwrap();
                request.condition_expression() == Some("id = :id AND version = :previous")
                    && request.expression_attribute_values().unwrap()[":previous"] == number(2)
                    && !item.contains_key("resume_at")
                    && !item.contains_key("resume_shard")
            })
            .then_output(|| PutItemOutput::builder().build());
        assert_eq!(table(&put).save_enrollment(&before, &next).await.unwrap(), Saved::Done);
    }

    #[tokio::test]
    async fn refused_save_returns_the_current_enrollment_unless_it_is_the_saved_one() {
        let before = Enrollment { version: 2, ..enrollment() };
        let next = Enrollment { version: 3, ..before.clone() };
        let saved = table(&refused_with(&next)).save_enrollment(&before, &next).await.unwrap();
        assert_eq!(saved, Saved::Done, "the write that is repeated");
        let other = Enrollment { version: 4, ..next.clone() };
        let saved = table(&refused_with(&other)).save_enrollment(&before, &next).await.unwrap();
        assert_eq!(saved, Saved::Conflict(other));
    }

    #[test]
    fn priced_enrollment_is_read_as_it_was_written() {
        let course = serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        }))
        .unwrap();
        let method = "pm_1".parse().unwrap();
        let priced = Enrollment::new(
            enrollment().student,
            &course,
            Some(&method),
            OffsetDateTime::UNIX_EPOCH,
        );
        assert!(priced.payment.is_some());
        let stored = item("a test", &priced).unwrap();
        assert_eq!(stored["payment"].as_m().unwrap()["price"], number(4900));
        assert!(PAYMENT_SHARDS.contains(&shard_of(&stored)), "payments have shards of their own");
        assert_eq!(read::<Enrollment>("a test", stored).unwrap(), priced);
    }

    #[test]
    fn payment_with_its_intent_and_refund_is_read_as_it_was_written() {
        let stored = json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": "refunding", "created_at": "1970-01-01T00:00:00Z",
            "payment": {
                "attempt": 2, "price": 4900, "currency": "USD", "method": "pm_2",
                "started_at": "1970-01-01T00:01:00Z", "intent": "pi_2", "livemode": true,
                "refund": {
                    "attempt": 3, "started_at": "1970-01-01T00:02:00Z", "id": "re_3",
                    "status": "pending",
                },
            },
            "refunded_intents": ["pi_1"], "kept_intents": ["pi_0"], "earlier_confirmations": 2,
            "history": [
                {
                    "at": "1970-01-01T00:00:01Z", "by": "arn:aws:iam::1:user/ada",
                    "what": "unenrolled_with_refund", "attempt": 2, "reason": "asked by phone",
                },
                {"at": "1970-01-01T00:00:02Z", "by": "resumer", "what": "of a later version"},
            ],
            "resume_at": 60, "version": 7,
        });
        let enrollment: Enrollment = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&enrollment).unwrap(), stored);
        let item = item("a test", &enrollment).unwrap();
        assert_eq!(read::<Enrollment>("a test", item).unwrap(), enrollment);
        let started = json!({"attempt": 1, "started_at": "1970-01-01T00:02:00Z"});
        let refund: RefundProgress = serde_json::from_value(started.clone()).unwrap();
        assert_eq!(refund.last, None);
        assert_eq!(serde_json::to_value(refund).unwrap(), started);
    }

    /// An operator's refund of an active enrollment, and a decision about a stuck one, call the provider.
    #[test]
    fn what_an_operator_began_is_in_the_shards_of_payments() {
        let active = json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": "active", "created_at": "1970-01-01T00:00:00Z",
            "payment": {
                "attempt": 1, "price": 4900, "currency": "USD", "method": "pm_1",
                "started_at": "1970-01-01T00:01:00Z", "intent": "pi_1",
            },
            "resume_at": 60, "version": 7,
        });
        let shard = |stored: serde_json::Value| {
            shard_of(&item("a test", &serde_json::from_value(stored).unwrap()).unwrap())
        };
        assert!(OTHER_SHARDS.contains(&shard(active.clone())));
        let mut refunding = active.clone();
        refunding["payment"]["refund"] =
            json!({"attempt": 1, "started_at": "1970-01-01T00:02:00Z"});
        assert!(PAYMENT_SHARDS.contains(&shard(refunding)));
        let mut stuck = active;
        stuck["state"] = json!("stuck");
        assert!(OTHER_SHARDS.contains(&shard(stuck.clone())));
        stuck["resolution"] = json!("grant");
        assert!(PAYMENT_SHARDS.contains(&shard(stuck)));
    }

    #[tokio::test]
    async fn finished_enrollment_leaves_the_index_if_its_version_is_still_the_same() {
        let finished = Enrollment { version: 3, ..enrollment() };
        let update = mock!(Client::update_item)
            .match_requests(|request| {
                request.update_expression() == Some(LEAVE_THE_INDEX)
                    && request.condition_expression() == Some("id = :id AND version = :version")
                    && request.expression_attribute_values().unwrap()[":version"] == number(3)
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert!(table(&update).finish_enrollment(&finished).await.unwrap());
        let refusal = mock!(Client::update_item).then_error(|| {
            UpdateItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().build(),
            )
        });
        assert!(!table(&refusal).finish_enrollment(&finished).await.unwrap());
    }

    #[tokio::test]
    async fn first_write_has_resume_at() {
        let put = mock!(Client::put_item)
            .match_requests(|request| {
                let item = request.item().unwrap();
                item["resume_at"] == number(60)
                    && OTHER_SHARDS.contains(&shard_of(item))
                    && request.condition_expression() == Some("attribute_not_exists(student_id)")
            })
            .then_output(|| PutItemOutput::builder().build());
        assert_eq!(table(&put).insert_enrollment(&enrollment()).await.unwrap(), Inserted::New);
    }

    #[tokio::test]
    async fn refused_insert_returns_the_enrollment_that_exists() {
        let existing = enrollment();
        let table = table(&refused_with(&existing));
        assert_eq!(
            table.insert_enrollment(&enrollment()).await.unwrap(),
            Inserted::Exists(existing)
        );
    }
}
