//! Courses.

use enrollment::{
    Course, CourseId,
    course::{CourseState, Title},
    moment::Moment,
    money::{Amount, Currency, Money},
    seats::Seats,
};
use serde::Serialize;

#[derive(Serialize)]
pub(in crate::http) struct CourseView<'a> {
    course_id: &'a CourseId,
    title: &'a Title,
    /// In minor units.
    price: Amount,
    currency: Currency,
    state: CourseState,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seats: Option<Seats>,
    version: u32,
}

impl<'a> From<&'a Course> for CourseView<'a> {
    fn from(course: &'a Course) -> Self {
        let Course { id, title, price, state, opens_at, closes_at, seats, version } = course;
        let &Money { amount, currency } = price;
        Self {
            course_id: id,
            title,
            price: amount,
            currency,
            state: *state,
            opens_at: *opens_at,
            closes_at: *closes_at,
            seats: *seats,
            version: *version,
        }
    }
}

/// Of `GET` and `PUT /courses/{course_id}`
#[derive(Serialize)]
pub(in crate::http) struct CourseShown<'a> {
    pub(in crate::http) course: CourseView<'a>,
    /// Of a course with seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) seats_taken: Option<u32>,
}
