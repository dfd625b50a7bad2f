//! The `data` of `JSend` responses, as types: what a caller reads is written here, field by field. A field that is
//! added to an enrollment for the table is not returned by that.

mod course;
mod email;
mod enrollment;
mod lists;
mod payment;

pub(super) use self::{
    course::{CourseShown, CourseView},
    email::EmailView,
    enrollment::{Enrolled, EnrollmentShown, EnrollmentView, OperatedOn},
    lists::{CoursesPage, EnrollmentsPage},
    payment::{PaymentNotMade, PaymentView},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn rfc3339(at: OffsetDateTime) -> String {
    // Fails only beyond the year 9999.
    at.format(&Rfc3339).unwrap_or_default()
}
