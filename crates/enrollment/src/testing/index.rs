//! The index of unfinished enrollments, which shows its items as they are stored, also those that no
//! version of the code can read.

use std::ops::Range;

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    rows::{Failures, Unreadable},
    world::{Dependency, State, World},
};
use crate::{
    course::CourseId,
    enrollment::Enrollment,
    student::StudentId,
    unfinished::{
        Cause, FindOverdue, MakeDue, Overdue, OverdueKey, OverduePage, PutOff, ReadOverdue,
        Unfinished,
    },
};

/// Keys per page, few so that tests need several pages.
const PAGE: usize = 8;

/// Shards of each kind.
const SHARDS: u8 = 2;

impl World {
    /// Puts an item that cannot be read into a shard of the index.
    pub fn insert_unreadable(
        &self,
        shard: u8,
        student_id: &str,
        course_id: &str,
        resume_at: OffsetDateTime,
    ) {
        self.state().unreadable.push(Unreadable {
            student_id: student_id.to_owned(),
            course_id: course_id.to_owned(),
            resume_at: resume_at.unix_timestamp().to_string(),
            shard,
        });
    }

    /// The `resume_at` of each item that cannot be read.
    pub fn unreadable(&self) -> Vec<String> {
        self.state().unreadable.iter().map(|item| item.resume_at.clone()).collect()
    }

    /// The count of failures in each enrollment's item, with its student.
    pub fn failures(&self) -> Vec<(StudentId, u32)> {
        let state = self.state();
        let counts = state.failures.iter();
        counts.map(|((student, _), failures)| (student.clone(), failures.count)).collect()
    }

    /// Has every enrollment in the shards in which an earlier version wrote it.
    pub fn use_old_shards(&self) {
        self.state().old_shards = true;
    }
}

impl State {
    fn shard(&self, enrollment: &Enrollment) -> u8 {
        let shard = enrollment.id.as_bytes()[15] % SHARDS;
        let in_progress = enrollment.has_payment_in_progress();
        if in_progress && !self.old_shards { SHARDS + shard } else { shard }
    }

    /// Keys of a shard, the longest overdue first.
    fn keys(&self, shard: u8) -> Vec<(i64, OverdueKey)> {
        let enrollments = self.enrollments.values().filter(|found| self.shard(found) == shard);
        let readable =
            enrollments.filter_map(|found| Some((found.resume_at?.unix_timestamp(), key(found)?)));
        let unreadable = self.unreadable.iter().filter(|item| item.shard == shard).map(|item| {
            let key = OverdueKey {
                student_id: item.student_id.clone(),
                course_id: item.course_id.clone(),
                resume_at: item.resume_at.clone(),
            };
            (item.resume_at.parse().unwrap(), key)
        });
        let mut keys: Vec<_> = readable.chain(unreadable).collect();
        keys.sort_by(|(at, key), (other_at, other)| {
            (at, order(key)).cmp(&(other_at, order(other)))
        });
        keys
    }

    pub(super) fn reset_failures(&mut self, enrollment: &Enrollment) {
        let key = (enrollment.student.id.clone(), enrollment.course_id.clone());
        self.failures.remove(&key);
    }
}

fn order(key: &OverdueKey) -> (&str, &str) {
    (&key.student_id, &key.course_id)
}

fn key(enrollment: &Enrollment) -> Option<OverdueKey> {
    Some(OverdueKey {
        student_id: enrollment.student.id.to_string(),
        course_id: enrollment.course_id.to_string(),
        resume_at: enrollment.resume_at?.unix_timestamp().to_string(),
    })
}

fn ids(key: &OverdueKey) -> Option<(StudentId, CourseId)> {
    Some((key.student_id.parse().ok()?, key.course_id.parse().ok()?))
}

impl FindOverdue for World {
    const PAYMENT_SHARDS: Range<u8> = SHARDS..2 * SHARDS;
    const OTHER_SHARDS: Range<u8> = 0..SHARDS;

    async fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        after: Option<&OverdueKey>,
    ) -> Result<OverduePage, Unavailable> {
        self.call(Dependency::Shard(shard), |state| {
            let now = now.unix_timestamp();
            let place = |key: &OverdueKey| (key.resume_at.parse::<i64>().unwrap(), key.clone());
            let after = after.map(place);
            let is_later = |at: i64, key: &OverdueKey| {
                let Some((after_at, after)) = &after else { return true };
                (at, order(key)) > (*after_at, order(after))
            };
            let mut keys = state.keys(shard);
            keys.retain(|(at, key)| *at <= now && is_later(*at, key));
            let more = keys.len() > PAGE;
            let keys: Vec<_> = keys.into_iter().take(PAGE).map(|(_, key)| key).collect();
            let next = keys.last().filter(|_| more).cloned();
            OverduePage { keys, next }
        })
        .await
    }
}

impl ReadOverdue for World {
    async fn read_overdue(
        &self,
        key: &OverdueKey,
        now: OffsetDateTime,
    ) -> Result<Unfinished, Unavailable> {
        self.call(Dependency::Tables, |state| {
            if let Some(found) = ids(key).and_then(|ids| state.enrollments.get(&ids)) {
                return overdue(state, found, now).map_or(Unfinished::Gone, Unfinished::Readable);
            }
            let is_it = |item: &&Unreadable| {
                (&item.student_id, &item.course_id) == (&key.student_id, &key.course_id)
            };
            match state.unreadable.iter().find(is_it) {
                Some(item) => Unfinished::Unreadable {
                    enrollment_id: None,
                    course_id: item.course_id.parse().ok(),
                    key: OverdueKey { resume_at: item.resume_at.clone(), ..key.clone() },
                },
                None => Unfinished::Gone,
            }
        })
        .await
    }
}

fn overdue(state: &State, found: &Enrollment, now: OffsetDateTime) -> Option<Overdue> {
    let resume_at = found.resume_at.filter(|at| *at <= now)?;
    let failures = state.failures.get(&(found.student.id.clone(), found.course_id.clone()));
    Some(Overdue {
        enrollment: found.clone(),
        key: key(found)?,
        failures: failures.map_or(0, |failures| failures.count),
        since: failures.map_or(resume_at, |failures| failures.since),
    })
}

impl PutOff for World {
    async fn put_off(
        &self,
        key: &OverdueKey,
        until: OffsetDateTime,
        cause: Cause,
    ) -> Result<bool, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let is_it = |item: &&mut Unreadable| {
                (&item.student_id, &item.course_id) == (&key.student_id, &key.course_id)
            };
            if let Some(item) = state.unreadable.iter_mut().find(is_it) {
                let same = item.resume_at == key.resume_at;
                if same {
                    item.resume_at = until.unix_timestamp().to_string();
                }
                return same;
            }
            let Some(ids) = ids(key) else { return false };
            let found = state.enrollments.get_mut(&ids);
            let Some(found) = found.filter(|found| self::key(found).as_ref() == Some(key)) else {
                return false;
            };
            let since = found.resume_at.unwrap_or(until);
            found.resume_at = Some(until);
            let kept = state.failures.entry(ids).or_insert(Failures { count: 0, since });
            if let Cause::Failures(count) = cause {
                kept.count = count;
            }
            true
        })
        .await
    }
}

impl MakeDue for World {
    async fn make_due(
        &self,
        student_id: &str,
        course_id: &str,
        now: OffsetDateTime,
    ) -> Result<bool, Unavailable> {
        self.call(Dependency::Tables, |state| {
            let is_it = |item: &&mut Unreadable| {
                (item.student_id.as_str(), item.course_id.as_str()) == (student_id, course_id)
            };
            if let Some(item) = state.unreadable.iter_mut().find(is_it) {
                item.resume_at = now.unix_timestamp().to_string();
                return true;
            }
            let (Ok(student), Ok(course)) = (student_id.parse(), course_id.parse()) else {
                return false;
            };
            let key = (student, course);
            let found = state.enrollments.get_mut(&key);
            let Some(found) = found.filter(|found| found.resume_at.is_some()) else { return false };
            found.resume_at = Some(now);
            state.failures.remove(&key);
            true
        })
        .await
    }
}
