//! Table `seats`: partition key `course_id`. `seats` is how many a course has, and `taken` how many are held.
//!
//! `taken` changes only in a transaction with the enrollment that takes or releases the seat, so it is exact at any moment.
//! A transactional write costs two write units, so one course can change at most 500 seats per second: a partition has
//! 1,000 (DynamoDB Developer Guide, "Best practices for designing and using partition keys effectively"; "Amazon
//! DynamoDB Transactions", capacity management). A course without seats has no item, and none is read or written for it.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use enrollment::{Course, CourseId, Enrollment};
use unavailable::Unavailable;

use super::item::{number, text};

/// What becomes of a seat with the next version of an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeatChange {
    Takes,
    Releases,
}

impl SeatChange {
    /// `None` if nothing changes.
    pub(super) fn between(before: &Enrollment, next: &Enrollment) -> Option<Self> {
        match (before.seat, next.seat) {
            (false, true) => Some(Self::Takes),
            (true, false) => Some(Self::Releases),
            (false, false) | (true, true) => None,
        }
    }

    /// The write of the count. A course whose item is missing has no free seat: rather none than one too many.
    pub(super) fn update(
        self,
        table: &str,
        course_id: &CourseId,
        operation: &'static str,
    ) -> Result<TransactWriteItem, Unavailable> {
        let update = Update::builder()
            .table_name(table)
            .key("course_id", text(course_id))
            .update_expression("ADD taken :change");
        let update = match self {
            Self::Takes => update
                .condition_expression(
                    "taken < seats OR (attribute_exists(course_id) AND attribute_not_exists(seats))",
                )
                .expression_attribute_values(":change", number(1)),
            Self::Releases => update
                .condition_expression("taken > :none")
                .expression_attribute_values(":change", number(-1))
                .expression_attribute_values(":none", number(0)),
        };
        let update = update.build().map_err(|error| Unavailable::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The write of a course's number of seats; `None` if it has none and had none. What is taken stays taken.
pub(super) fn number_of_seats(
    table: &str,
    current: Option<&Course>,
    next: &Course,
    operation: &'static str,
) -> Result<Option<TransactWriteItem>, Unavailable> {
    let update = Update::builder().table_name(table).key("course_id", text(&next.id));
    let update = match next.seats {
        Some(seats) => update
            .update_expression("SET seats = :seats, taken = if_not_exists(taken, :none)")
            .expression_attribute_values(":seats", number(u32::from(seats)))
            .expression_attribute_values(":none", number(0)),
        None if current.is_some_and(Course::has_seats) => update.update_expression("REMOVE seats"),
        None => return Ok(None),
    };
    let update = update.build().map_err(|error| Unavailable::new(operation, error))?;
    Ok(Some(TransactWriteItem::builder().update(update).build()))
}
