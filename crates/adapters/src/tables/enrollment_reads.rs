//! Single enrollments, for who may only read them.

use aws_sdk_dynamodb::Client;
use enrollment::{
    course::CourseId, enrollment::Enrollment, ports::FindEnrollment, student::StudentId,
};
use unavailable::Unavailable;

use super::item::{get, text};

/// The table of enrollments without its writes. Needs `dynamodb:GetItem`.
#[derive(Debug, Clone)]
pub struct EnrollmentReads {
    client: Client,
    table: String,
}

impl EnrollmentReads {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl FindEnrollment for EnrollmentReads {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        find(&self.client, &self.table, student_id, course_id).await
    }
}

pub(super) async fn find(
    client: &Client,
    table: &str,
    student_id: &StudentId,
    course_id: &CourseId,
) -> Result<Option<Enrollment>, Unavailable> {
    const READ: &str = "reading an enrollment";
    let item = client
        .get_item()
        .table_name(table)
        .key("student_id", text(student_id))
        .key("course_id", text(course_id));
    get(READ, item).await
}
