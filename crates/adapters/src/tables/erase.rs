//! Takes an enrollment out of its table, and puts what stays of it under a pseudonym.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::delete_item::DeleteItemError,
    types::{Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use enrollment::{
    Enrollment,
    forget::{EraseEnrollment, Erased},
};
use unavailable::Unavailable;

use super::{
    enrollments::EnrollmentsTable,
    item::{number, text},
    transaction::{ConditionFailed, write_together},
};

const ERASE: &str = "erasing an enrollment";
const IS_THIS_VERSION: &str = "id = :id AND version = :version";

/// Needs `dynamodb:DeleteItem` and `dynamodb:PutItem`.
impl EraseEnrollment for EnrollmentsTable {
    async fn erase_enrollment(
        &self,
        found: &Enrollment,
        instead: Option<&Enrollment>,
    ) -> Result<Erased, Unavailable> {
        match instead {
            None => self.delete(found).await,
            Some(instead) => self.replace(found, instead).await,
        }
    }
}

impl EnrollmentsTable {
    async fn delete(&self, found: &Enrollment) -> Result<Erased, Unavailable> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key("student_id", text(&found.student.id))
            .key("course_id", text(&found.course_id))
            .condition_expression(IS_THIS_VERSION)
            .expression_attribute_values(":id", text(found.id))
            .expression_attribute_values(":version", number(found.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match deleted.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Erased::Done),
            // It is gone already, as after a response that was lost.
            Err(DeleteItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(if refusal.item.is_none() { Erased::Done } else { Erased::Conflict })
            }
            Err(error) => Err(Unavailable::new(ERASE, error)),
        }
    }

    async fn replace(
        &self,
        found: &Enrollment,
        instead: &Enrollment,
    ) -> Result<Erased, Unavailable> {
        let delete = Delete::builder()
            .table_name(&self.name)
            .key("student_id", text(&found.student.id))
            .key("course_id", text(&found.course_id))
            .condition_expression(IS_THIS_VERSION)
            .expression_attribute_values(":id", text(found.id))
            .expression_attribute_values(":version", number(found.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Unavailable::new(ERASE, error))?;
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(self.item(ERASE, instead)?))
            .condition_expression("attribute_not_exists(student_id)")
            .build()
            .map_err(|error| Unavailable::new(ERASE, error))?;
        let writes = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        Ok(match write_together(&self.client, ERASE, writes).await? {
            None => Erased::Done,
            Some(ConditionFailed { index: 0, item }) if item.is_empty() => Erased::Done,
            Some(_) => Erased::Conflict,
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        operation::{
            delete_item::DeleteItemOutput, transact_write_items::TransactWriteItemsOutput,
        },
        types::error::ConditionalCheckFailedException,
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use serde_json::json;

    use super::*;
    use crate::tables::{
        item::{Item, write},
        transaction::tests::cancelled,
    };

    fn enrollment(student: &str, version: u32) -> Enrollment {
        serde_json::from_value(json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": student,
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": "unenrolled",
            "created_at": "1970-01-01T00:00:00Z", "version": version,
        }))
        .unwrap()
    }

    async fn erased(rule: &Rule, instead: Option<&Enrollment>) -> Erased {
        let client = mock_client!(aws_sdk_dynamodb, [rule]);
        let table = EnrollmentsTable::new(client, "enrollments".to_owned(), "seats".to_owned());
        table.erase_enrollment(&enrollment("s-1", 3), instead).await.unwrap()
    }

    fn deletion_refused_by(item: Option<Item>) -> Rule {
        mock!(Client::delete_item).then_error(move || {
            DeleteItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().set_item(item.clone()).build(),
            )
        })
    }

    #[tokio::test]
    async fn only_the_version_that_was_read_is_deleted_and_a_repetition_is_done() {
        let delete = mock!(Client::delete_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().unwrap();
                request.condition_expression() == Some(IS_THIS_VERSION)
                    && values[":version"] == number(3)
                    && request.key().unwrap()["student_id"] == text("s-1")
            })
            .then_output(|| DeleteItemOutput::builder().build());
        assert_eq!(erased(&delete, None).await, Erased::Done);
        assert_eq!(erased(&deletion_refused_by(None), None).await, Erased::Done);
        let newer = write("a test", enrollment("s-1", 4)).unwrap();
        assert_eq!(erased(&deletion_refused_by(Some(newer)), None).await, Erased::Conflict);
    }

    #[tokio::test]
    async fn pseudonym_is_written_in_the_step_that_deletes_and_overwrites_nothing() {
        let pseudonym = enrollment("forgotten-01a21304-1630-7215-83f8-bf1567ec447e", 4);
        let replace = mock!(Client::transact_write_items)
            .match_requests(|request| {
                let [delete, put] = request.transact_items() else { return false };
                let (delete, put) = (delete.delete().unwrap(), put.put().unwrap());
                delete.condition_expression() == Some(IS_THIS_VERSION)
                    && delete.key()["student_id"] == text("s-1")
                    && put.condition_expression() == Some("attribute_not_exists(student_id)")
                    && put.item()["student_id"].as_s().unwrap().starts_with("forgotten-")
                    && put.item().contains_key("roster_shard")
            })
            .then_output(|| TransactWriteItemsOutput::builder().build());
        assert_eq!(erased(&replace, Some(&pseudonym)).await, Erased::Done);
        let newer = write("a test", enrollment("s-1", 4)).unwrap();
        for (item, expected) in [(None, Erased::Done), (Some(newer), Erased::Conflict)] {
            let refused = mock!(Client::transact_write_items).then_error(move || {
                cancelled(&[("ConditionalCheckFailed", item.clone()), ("None", None)])
            });
            assert_eq!(erased(&refused, Some(&pseudonym)).await, expected);
        }
    }
}
