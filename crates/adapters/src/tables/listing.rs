//! Lists: queries of one partition, in the order of `course_id`.

use std::ops::Range;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use enrollment::{
    Course, CourseId, Enrollment, StudentId,
    course::CourseState,
    listing::{ListCourses, ListEnrollments},
    page::{Page, PageRequest},
    roster::{ListRoster, RosterPlace},
};
use serde::{Deserialize, de::DeserializeOwned};
use unavailable::Unavailable;

use super::{
    courses::CoursesTable,
    enrollments::EnrollmentsTable,
    item::{read, text},
    roster,
};

/// Needs `dynamodb:Query` on the table.
impl ListEnrollments for EnrollmentsTable {
    async fn list_enrollments(
        &self,
        student_id: &StudentId,
        page: &PageRequest,
    ) -> Result<Page<Enrollment>, Unavailable> {
        let query = self.client.query().table_name(&self.name).consistent_read(true);
        read_page(
            "listing a student's enrollments",
            query,
            ("student_id", student_id.as_str()),
            page,
        )
        .await
    }
}

/// Needs `dynamodb:Query` on the index `roster`.
impl ListRoster for EnrollmentsTable {
    const SHARDS: Range<u8> = roster::SHARDS;

    async fn list_places(
        &self,
        course_id: &CourseId,
        shard: u8,
        page: &PageRequest<RosterPlace>,
    ) -> Result<Page<RosterPlace, RosterPlace>, Unavailable> {
        roster::list_places(&self.client, &self.name, course_id, shard, page).await
    }
}

/// Needs `dynamodb:Query` on the index `state`.
impl ListCourses for CoursesTable {
    async fn list_courses_in(
        &self,
        state: CourseState,
        page: &PageRequest,
    ) -> Result<Page<Course>, Unavailable> {
        let query = self.client.query().table_name(&self.name).index_name("state");
        read_page("listing courses", query, ("state", state.as_str()), page).await
    }
}

/// Of the key at which DynamoDB stopped reading.
#[derive(Deserialize)]
struct LastKey {
    course_id: CourseId,
}

/// Reads a page of a partition. The page begins after a course id, and not at a key that DynamoDB returned, so
/// that an item that was deleted in between is not missed.
async fn read_page<T: DeserializeOwned>(
    operation: &'static str,
    query: QueryFluentBuilder,
    (key, value): (&str, &str),
    page: &PageRequest,
) -> Result<Page<T>, Unavailable> {
    let condition = match page.after {
        Some(_) => "#key = :key AND course_id > :after",
        None => "#key = :key",
    };
    let mut query = query
        .key_condition_expression(condition)
        .expression_attribute_names("#key", key)
        .expression_attribute_values(":key", text(value))
        .limit(page.size.get().into());
    if let Some(after) = &page.after {
        query = query.expression_attribute_values(":after", text(after));
    }
    let found = query.send().await.map_err(|error| Unavailable::new(operation, error))?;
    let entries = found.items.unwrap_or_default().into_iter().map(|item| read(operation, item));
    let next = found.last_evaluated_key.map(|key| read::<LastKey>(operation, key)).transpose()?;
    Ok(Page { entries: entries.collect::<Result<_, _>>()?, next: next.map(|key| key.course_id) })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{Client, operation::query::QueryOutput, types::AttributeValue};
    use aws_smithy_mocks::{Rule, mock, mock_client};
    use serde_json::json;

    use super::*;
    use crate::tables::item::{Item, write};

    fn enrollment_in(course: &str) -> Item {
        let item = json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": course,
            "course_title": "Rust 101", "state": "active", "created_at": "1970-01-01T00:00:00Z",
            "version": 1,
        });
        write("a test", item).unwrap()
    }

    fn enrollments(rule: &Rule) -> EnrollmentsTable {
        EnrollmentsTable::new(
            mock_client!(aws_sdk_dynamodb, [rule]),
            "enrollments".to_owned(),
            "seats".to_owned(),
        )
    }

    fn request(size: &str, after: Option<&str>) -> PageRequest {
        let after = after.map(|id| id.parse().unwrap());
        PageRequest { size: size.parse().unwrap(), after }
    }

    #[tokio::test]
    async fn first_page_reads_one_student_consistently_and_says_where_it_ended() {
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.key_condition_expression() == Some("#key = :key")
                    && request.expression_attribute_names().unwrap()["#key"] == "student_id"
                    && request.expression_attribute_values().unwrap()
                        == &Item::from([(":key".to_owned(), text("s-1"))])
                    && request.consistent_read() == Some(true)
                    && request.index_name().is_none()
                    && request.limit() == Some(2)
            })
            .then_output(|| {
                QueryOutput::builder()
                    .items(enrollment_in("a"))
                    .items(enrollment_in("b"))
                    .last_evaluated_key("student_id", text("s-1"))
                    .last_evaluated_key("course_id", text("b"))
                    .build()
            });
        let student = "s-1".parse().unwrap();
        let page =
            enrollments(&query).list_enrollments(&student, &request("2", None)).await.unwrap();
        let courses: Vec<_> = page.entries.iter().map(|found| found.course_id.as_str()).collect();
        assert_eq!((courses, page.next), (vec!["a", "b"], Some("b".parse().unwrap())));
    }

    #[tokio::test]
    async fn later_page_begins_after_a_course_and_the_last_one_has_no_next() {
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.key_condition_expression() == Some("#key = :key AND course_id > :after")
                    && request.expression_attribute_values().unwrap()[":after"] == text("b")
            })
            .then_output(|| QueryOutput::builder().build());
        let student = "s-1".parse().unwrap();
        let table = enrollments(&query);
        let page = table.list_enrollments(&student, &request("2", Some("b"))).await.unwrap();
        assert_eq!(page, Page { entries: Vec::new(), next: None });
    }

    /// Otherwise a list would look complete without it.
    #[tokio::test]
    async fn item_or_key_that_cannot_be_read_fails_the_page() {
        let without_a_name = || {
            let mut item = enrollment_in("a");
            item.insert("name".to_owned(), AttributeValue::Bool(true));
            QueryOutput::builder().items(item).build()
        };
        let without_a_course =
            || QueryOutput::builder().last_evaluated_key("student_id", text("s-1")).build();
        let student = "s-1".parse().unwrap();
        for query in [
            mock!(Client::query).then_output(without_a_name),
            mock!(Client::query).then_output(without_a_course),
        ] {
            let page = enrollments(&query).list_enrollments(&student, &request("2", None)).await;
            assert!(page.is_err());
        }
    }

    #[tokio::test]
    async fn courses_in_a_state_are_read_from_the_index() {
        let course = json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD",
            "state": "closed",
        });
        let expected: Course = serde_json::from_value(course).unwrap();
        let item = write("a test", &expected).unwrap();
        let query = mock!(Client::query)
            .match_requests(|request| {
                request.index_name() == Some("state")
                    // DynamoDB refuses a consistent read of an index.
                    && request.consistent_read().is_none()
                    && request.key_condition_expression() == Some("#key = :key AND course_id > :after")
                    // `state` is a reserved word.
                    && request.expression_attribute_names().unwrap()["#key"] == "state"
                    && request.expression_attribute_values().unwrap()[":key"] == text("closed")
            })
            .then_output(move || {
                QueryOutput::builder()
                    .items(item.clone())
                    .last_evaluated_key("state", text("closed"))
                    .last_evaluated_key("course_id", text("rust-101"))
                    .build()
            });
        let client = mock_client!(aws_sdk_dynamodb, [&query]);
        let table = CoursesTable::new(client, "courses".to_owned());
        let page =
            table.list_courses_in(CourseState::Closed, &request("1", Some("a"))).await.unwrap();
        assert_eq!(page, Page { next: Some(expected.id.clone()), entries: vec![expected] });
    }
}
