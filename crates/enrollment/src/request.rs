//! Enrollment requests, and how one differs from an enrollment that exists.

use serde_json::{Map, Value};

use crate::{
    course::{Course, CourseId},
    enrollment::Enrollment,
    fields::{FieldErrors, Fields},
    payment::PaymentMethod,
    student::{Student, StudentId},
};

/// A caller's request to enroll a student in a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollRequest {
    pub student: Student,
    pub course_id: CourseId,
    /// Required if the course has a price.
    pub payment_method: Option<PaymentMethod>,
}

impl EnrollRequest {
    /// Reads a request from the fields of its body.
    ///
    /// # Errors
    ///
    /// Every wrong field, with its reason.
    pub fn from_fields(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let id: Option<StudentId> = fields.text("student_id");
        let course_id = fields.text("course_id");
        let email = fields.text("email");
        let name = fields.text("name");
        let payment_method = fields.optional_text("payment_method");
        let request = (|| {
            let student = Student { id: id?, email: email?, name: name? };
            Some(Self { student, course_id: course_id?, payment_method })
        })();
        fields.finish(request)
    }

    /// The fields in which this request differs from the one that made the enrollment.
    pub(crate) fn differences(&self, enrollment: &Enrollment) -> FieldErrors {
        const WHY: &str = "is not the one that this student was enrolled with";
        reasons([
            ("email", self.student.email == enrollment.student.email, WHY),
            ("name", self.student.name == enrollment.student.name, WHY),
        ])
    }

    /// The fields in which this request differs from the payment in progress.
    pub(crate) fn payment_differences(
        &self,
        enrollment: &Enrollment,
        course: &Course,
    ) -> FieldErrors {
        let payment = enrollment.payment.as_ref();
        reasons([
            (
                "payment_method",
                payment.map(|payment| &payment.method) == self.payment_method.as_ref(),
                "is not the one of the payment in progress",
            ),
            (
                "course_id",
                payment.map(|payment| payment.price) == Some(course.price),
                "this course had another price when the payment in progress began",
            ),
        ])
    }
}

/// Keeps the fields that are not the same.
fn reasons<const N: usize>(fields: [(&'static str, bool, &str); N]) -> FieldErrors {
    let differing = fields.into_iter().filter(|(_, same, _)| !same);
    differing.map(|(field, _, why)| (field.into(), why.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
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
}
