//! The tables of courses, of their seats and of the changes of their prices, as one catalogue.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use enrollment::{
    Course, CourseId,
    course::CourseState,
    listing::ListCourses,
    page::{Page, PageRequest},
    ports::{FindCourse, PutCourse, Replaced},
    price_change::PriceChange,
};
use unavailable::Unavailable;

use super::{
    courses::CoursesTable,
    item::{Item, number, read, write},
    price_changes,
    seats::number_of_seats,
    transaction::write_together,
};

const WRITE: &str = "writing a course";

/// The catalogue for its operators. Needs `dynamodb:PutItem` on the tables of courses and of price changes,
/// `dynamodb:UpdateItem` on that of seats, and what [`CoursesTable`] needs.
#[derive(Debug, Clone)]
pub struct CatalogueTables {
    courses: CoursesTable,
    seats: String,
    price_changes: String,
}

impl CatalogueTables {
    pub fn new(courses: CoursesTable, seats: String, price_changes: String) -> Self {
        Self { courses, seats, price_changes }
    }

    fn client(&self) -> &Client {
        &self.courses.client
    }

    /// The course and what belongs to it, in one transaction.
    async fn write_all(
        &self,
        condition: Condition,
        item: Item,
        more: Vec<TransactWriteItem>,
    ) -> Result<Option<Item>, Unavailable> {
        let put = Put::builder()
            .table_name(&self.courses.name)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Unavailable::new(WRITE, error))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        writes.extend(more);
        let failed = write_together(self.client(), WRITE, writes).await?;
        Ok(failed.map(|failed| failed.item))
    }

    /// The course alone. Returns the item that is there if the condition does not hold.
    async fn write_one(
        &self,
        condition: Condition,
        item: Item,
    ) -> Result<Option<Item>, Unavailable> {
        let put = self
            .client()
            .put_item()
            .table_name(&self.courses.name)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(None),
            Err(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(Some(refusal.item.unwrap_or_default()))
            }
            Err(error) => Err(Unavailable::new(WRITE, error)),
        }
    }

    fn entry(&self, change: &PriceChange) -> Result<TransactWriteItem, Unavailable> {
        let put = Put::builder()
            .table_name(&self.price_changes)
            .set_item(Some(price_changes::item(WRITE, change)?))
            .build()
            .map_err(|error| Unavailable::new(WRITE, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

struct Condition {
    expression: &'static str,
    values: Option<Item>,
}

impl Condition {
    fn is(current: Option<&Course>) -> Self {
        match current {
            None => Self { expression: "attribute_not_exists(course_id)", values: None },
            // As an earlier release writes it.
            Some(current) if current.version == 0 => Self {
                expression: "attribute_exists(course_id) AND (attribute_not_exists(version) OR version = :version)",
                values: Some(Item::from([(":version".to_owned(), number(0))])),
            },
            Some(current) => Self {
                expression: "version = :version",
                values: Some(Item::from([(":version".to_owned(), number(current.version))])),
            },
        }
    }
}

impl PutCourse for CatalogueTables {
    async fn put_course(
        &self,
        current: Option<&Course>,
        next: &Course,
        change: Option<&PriceChange>,
    ) -> Result<Replaced, Unavailable> {
        let (condition, item) = (Condition::is(current), write(WRITE, next)?);
        let mut more = Vec::new();
        more.extend(number_of_seats(&self.seats, current, next, WRITE)?);
        if let Some(change) = change {
            more.push(self.entry(change)?);
        }
        let found = if more.is_empty() {
            self.write_one(condition, item).await?
        } else {
            self.write_all(condition, item, more).await?
        };
        let Some(found) = found else { return Ok(Replaced::Done) };
        // If the client repeats a write whose response was lost, it finds what it wrote.
        let is_repeated = read::<Course>(WRITE, found).is_ok_and(|found| found == *next);
        Ok(if is_repeated { Replaced::Done } else { Replaced::Conflict })
    }
}

impl FindCourse for CatalogueTables {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.courses.find_course(id).await
    }

    async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.courses.find_course_now(id).await
    }
}

impl ListCourses for CatalogueTables {
    async fn list_courses_in(
        &self,
        state: CourseState,
        page: &PageRequest,
    ) -> Result<Page<Course>, Unavailable> {
        self.courses.list_courses_in(state, page).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::{
        put_item::PutItemOutput, transact_write_items::TransactWriteItemsOutput,
    };
    use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use serde_json::json;

    use super::*;
    use crate::tables::transaction::tests::cancelled;

    fn course(version: u32, price: u32) -> Course {
        serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": price, "currency": "USD",
            "state": "open", "version": version,
        }))
        .unwrap()
    }

    fn tables(rule: &Rule) -> CatalogueTables {
        let client = mock_client!(aws_sdk_dynamodb, [rule]);
        CatalogueTables::new(
            CoursesTable::new(client, "courses".to_owned()),
            "seats".to_owned(),
            "price-changes".to_owned(),
        )
    }

    fn change() -> PriceChange {
        serde_json::from_value(json!({
            "course_id": "rust-101", "version": 3, "at": "1970-01-01T00:00:00Z",
            "by": "arn:aws:iam::1:user/ada", "new": {"price": 5900, "currency": "USD"},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn course_alone_is_one_write_conditional_on_the_version_that_it_replaces() {
        for (current, condition) in [
            (None, "attribute_not_exists(course_id)"),
            (Some(course(0, 1)), "attribute_not_exists(version) OR version = :version"),
            (Some(course(2, 1)), "version = :version"),
        ] {
            let version = current.as_ref().map(|current| number(current.version));
            let put = mock!(Client::put_item)
                .match_requests(move |request| {
                    let values = request.expression_attribute_values();
                    request.condition_expression().unwrap().contains(condition)
                        && values.map(|values| &values[":version"]) == version.as_ref()
                })
                .then_output(|| PutItemOutput::builder().build());
            let done = tables(&put).put_course(current.as_ref(), &course(3, 1), None).await;
            assert_eq!(done.unwrap(), Replaced::Done);
        }
    }

    #[tokio::test]
    async fn new_price_is_written_with_its_entry_or_not_at_all() {
        let transaction = mock!(Client::transact_write_items)
            .match_requests(|request| {
                let [course, entry] = request.transact_items() else { return false };
                let (course, entry) = (course.put().unwrap(), entry.put().unwrap());
                course.table_name() == "courses"
                    && course.condition_expression() == Some("version = :version")
                    && entry.table_name() == "price-changes"
                    && entry.item()["by"].as_s().unwrap() == "arn:aws:iam::1:user/ada"
            })
            .then_output(|| TransactWriteItemsOutput::builder().build());
        let done = tables(&transaction)
            .put_course(Some(&course(2, 4900)), &course(3, 5900), Some(&change()))
            .await;
        assert_eq!(done.unwrap(), Replaced::Done);
    }

    #[tokio::test]
    async fn refused_write_is_a_conflict_unless_the_course_is_the_written_one() {
        for (found, expected) in
            [(course(3, 5900), Replaced::Done), (course(3, 1), Replaced::Conflict)]
        {
            let item = write("a test", &found).unwrap();
            let refused = ("ConditionalCheckFailed", Some(item.clone()));
            let transaction = mock!(Client::transact_write_items)
                .then_error(move || cancelled(&[refused.clone(), ("None", None)]));
            let current = course(2, 4900);
            let put = |rule: &Rule| tables(rule);
            let done = put(&transaction)
                .put_course(Some(&current), &course(3, 5900), Some(&change()))
                .await;
            assert_eq!(done.unwrap(), expected);
            let alone = mock!(Client::put_item).then_error(move || {
                PutItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().set_item(Some(item.clone())).build(),
                )
            });
            let done = put(&alone).put_course(Some(&current), &course(3, 5900), None).await;
            assert_eq!(done.unwrap(), expected);
        }
    }
}
