//! Table `courses`: partition key `course_id`.
//!
//! The index `state` has partition key `state`, sort key `course_id`, and every attribute. So each state is a list,
//! also of courses that an earlier release wrote. A partition takes 1,000 write units per second (DynamoDB Developer
//! Guide, "Best practices for designing and using partition keys effectively"); people write courses, a few per
//! minute. It gives 3,000 read units: a page of 100 courses has at most 100 KB, which is 13 units, eventually
//! consistent.

use aws_sdk_dynamodb::Client;
use enrollment::{Course, CourseId, ports::FindCourse};
use unavailable::Unavailable;

use super::item::{get, text};

/// The catalogue. Needs `dynamodb:GetItem`;
/// [`ListCourses`](enrollment::listing::ListCourses) needs `dynamodb:Query` on the index.
#[derive(Debug, Clone)]
pub struct CoursesTable {
    pub(super) client: Client,
    pub(super) name: String,
}

impl CoursesTable {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }
}

impl FindCourse for CoursesTable {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.find_course_now(id).await
    }

    async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        const READ: &str = "reading a course";
        let item = self.client.get_item().table_name(&self.name).key("course_id", text(id));
        get(READ, item).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use serde_json::json;

    use super::*;
    use crate::tables::item::write;

    fn course() -> Course {
        serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn course_is_read_as_it_was_written_also_by_an_earlier_release() {
        let written = write("a test", course()).unwrap();
        let mut earlier = written.clone();
        earlier.remove("version").unwrap();
        for item in [written, earlier] {
            let get = mock!(Client::get_item)
                .then_output(move || GetItemOutput::builder().set_item(Some(item.clone())).build());
            let client = mock_client!(aws_sdk_dynamodb, [&get]);
            let table = CoursesTable::new(client, "courses".to_owned());
            assert_eq!(table.find_course(&course().id).await.unwrap(), Some(course()));
        }
    }

    #[tokio::test]
    async fn missing_item_is_none_and_not_an_error() {
        let get = mock!(Client::get_item).then_output(|| GetItemOutput::builder().build());
        let table = CoursesTable::new(mock_client!(aws_sdk_dynamodb, [&get]), "courses".to_owned());
        assert_eq!(table.find_course(&course().id).await.unwrap(), None);
    }
}
