//! Enrollment requests, and how one differs from an enrollment that exists.

use email::Locale;
use serde_json::{Map, Value};

use crate::{
    course::{Course, CourseId},
    enrollment::Enrollment,
    fields::{FieldErrors, Fields},
    money::Money,
    payment::{Payment, PaymentMethod},
    student::{Student, StudentId},
};

/// A caller's request to enroll a student in a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollRequest {
    pub student: Student,
    pub course_id: CourseId,
    /// Required if the course has a price.
    pub payment_method: Option<PaymentMethod>,
    /// The price that the student agreed to, if the caller says.
    pub agreed_price: Option<Money>,
    /// The language of the emails. No detail of the enrollment: another one later changes nothing.
    pub locale: Option<Locale>,
    /// See [`Enrollment::trace`]. Not a field of the body.
    pub trace: Option<String>,
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
        let locale = fields.optional_text("locale");
        let agreed_price = Money::from_optional_fields(object, &mut fields);
        let request = (|| {
            let student = Student { id: id?, email: email?, name: name? };
            let course_id = course_id?;
            Some(Self { student, course_id, payment_method, agreed_price, locale, trace: None })
        })();
        fields.finish(request)
    }

    /// The fields in which this request differs from the one that made the enrollment. Names are in normal form
    /// and domains in lower case, in requests and in what is read from a table, so that a difference in form is none.
    pub(crate) fn differences(&self, enrollment: &Enrollment) -> FieldErrors {
        const WHY: &str = "is not the one that this student was enrolled with";
        reasons([
            ("email", self.student.email == enrollment.student.email, WHY),
            ("name", self.student.name == enrollment.student.name, WHY),
        ])
    }

    /// The fields in which the agreed price differs from the course's.
    pub(crate) fn price_differences(&self, course: &Course) -> FieldErrors {
        let agreed = self.agreed_price.unwrap_or(course.price);
        reasons([
            ("price", agreed.amount == course.price.amount, "is not the price of this course"),
            ("currency", agreed.currency == course.price.currency, "is not this course's currency"),
        ])
    }

    /// Whether a payment in progress is the one that this request asks for.
    pub(crate) fn is_for(&self, payment: &Payment, course: &Course) -> bool {
        self.payment_method.as_ref() == Some(&payment.method)
            && self.agreed_price.unwrap_or(course.price) == payment.price
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

    fn request(email: &str, name: &str) -> EnrollRequest {
        let body = json!({"student_id": "s", "course_id": "c", "email": email, "name": name});
        EnrollRequest::from_fields(body.as_object().unwrap()).unwrap()
    }

    #[test]
    fn name_in_another_form_and_domain_in_another_case_are_the_same() {
        let course =
            json!({"course_id": "c", "title": "T", "price": 0, "currency": "USD", "state": "open"});
        let course: Course = serde_json::from_value(course).unwrap();
        let first = request("ada@b\u{fc}cher.Example", "Am\u{e9}lie");
        let enrollment =
            Enrollment::new(first.student.clone(), &course, None, time::OffsetDateTime::UNIX_EPOCH);
        // As an earlier version stored it.
        let mut stored = serde_json::to_value(&enrollment).unwrap();
        stored["name"] = json!("Ame\u{301}lie");
        stored["email"] = json!("ada@XN--bcher-kva.EXAMPLE");
        for enrollment in [enrollment, serde_json::from_value(stored).unwrap()] {
            for (email, name) in [
                ("ada@B\u{dc}CHER.example", "Ame\u{301}lie"),
                ("ada@xn--bcher-kva.example", " Am\u{e9}lie"),
            ] {
                assert_eq!(request(email, name).differences(&enrollment), FieldErrors::new());
            }
            let other = request("Ada@b\u{fc}cher.example", "Amelie").differences(&enrollment);
            assert!(other.keys().eq(["email", "name"]));
        }
    }

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
                "email": "is not an email address: it has no @",
                "student_id": "is not a string",
            })
        );
    }
}
