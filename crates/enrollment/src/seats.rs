//! Seats of a course.
//!
//! An enrollment that holds a seat says so itself, and the course's count is changed in the same write as the enrollment. So
//! at any moment the count is the number of enrollments that hold a seat, whatever crashed.

use serde::{Deserialize, Serialize};

/// The most seats that a course can have.
const MAX_SEATS: u32 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than {MAX_SEATS}")]
pub struct TooManySeats;

/// A number of seats, up to a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u32")]
pub struct Seats(u32);

impl TryFrom<u64> for Seats {
    type Error = TooManySeats;

    fn try_from(number: u64) -> Result<Self, TooManySeats> {
        u32::try_from(number).ok().filter(|n| *n <= MAX_SEATS).map(Self).ok_or(TooManySeats)
    }
}

impl From<Seats> for u32 {
    fn from(seats: Seats) -> Self {
        seats.0
    }
}

/// The seats of a course as its count has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatCount {
    /// `None` if the course has seats no more.
    #[serde(default)]
    pub seats: Option<Seats>,
    #[serde(default)]
    pub taken: u32,
}

impl SeatCount {
    /// A course may have fewer seats than are taken: then none is free until enough of them are.
    pub fn has_free(self) -> bool {
        self.seats.is_none_or(|seats| self.taken < u32::from(seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seat_is_free_while_fewer_are_taken_than_there_are() {
        let count = |seats: Option<u64>, taken| SeatCount {
            seats: seats.map(|seats| Seats::try_from(seats).unwrap()),
            taken,
        };
        assert!(count(Some(2), 1).has_free() && count(None, 9).has_free());
        assert!(!count(Some(2), 2).has_free() && !count(Some(0), 0).has_free());
        assert!(!count(Some(2), 5).has_free(), "the course has fewer seats now");
        assert!(Seats::try_from(1_000_001).is_err());
    }
}
