//! Students and their enrollments, through the API and in the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::{DeployedStack, HttpResponse, eventually, unique_id};

/// A student whom no other journey uses.
#[derive(Debug, Clone)]
pub struct Student {
    /// The platform's id.
    pub id: String,
    /// The address, which distinguishes this journey's emails from others.
    pub email: String,
    /// The name.
    pub name: String,
}

impl Student {
    /// A new student with this name.
    pub fn named(name: &str) -> Self {
        let id = unique_id("student");
        Self { email: format!("{id}@example.com"), id, name: name.to_owned() }
    }

    /// The body of a request to enroll the student in a free course.
    pub fn enrollment_request(&self, course_id: &str) -> Value {
        json!({
            "student_id": self.id,
            "course_id": course_id,
            "email": self.email,
            "name": self.name,
        })
    }
}

impl DeployedStack {
    /// Enrolls a student, as a trusted backend.
    pub async fn enroll(&self, student: &Student, course_id: &str) -> HttpResponse {
        let body = student.enrollment_request(course_id).to_string();
        self.call(&self.caller, "POST", "/enrollments", body).await
    }

    /// Enrolls a student in a course that has a price.
    pub async fn buy(&self, student: &Student, course_id: &str, method: &str) -> HttpResponse {
        let mut body = student.enrollment_request(course_id);
        body["payment_method"] = json!(method);
        self.call(&self.caller, "POST", "/enrollments", body.to_string()).await
    }

    /// The `data` of the response to `GET /enrollments/{course_id}`.
    pub async fn enrollment(&self, student: &Student, course_id: &str) -> Value {
        let path = format!("/enrollments/{course_id}?student_id={}", student.id);
        let response = self.call(&self.caller, "GET", &path, "").await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        response.body["data"].clone()
    }

    /// Waits until the API reports this state of the enrollment's email, and returns the email's timeline.
    pub async fn wait_for_email_state(
        &self,
        student: &Student,
        course_id: &str,
        state: &str,
    ) -> Value {
        let path = format!("/enrollments/{course_id}?student_id={}", student.id);
        eventually(&format!("an email in state {state}"), async || {
            let response = self.call(&self.caller, "GET", &path, "").await;
            assert_eq!(response.status, 200, "{:?}", response.body);
            let email = &response.body["data"]["email"];
            (email["state"] == state).then(|| email.clone())
        })
        .await
    }

    /// The item of an enrollment in its table.
    pub async fn enrollment_item(
        &self,
        student: &Student,
        course_id: &str,
    ) -> HashMap<String, AttributeValue> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(self.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .expect("the table can be read");
        found.item.expect("the enrollment is in the table")
    }

    /// Changes the price of a payment attempt in the table, so that it is not the one that Stripe has.
    pub async fn change_agreed_price(&self, student: &Student, course_id: &str, price: u32) {
        self.dynamodb
            .update_item()
            .table_name(self.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .update_expression("SET payment.price = :price")
            .condition_expression("attribute_exists(payment)")
            .expression_attribute_values(":price", AttributeValue::N(price.to_string()))
            .send()
            .await
            .expect("the enrollment has a payment");
    }
}
