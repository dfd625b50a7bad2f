//! Courses.

use enrollment::{
    Course, CourseId,
    course::{CourseState, Title},
    moment::Moment,
    money::{Amount, Currency, Money},
    seats::Seats,
};
use serde::Serialize;

#[cfg(test)]
use crate::http::openapi::schema;

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Course))]
pub(in crate::http) struct CourseView<'a> {
    #[cfg_attr(test, schema(value_type = schema::CourseId))]
    course_id: &'a CourseId,
    #[cfg_attr(test, schema(value_type = schema::Title))]
    title: &'a Title,
    /// In minor units.
    #[cfg_attr(test, schema(value_type = schema::Amount))]
    price: Amount,
    #[cfg_attr(test, schema(value_type = schema::Currency))]
    currency: Currency,
    #[cfg_attr(test, schema(value_type = schema::CourseState))]
    state: CourseState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    opens_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Moment, required = false))]
    closes_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = schema::Seats, required = false))]
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
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(in crate::http) struct CourseShown<'a> {
    pub(in crate::http) course: CourseView<'a>,
    /// Of a course with seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = u32, required = false))]
    pub(in crate::http) seats_taken: Option<u32>,
}
