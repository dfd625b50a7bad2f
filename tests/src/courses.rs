//! The catalogue of courses.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::{DeployedStack, unique_id};

impl DeployedStack {
    /// Creates a free and open course, and returns its id.
    pub async fn create_free_course(&self, title: &str) -> String {
        self.create_course(json!({"title": title, "price": 0, "currency": "USD", "state": "open"}))
            .await
    }

    /// Creates a course, and returns its id.
    pub async fn create_course(&self, course: Value) -> String {
        let id = unique_id("course");
        let path = format!("/courses/{id}");
        let response = self.call(&self.operator, "PUT", &path, course.to_string()).await;
        assert_eq!(response.status, 201, "{:?}", response.body);
        id
    }

    /// Deletes a course from the catalogue.
    pub async fn delete_course(&self, course_id: &str) {
        self.dynamodb
            .delete_item()
            .table_name(self.output("CoursesTableName"))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .send()
            .await
            .expect("the course can be deleted");
    }
}
