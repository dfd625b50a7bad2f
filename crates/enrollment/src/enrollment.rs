//! Enrollments: one student's place in one course.

use std::{fmt, time::Duration};

use email::{Job, JobId, job::Content};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Course, CourseId, Student, StudentId,
    fields::{FieldErrors, Fields},
};

/// How long after its last step an enrollment counts as left half done: longer than any request can
/// still be at work on it (the function's timeout is 10 s).
pub const RESUME_AFTER: Duration = Duration::from_mins(1);

/// The template of the email that confirms an enrollment.
pub const CONFIRMATION_TEMPLATE: &str = "enrollment-confirmation";

/// An enrollment's id, and the idempotency key of all that is done for it.
///
/// A UUID of version 7, new for every request: a conditional write whose answer was lost finds its own
/// id in the table and so knows that it was the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrollmentId(Uuid);

impl EnrollmentId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id's bytes. The last ones are random.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of the enrollment's one confirmation email.
    ///
    /// # Panics
    ///
    /// Never: a UUID in text is made of characters that a job id may have.
    pub fn email_job_id(&self) -> JobId {
        self.to_string().parse().expect("hexadecimal digits and hyphens")
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an enrollment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// The student has access.
    Active,
}

/// One student's place in one course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Whose it is.
    #[serde(flatten)]
    pub student: Student,
    /// Which course it is for.
    pub course_id: CourseId,
    /// How far it has come.
    pub state: EnrollmentState,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl Enrollment {
    /// A new enrollment that gives access at once: nothing is to be paid.
    pub fn active(student: Student, course_id: CourseId, now: OffsetDateTime) -> Self {
        Self {
            id: EnrollmentId::generate(),
            student,
            course_id,
            state: EnrollmentState::Active,
            created_at: now,
        }
    }

    /// When it counts as left half done, if nothing shows by then that it is finished.
    pub fn resume_at(&self) -> OffsetDateTime {
        self.created_at + RESUME_AFTER
    }

    /// The job of the one email that confirms this enrollment.
    pub fn confirmation(&self, course: &Course) -> Job {
        let text = |text: &str| Value::from(text);
        Job {
            id: self.id.email_job_id(),
            to: self.student.email.clone(),
            content: Content::Template {
                name: CONFIRMATION_TEMPLATE.to_owned(),
                data: Map::from_iter([
                    ("student_name".to_owned(), text(self.student.name.as_str())),
                    ("course_id".to_owned(), text(course.id.as_str())),
                    ("course_title".to_owned(), text(course.title.as_str())),
                ]),
            },
        }
    }

    /// The fields in which a request differs from the one that this enrollment was made with.
    pub(crate) fn differences(&self, request: &EnrollRequest) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let mut compare = |field: &'static str, same: bool| {
            if !same {
                errors.insert(
                    field.into(),
                    "is not the one that this student was enrolled with".to_owned(),
                );
            }
        };
        compare("email", self.student.email == request.student.email);
        compare("name", self.student.name == request.student.name);
        errors
    }
}

/// What a caller asks for: that this student be enrolled in that course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollRequest {
    /// Who is to be enrolled.
    pub student: Student,
    /// In which course.
    pub course_id: CourseId,
}

impl EnrollRequest {
    /// Reads a request from the fields of its body.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, with the reason.
    pub fn from_fields(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let id: Option<StudentId> = fields.text("student_id");
        let course_id = fields.text("course_id");
        let email = fields.text("email");
        let name = fields.text("name");
        let request = (|| {
            let student = Student { id: id?, email: email?, name: name? };
            Some(Self { student, course_id: course_id? })
        })();
        fields.finish(request)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_names_every_wrong_field() {
        let Value::Object(object) = json!({"student_id": 7, "email": "ada", "name": "Ada"}) else {
            unreachable!("the literal is an object")
        };
        let errors = EnrollRequest::from_fields(&object).unwrap_err();
        assert_eq!(
            serde_json::to_value(errors).unwrap(),
            json!({
                "course_id": "is missing",
                "email": "is not an email address",
                "student_id": "is not a string",
            })
        );
    }

    #[test]
    fn its_form_is_flat() {
        let student = Student {
            id: "s-1".parse().unwrap(),
            email: "ada@example.com".parse().unwrap(),
            name: "Ada".parse().unwrap(),
        };
        let now = OffsetDateTime::UNIX_EPOCH;
        let enrollment = Enrollment::active(student, "rust-101".parse().unwrap(), now);
        let form = serde_json::to_value(&enrollment).unwrap();
        assert_eq!(
            form,
            json!({
                "id": enrollment.id.to_string(),
                "student_id": "s-1",
                "email": "ada@example.com",
                "name": "Ada",
                "course_id": "rust-101",
                "state": "active",
                "created_at": "1970-01-01T00:00:00Z",
            })
        );
        assert_eq!(serde_json::from_value::<Enrollment>(form).unwrap(), enrollment);
    }
}
