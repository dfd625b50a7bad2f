//! Enrollments.

use email::EmailAddress;
use enrollment::{
    CourseId, Enrollment, EnrollmentId, StudentId, course::Title, enrollment::EnrollmentState,
    student::PersonName,
};
use serde::Serialize;

use super::{email::EmailView, payment::PaymentView, rfc3339};
#[cfg(test)]
use crate::http::openapi::schema;

/// The message of the Express prototype that Registrar replaces; callers may compare it.
const ENROLLED: &str = "Enrolled Success";

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Enrollment))]
pub(in crate::http) struct EnrollmentView<'a> {
    #[cfg_attr(test, schema(value_type = schema::EnrollmentId))]
    id: EnrollmentId,
    #[cfg_attr(test, schema(value_type = schema::StudentId))]
    student_id: &'a StudentId,
    #[cfg_attr(test, schema(value_type = schema::CourseId))]
    course_id: &'a CourseId,
    #[cfg_attr(test, schema(value_type = schema::Title))]
    course_title: &'a Title,
    #[cfg_attr(test, schema(value_type = schema::EmailAddress))]
    email: &'a EmailAddress,
    #[cfg_attr(test, schema(value_type = schema::PersonName))]
    name: &'a PersonName,
    #[cfg_attr(test, schema(value_type = schema::EnrollmentState))]
    state: EnrollmentState,
    #[cfg_attr(test, schema(value_type = schema::Moment))]
    created_at: String,
}

impl<'a> From<&'a Enrollment> for EnrollmentView<'a> {
    fn from(enrollment: &'a Enrollment) -> Self {
        Self {
            id: enrollment.id,
            student_id: &enrollment.student.id,
            course_id: &enrollment.course_id,
            course_title: &enrollment.course_title,
            email: &enrollment.student.email,
            name: &enrollment.student.name,
            state: enrollment.state,
            created_at: rfc3339(enrollment.created_at),
        }
    }
}

/// Of `POST /enrollments`
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct Enrolled<'a> {
    message: &'static str,
    enrollment: EnrollmentView<'a>,
}

impl<'a> From<&'a Enrollment> for Enrolled<'a> {
    fn from(enrollment: &'a Enrollment) -> Self {
        Self { message: ENROLLED, enrollment: enrollment.into() }
    }
}

/// Of `GET /enrollments/{course_id}`
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct EnrollmentShown<'a> {
    pub(in crate::http) enrollment: EnrollmentView<'a>,
    /// Absent if nothing was ever charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = PaymentView, required = false))]
    pub(in crate::http) payment: Option<PaymentView<'a>>,
    /// The email of the enrollment's state; absent if the state has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = EmailView, required = false))]
    pub(in crate::http) email: Option<EmailView>,
}

/// Of `POST /operator/enrollments/{course_id}`
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct OperatedOn<'a> {
    /// `false` if the enrollment was like this already.
    pub(in crate::http) changed: bool,
    pub(in crate::http) enrollment: EnrollmentView<'a>,
}
