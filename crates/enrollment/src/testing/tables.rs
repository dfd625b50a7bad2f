//! The tables of courses and enrollments, with the conditions of the DynamoDB adapter.

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::world::{Dependency, Missing, World, unavailable};
use crate::{
    course::{Course, CourseId},
    enrollment::{Enrollment, EnrollmentState},
    forget::{EraseEnrollment, Erased},
    ports::{
        FindCourse, FindEnrollment, FinishEnrollment, InsertEnrollment, Inserted, PutCourse,
        Replaced, SaveEnrollment, Saved,
    },
    price_change::PriceChange,
    student::StudentId,
};

impl World {
    pub fn delete_courses(&self) {
        self.state().courses.clear();
    }

    /// An operator's course, at once.
    pub fn offer(&self, course: Course) {
        let mut state = self.state();
        state.set_seats(&course);
        state.courses.insert(course.id.clone(), course);
    }

    /// The history of all prices, the oldest first.
    pub fn price_changes(&self) -> Vec<PriceChange> {
        self.state().price_changes.clone()
    }

    pub fn enrollments(&self) -> Vec<Enrollment> {
        self.state().enrollments.values().cloned().collect()
    }

    /// The number of different enrollments that were ever inserted.
    pub fn inserts(&self) -> usize {
        self.state().inserted.len()
    }

    /// The number of writes that dropped an entry of an enrollment's history.
    pub fn histories_lost(&self) -> usize {
        self.state().histories_lost
    }

    /// Every write of an enrollment, as a stream of the table has it: the item before and after.
    pub fn writes(&self) -> Vec<(Option<Enrollment>, Enrollment)> {
        self.state().writes.clone()
    }

    /// Every enrollment whose `resume_at` has passed.
    pub fn overdue(&self, now: OffsetDateTime) -> Vec<Enrollment> {
        let state = self.state();
        state.enrollments.values().filter(|found| is_overdue(found, now)).cloned().collect()
    }
}

fn is_overdue(enrollment: &Enrollment, now: OffsetDateTime) -> bool {
    enrollment.resume_at.is_some_and(|at| at <= now)
}

fn key(enrollment: &Enrollment) -> (StudentId, CourseId) {
    (enrollment.student.id.clone(), enrollment.course_id.clone())
}

impl FindCourse for World {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.call(Dependency::Tables, |state| state.courses.get(id).cloned()).await
    }

    async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        self.find_course(id).await
    }
}

impl PutCourse for World {
    async fn put_course(
        &self,
        current: Option<&Course>,
        next: &Course,
        change: Option<&PriceChange>,
    ) -> Result<Replaced, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let found = state.courses.get(&next.id);
            if found.map(|found| found.version) != current.map(|current| current.version) {
                let is_repeated = found == Some(next);
                return if is_repeated { Replaced::Done } else { Replaced::Conflict };
            }
            state.set_seats(next);
            state.courses.insert(next.id.clone(), next.clone());
            state.price_changes.extend(change.cloned());
            Replaced::Done
        })
        .await
    }
}

impl FindEnrollment for World {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        let key = (student_id.clone(), course_id.clone());
        self.call(Dependency::Tables, |state| state.enrollments.get(&key).cloned()).await
    }
}

impl InsertEnrollment for World {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        self.write(|state| {
            let key = key(enrollment);
            match state.enrollments.get(&key).cloned() {
                Some(existing) if !state.is_missing(Missing::ConditionalInsert) => {
                    Inserted::Exists(existing)
                }
                _ if enrollment.seat && !state.take_seat(&enrollment.course_id) => Inserted::Full,
                _ => {
                    state.inserted(enrollment.id);
                    let old = state.enrollments.insert(key, enrollment.clone());
                    state.writes.push((old, enrollment.clone()));
                    Inserted::New
                }
            }
        })
        .await
    }
}

impl SaveEnrollment for World {
    async fn save_enrollment(
        &self,
        before: &Enrollment,
        enrollment: &Enrollment,
    ) -> Result<Saved, Unavailable> {
        self.write(|state| {
            let previous = enrollment.version.checked_sub(1).ok_or_else(unavailable)?;
            let key = key(enrollment);
            let existing = state.enrollments.get(&key).cloned().ok_or_else(unavailable)?;
            let fits = existing.id == enrollment.id && existing.version == previous;
            let mut enrollment = enrollment.clone();
            if state.is_missing(Missing::IntentWrite)
                && enrollment.state == EnrollmentState::PaymentPending
                && let Some(payment) = &mut enrollment.payment
            {
                payment.intent = None;
            }
            let is_lost = !enrollment.history.starts_with(&existing.history);
            if fits || state.is_missing(Missing::ConditionalSave) {
                match (before.seat, enrollment.seat) {
                    (false, true) if !state.take_seat(&enrollment.course_id) => {
                        return Ok(Saved::Full);
                    }
                    (true, false) => state.release_seat(&enrollment.course_id),
                    _ => {}
                }
                state.histories_lost += usize::from(is_lost);
                state.reset_failures(&enrollment);
                let old = state.enrollments.insert(key, enrollment.clone());
                state.writes.push((old, enrollment));
                Ok(Saved::Done)
            } else if existing == enrollment {
                Ok(Saved::Done)
            } else {
                Ok(Saved::Conflict(existing))
            }
        })
        .await?
    }
}

impl FinishEnrollment for World {
    async fn finish_enrollment(&self, enrollment: &Enrollment) -> Result<bool, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let fits = |found: &&mut Enrollment| {
                found.id == enrollment.id && found.version == enrollment.version
            };
            match state.enrollments.get_mut(&key(enrollment)).filter(fits) {
                Some(found) => {
                    let old = found.clone();
                    found.resume_at = None;
                    let new = found.clone();
                    state.writes.push((Some(old), new));
                    state.reset_failures(enrollment);
                    true
                }
                None => false,
            }
        })
        .await
    }
}

impl EraseEnrollment for World {
    async fn erase_enrollment(
        &self,
        found: &Enrollment,
        instead: Option<&Enrollment>,
    ) -> Result<Erased, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let Some(existing) = state.enrollments.get(&key(found)) else { return Erased::Done };
            let fits = existing.id == found.id && existing.version == found.version;
            let is_taken = instead.is_some_and(|new| state.enrollments.contains_key(&key(new)));
            if !fits || is_taken {
                return Erased::Conflict;
            }
            state.enrollments.remove(&key(found));
            if let Some(new) = instead {
                state.enrollments.insert(key(new), new.clone());
            }
            Erased::Done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{enrollment::EnrollmentState, testing::Bank};

    fn enrollment() -> Enrollment {
        let course = serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 0, "currency": "USD", "state": "open",
        }))
        .unwrap();
        let student = json!({"student_id": "s-1", "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        Enrollment::new(student, &course, None, OffsetDateTime::UNIX_EPOCH)
    }

    async fn world_with(enrollment: &Enrollment) -> World {
        let world = World::new([], Bank::Accepts);
        assert_eq!(world.insert_enrollment(enrollment).await.unwrap(), Inserted::New);
        world
    }

    #[tokio::test]
    async fn second_insert_returns_the_enrollment_that_exists() {
        let first = enrollment();
        let world = world_with(&first).await;
        let again = world.insert_enrollment(&enrollment()).await.unwrap();
        assert_eq!(again, Inserted::Exists(first.clone()));
        assert_eq!(world.enrollments(), [first]);
    }

    #[tokio::test]
    async fn save_of_a_stale_version_conflicts_and_loses_no_update() {
        let read_by_both = enrollment();
        let world = world_with(&read_by_both).await;
        let first = read_by_both.next(EnrollmentState::Refunding, None);
        assert_eq!(world.save_enrollment(&read_by_both, &first).await.unwrap(), Saved::Done);
        let stale = read_by_both.next(EnrollmentState::Active, None);
        let saved = world.save_enrollment(&read_by_both, &stale).await.unwrap();
        assert_eq!(saved, Saved::Conflict(first.clone()));
        assert_eq!(world.enrollments(), [first], "the first update is still there");

        world.remove(Missing::ConditionalSave);
        assert_eq!(world.save_enrollment(&read_by_both, &stale).await.unwrap(), Saved::Done);
        assert_eq!(world.enrollments(), [stale], "and is lost without the condition");
    }

    #[tokio::test]
    async fn repeated_save_finds_itself() {
        let first = enrollment();
        let world = world_with(&first).await;
        let next = first.next(EnrollmentState::Active, None);
        for _ in 0..2 {
            assert_eq!(world.save_enrollment(&first, &next).await.unwrap(), Saved::Done);
        }
    }

    #[tokio::test]
    async fn save_of_another_enrollment_conflicts() {
        let first = enrollment();
        let world = world_with(&first).await;
        let other = enrollment().next(EnrollmentState::Active, None);
        assert_eq!(world.save_enrollment(&first, &other).await.unwrap(), Saved::Conflict(first));
    }

    #[tokio::test]
    async fn only_the_version_that_is_stored_is_finished() {
        let first = enrollment();
        let world = world_with(&first).await;
        let next = first.next(EnrollmentState::Refunding, first.resume_at);
        assert_eq!(world.save_enrollment(&first, &next).await.unwrap(), Saved::Done);
        assert!(!world.finish_enrollment(&first).await.unwrap(), "a stale version");
        assert!(!world.finish_enrollment(&enrollment()).await.unwrap(), "another enrollment");
        assert_eq!(world.enrollments(), std::slice::from_ref(&next));
        for _ in 0..2 {
            assert!(world.finish_enrollment(&next).await.unwrap(), "and again");
        }
        assert_eq!(world.enrollments(), [Enrollment { resume_at: None, ..next }]);
    }

    #[tokio::test]
    async fn save_without_an_earlier_version_is_unavailable() {
        let first = enrollment();
        assert!(
            world_with(&first).await.save_enrollment(&first, &first).await.is_err(),
            "version 0"
        );
        let empty = World::new([], Bank::Accepts);
        assert!(
            empty.save_enrollment(&first, &first.next(first.state, None)).await.is_err(),
            "no item"
        );
    }
}
