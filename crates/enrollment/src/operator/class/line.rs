//! The lines of a class, and whether one fits its course.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::{Place, RefundChoice, request::attempt};
use crate::{
    course::{Course, NotOpen},
    fields::{FieldErrors, Fields},
    history::Reason,
    student::Student,
};

/// A student to enroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolling {
    pub place: Place,
    pub student: Student,
    /// Needed if the access is granted though the course has a price or takes no new students.
    pub reason: Option<Reason>,
}

impl Enrolling {
    /// # Errors
    ///
    /// Every wrong field, with its reason.
    pub fn from_fields(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let place = place(&mut fields);
        let (email, name) = (fields.text("email"), fields.text("name"));
        let reason = fields.optional_text("reason");
        let line = (|| {
            let place = place?;
            let student = Student { id: place.student_id.clone(), email: email?, name: name? };
            Some(Self { place, student, reason })
        })();
        fields.finish(line)
    }
}

/// An access to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub place: Place,
    /// The payment attempt that this undoes, needed if there is a payment.
    pub attempt: Option<u32>,
    pub refund: RefundChoice,
    pub reason: Reason,
}

impl Ending {
    /// A line without a reason has the given one.
    ///
    /// # Errors
    ///
    /// Every wrong field, with its reason.
    pub fn from_fields(
        object: &Map<String, Value>,
        given: Option<&Reason>,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let place = place(&mut fields);
        let attempt = attempt(&mut fields);
        let refund = fields.optional_text("refund").unwrap_or(RefundChoice::None);
        let own = fields.optional_text("reason");
        let reason = own.or_else(|| given.cloned());
        if reason.is_none() && !fields.has_error("reason") {
            fields.add_error("reason", "is missing");
        }
        let line = (|| Some(Self { place: place?, attempt, refund, reason: reason? }))();
        fields.finish(line)
    }
}

fn place(fields: &mut Fields<'_>) -> Option<Place> {
    let (student_id, course_id) = (fields.text("student_id"), fields.text("course_id"));
    Some(Place { student_id: student_id?, course_id: course_id? })
}

/// Whether lines may give access that a student could not have for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granting {
    Allowed,
    Refused,
}

/// Why a line does not fit its course. Nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("there is no such course")]
    NoSuchCourse,
    #[error("this course has a price, and granting without a payment is not allowed")]
    Priced,
    #[error("{0}, and granting is not allowed")]
    NotOpen(NotOpen),
    #[error("is missing, and the course has a price or takes no new students")]
    NoReason,
}

impl Obstacle {
    /// As in the result of a line.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuchCourse => "no_such_course",
            Self::Priced => "course_has_price",
            Self::NotOpen(_) => "course_not_open",
            Self::NoReason => "reason_missing",
        }
    }

    /// The field that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::NoSuchCourse | Self::Priced | Self::NotOpen(_) => "course_id",
            Self::NoReason => "reason",
        }
    }
}

/// Checks a line against its course, as it is now. Returns whether the access is a grant.
///
/// # Errors
///
/// The course is missing, or gives no access for nothing.
pub fn check_course(
    course: Option<&Course>,
    granting: Granting,
    has_reason: bool,
    now: OffsetDateTime,
) -> Result<bool, Obstacle> {
    let course = course.ok_or(Obstacle::NoSuchCourse)?;
    match (needs_grant(course, now), granting) {
        (None, _) => Ok(false),
        (Some(why), Granting::Refused) => Err(why),
        (Some(_), Granting::Allowed) if has_reason => Ok(true),
        (Some(_), Granting::Allowed) => Err(Obstacle::NoReason),
    }
}

fn needs_grant(course: &Course, now: OffsetDateTime) -> Option<Obstacle> {
    if course.price.is_free() {
        course.check_open(now).err().map(Obstacle::NotOpen)
    } else {
        Some(Obstacle::Priced)
    }
}
