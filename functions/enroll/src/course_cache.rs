//! Courses kept in memory for a short time, so that the hot path reads one table less.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use enrollment::{
    Course, CourseId,
    course::CourseState,
    listing::ListCourses,
    page::{Page, PageRequest},
    ports::{FindCourse, PutCourse, Replaced},
    price_change::PriceChange,
};
use tokio::time::Instant;
use unavailable::Unavailable;

/// Maximum age of a course in one execution environment.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(10);

/// Maximum number of courses; one more empties the cache.
pub const CAPACITY: usize = 1_000;

/// A cache in front of the catalogue. It keeps only courses that exist.
#[derive(Debug)]
pub struct CachedCourses<C> {
    courses: C,
    clock: fn() -> Instant,
    rows: Mutex<HashMap<CourseId, (Instant, Course)>>,
}

impl<C> CachedCourses<C> {
    pub fn new(courses: C, clock: fn() -> Instant) -> Self {
        Self { courses, clock, rows: Mutex::default() }
    }

    fn recall(&self, id: &CourseId) -> Option<Course> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, course) = rows.get(id)?;
        ((self.clock)().duration_since(*read_at) < TIME_TO_LIVE).then(|| course.clone())
    }

    /// `read_at` is a time before the read, so that no row is kept for too long.
    fn remember(&self, read_at: Instant, course: &Course) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= CAPACITY {
            rows.clear();
        }
        rows.insert(course.id.clone(), (read_at, course.clone()));
    }

    fn forget(&self, id: &CourseId) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl<C: FindCourse + Sync> FindCourse for CachedCourses<C> {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        match self.recall(id) {
            Some(course) => Ok(Some(course)),
            None => self.find_course_now(id).await,
        }
    }

    async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        let read_at = (self.clock)();
        let course = self.courses.find_course_now(id).await?;
        match &course {
            Some(course) => self.remember(read_at, course),
            None => self.forget(id),
        }
        Ok(course)
    }
}

impl<C: PutCourse + Sync> PutCourse for CachedCourses<C> {
    async fn put_course(
        &self,
        current: Option<&Course>,
        next: &Course,
        change: Option<&PriceChange>,
    ) -> Result<Replaced, Unavailable> {
        let put = self.courses.put_course(current, next, change).await;
        // After the write: a read in between may have kept the old row. Also after a failure, which
        // leaves the table's content unknown.
        self.forget(&next.id);
        put
    }
}

/// Lists pass the cache.
impl<C: ListCourses + Sync> ListCourses for CachedCourses<C> {
    async fn list_courses_in(
        &self,
        state: CourseState,
        page: &PageRequest,
    ) -> Result<Page<Course>, Unavailable> {
        self.courses.list_courses_in(state, page).await
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, sync::atomic::AtomicU64, sync::atomic::Ordering};

    use serde_json::json;

    use super::*;

    thread_local! {
        static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    fn now() -> Instant {
        NOW.get().unwrap_or_else(|| {
            NOW.set(Some(lambda::clock::instant()));
            now()
        })
    }

    /// Counts reads; every course's price is the number of writes.
    #[derive(Default)]
    struct Table {
        reads: AtomicU64,
        writes: AtomicU64,
    }

    impl FindCourse for Table {
        async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let price = self.writes.load(Ordering::Relaxed);
            let row = json!({"course_id": id, "title": "T", "price": price, "currency": "USD", "state": "open"});
            Ok((id.as_str() != "none").then(|| serde_json::from_value(row).unwrap()))
        }

        async fn find_course_now(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
            self.find_course(id).await
        }
    }

    impl PutCourse for Table {
        async fn put_course(
            &self,
            _: Option<&Course>,
            _: &Course,
            _: Option<&PriceChange>,
        ) -> Result<Replaced, Unavailable> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Ok(Replaced::Done)
        }
    }

    #[tokio::test]
    async fn course_is_read_once_until_it_is_too_old() {
        let cached = CachedCourses::new(Table::default(), now);
        let id: CourseId = "rust-101".parse().unwrap();
        cached.find_course(&id).await.unwrap();
        let read_at = now();
        NOW.set(Some(read_at + TIME_TO_LIVE.mul_f64(0.999)));
        cached.find_course(&id).await.unwrap();
        assert_eq!(cached.courses.reads.load(Ordering::Relaxed), 1);
        NOW.set(Some(read_at + TIME_TO_LIVE));
        cached.find_course(&id).await.unwrap();
        assert_eq!(cached.courses.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn fresh_read_passes_the_cache_and_renews_it() {
        let cached = CachedCourses::new(Table::default(), now);
        let id: CourseId = "rust-101".parse().unwrap();
        let old = cached.find_course(&id).await.unwrap().unwrap();
        // A write by another execution environment.
        cached.courses.put_course(None, &old, None).await.unwrap();
        assert_eq!(cached.find_course(&id).await.unwrap().unwrap(), old);
        let fresh = cached.find_course_now(&id).await.unwrap().unwrap();
        assert_ne!(fresh, old);
        assert_eq!(cached.find_course(&id).await.unwrap().unwrap(), fresh);
    }

    #[tokio::test]
    async fn write_shows_immediately_and_a_missing_course_is_not_cached() {
        let cached = CachedCourses::new(Table::default(), now);
        let id: CourseId = "rust-101".parse().unwrap();
        let before = cached.find_course(&id).await.unwrap().unwrap();
        cached.put_course(None, &before, None).await.unwrap();
        assert_ne!(cached.find_course(&id).await.unwrap().unwrap(), before);
        let none: CourseId = "none".parse().unwrap();
        cached.find_course(&none).await.unwrap();
        cached.find_course(&none).await.unwrap();
        assert_eq!(cached.courses.reads.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn cache_never_exceeds_its_capacity() {
        let cached = CachedCourses::new(Table::default(), now);
        for n in 0..=CAPACITY {
            let row = json!({"course_id": format!("c{n}"), "title": "T", "price": 0, "currency": "USD", "state": "open"});
            cached.remember(now(), &serde_json::from_value(row).unwrap());
            assert!(cached.rows.lock().unwrap().len() <= CAPACITY);
        }
    }
}
