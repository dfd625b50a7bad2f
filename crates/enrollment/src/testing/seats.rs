//! The counts of seats, which change in the same step as the enrollments.

use unavailable::Unavailable;

use super::world::{Dependency, Missing, State, World};
use crate::{
    course::{Course, CourseId},
    ports::CountSeats,
    seats::SeatCount,
};

impl World {
    /// Somebody without an enrollment here takes a seat, if one is free.
    pub fn other_takes_seat(&self, course_id: &CourseId) -> bool {
        let mut state = self.state();
        let taken = state.take_seat(course_id);
        if taken {
            *state.others.entry(course_id.clone()).or_default() += 1;
        }
        taken
    }

    /// One of them releases a seat.
    pub fn other_leaves(&self, course_id: &CourseId) {
        let mut state = self.state();
        if let Some(others) = state.others.get_mut(course_id).filter(|others| **others > 0) {
            *others -= 1;
            state.release_seat(course_id);
        }
    }

    /// What must hold at any moment: a count is the number of those who hold a seat, and no seat was taken that was
    /// not free.
    ///
    /// # Errors
    ///
    /// What does not hold.
    pub fn check_seats(&self) -> Result<(), String> {
        let state = self.state();
        if state.oversold > 0 {
            return Err(format!("{} seats too many", state.oversold));
        }
        for (course_id, count) in &state.seats {
            let holds = |found: &&crate::Enrollment| found.course_id == *course_id && found.seat;
            let holders = state.enrollments.values().filter(holds).count();
            let others = state.others.get(course_id).copied().unwrap_or_default();
            if count.taken as usize != holders + others as usize {
                let taken = count.taken;
                return Err(format!("{taken} seats are taken, and {holders} + {others} are held"));
            }
        }
        let odd = |found: &&crate::Enrollment| found.seat && !found.state.keeps_seat();
        match state.enrollments.values().find(odd) {
            Some(found) => Err(format!("an enrollment that is {} holds a seat", found.state)),
            None => Ok(()),
        }
    }

    /// The seats of a course.
    pub fn seats_of(&self, course_id: &CourseId) -> Option<SeatCount> {
        self.state().seats.get(course_id).copied()
    }
}

impl State {
    /// Without a count no seat is free.
    pub(super) fn take_seat(&mut self, course_id: &CourseId) -> bool {
        let unchecked = self.is_missing(Missing::FreeSeat);
        let Some(count) = self.seats.get_mut(course_id) else { return false };
        if !count.has_free() {
            if !unchecked {
                return false;
            }
            self.oversold += 1;
        }
        count.taken += 1;
        true
    }

    pub(super) fn release_seat(&mut self, course_id: &CourseId) {
        if self.is_missing(Missing::SeatRelease) {
            return;
        }
        if let Some(count) = self.seats.get_mut(course_id) {
            count.taken = count.taken.saturating_sub(1);
        }
    }

    /// The course's number of seats; those that are taken stay taken.
    pub(super) fn set_seats(&mut self, course: &Course) {
        let had_some = self.seats.contains_key(&course.id);
        if course.has_seats() || had_some {
            let count =
                self.seats.entry(course.id.clone()).or_insert(SeatCount { seats: None, taken: 0 });
            count.seats = course.seats;
        }
    }
}

impl CountSeats for World {
    async fn count_seats(&self, course_id: &CourseId) -> Result<Option<SeatCount>, Unavailable> {
        self.call(Dependency::Tables, |state| state.seats.get(course_id).copied()).await
    }
}
