//! Table `enrollments`: partition key `student_id`, sort key `course_id`; so a student has one
//! enrollment in a course.
//!
//! Every item carries `resume_at` (seconds since 1970) from its first write until it is known to be
//! finished, and with it `resume_shard`: the sparse index `resume` has the one as its sort key and the
//! other as its partition key, so that no write funnels through one hot key.

use aws_sdk_dynamodb::{
    Client, error::SdkError, operation::put_item::PutItemError,
    types::ReturnValuesOnConditionCheckFailure,
};
use enrollment::{
    CourseId, Enrollment, EnrollmentId, StudentId,
    ports::{FindEnrollment, InsertEnrollment, Inserted, Unavailable},
};

use super::{number, read, text, write};

/// How many partition keys the index `resume` is spread over.
pub const RESUME_SHARDS: u8 = 16;

/// Enrollments. Needs `dynamodb:GetItem` and `dynamodb:PutItem`.
#[derive(Debug, Clone)]
pub struct EnrollmentsTable {
    client: Client,
    name: String,
}

impl EnrollmentsTable {
    /// The table of that name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }
}

/// The shard of an enrollment: from the random end of its id.
fn resume_shard(id: &EnrollmentId) -> u8 {
    let [.., last] = id.as_bytes();
    last % RESUME_SHARDS
}

impl FindEnrollment for EnrollmentsTable {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        const READ: &str = "reading an enrollment";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("student_id", text(student_id))
            .key("course_id", text(course_id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error))?;
        found.item.map(|item| read(READ, item)).transpose()
    }
}

impl InsertEnrollment for EnrollmentsTable {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        const WRITE: &str = "writing an enrollment";
        let mut item = write(WRITE, enrollment)?;
        let resume_at = enrollment.resume_at().unix_timestamp();
        item.insert("resume_at".to_owned(), number(resume_at));
        item.insert("resume_shard".to_owned(), number(resume_shard(&enrollment.id)));
        let inserted = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(student_id)")
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

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::put_item::PutItemOutput, types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{mock, mock_client};
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    fn enrollment() -> Enrollment {
        Enrollment::active(
            serde_json::from_value(
                json!({"student_id": "s-1", "email": "ada@example.com", "name": "Ada"}),
            )
            .unwrap(),
            "rust-101".parse().unwrap(),
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    #[tokio::test]
    async fn the_first_write_carries_resume_at() {
        let put = mock!(Client::put_item)
            .match_requests(|request| {
                let item = request.item().unwrap();
                item["resume_at"] == number(60)
                    && item["resume_shard"].as_n().unwrap().parse::<u8>().unwrap() < RESUME_SHARDS
                    && request.condition_expression() == Some("attribute_not_exists(student_id)")
            })
            .then_output(|| PutItemOutput::builder().build());
        let table =
            EnrollmentsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "enrollments".to_owned());
        assert_eq!(table.insert_enrollment(&enrollment()).await.unwrap(), Inserted::New);
    }

    #[tokio::test]
    async fn a_refused_write_answers_what_is_there() {
        let existing = enrollment();
        let item = write("a test", &existing).unwrap();
        let put = mock!(Client::put_item).then_error(move || {
            PutItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().set_item(Some(item.clone())).build(),
            )
        });
        let table =
            EnrollmentsTable::new(mock_client!(aws_sdk_dynamodb, [&put]), "enrollments".to_owned());
        assert_eq!(
            table.insert_enrollment(&enrollment()).await.unwrap(),
            Inserted::Exists(existing)
        );
    }
}
