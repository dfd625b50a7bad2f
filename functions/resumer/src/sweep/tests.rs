//! Runs over a table in memory: bounds, faults and races. What resuming one enrollment means is the
//! crash matrix's to show, in crates/enrollment.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use email::{Job, JobId};
use enrollment::{
    Course, Enrollment,
    payment::{Charge, Created, Intent, IntentId},
    ports::{PaymentProvider, Saved},
};
use serde_json::json;

use super::*;

#[test]
fn the_timeout_is_the_templates() {
    let template = include_str!("../../../../template.yaml");
    let (_, function) = template.split_once("\n  ResumerFunction:\n").unwrap();
    let timeout = function.lines().find_map(|line| line.trim().strip_prefix("Timeout: ")).unwrap();
    assert_eq!(Duration::from_secs(timeout.parse().unwrap()), TIMEOUT);
}

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[derive(Default)]
struct Table {
    rows: Mutex<BTreeMap<String, Enrollment>>,
    broken_shard: Option<u8>,
    queue_down: bool,
    jobs: AtomicUsize,
    most_asked_for: AtomicUsize,
}

/// No payments here.
struct Nobody;

impl PaymentProvider for Nobody {
    async fn create(&self, _: Charge<'_>) -> Result<Created, Unavailable> {
        Err(Unavailable::new("paying", "nobody"))
    }

    async fn confirm(&self, _: Charge<'_>, _: &IntentId) -> Result<Intent, Unavailable> {
        Err(Unavailable::new("paying", "nobody"))
    }

    async fn cancel(&self, _: Charge<'_>, _: &IntentId) -> Result<Intent, Unavailable> {
        Err(Unavailable::new("paying", "nobody"))
    }

    async fn refund(&self, _: Charge<'_>, _: &IntentId) -> Result<(), Unavailable> {
        Err(Unavailable::new("paying", "nobody"))
    }
}

impl Payments for Table {
    type Provider = Nobody;

    fn payments(&self) -> Option<&Nobody> {
        None
    }
}

impl FindOverdue for Table {
    const SHARDS: u8 = 2;

    async fn find_overdue(
        &self,
        shard: u8,
        now: OffsetDateTime,
        limit: usize,
    ) -> Result<Vec<(StudentId, CourseId)>, Unavailable> {
        self.most_asked_for.fetch_max(limit, Ordering::Relaxed);
        if self.broken_shard == Some(shard) {
            return Err(Unavailable::new("a test's query", "down"));
        }
        let rows = self.rows.lock().unwrap();
        let overdue = rows.values().filter(|row| {
            row.id.as_bytes()[15] % 2 == shard && row.resume_at.is_some_and(|at| at <= now)
        });
        Ok(overdue.map(|row| (row.student.id.clone(), row.course_id.clone())).collect())
    }
}

impl FindCourse for Table {
    async fn find_course(&self, _: &CourseId) -> Result<Option<Course>, Unavailable> {
        Ok(None)
    }
}

impl FindEnrollment for Table {
    async fn find_enrollment(
        &self,
        student: &StudentId,
        _: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        Ok(self.rows.lock().unwrap().get(student.as_str()).cloned())
    }
}

impl SaveEnrollment for Table {
    async fn save_enrollment(&self, enrollment: &Enrollment) -> Result<Saved, Unavailable> {
        let mut rows = self.rows.lock().unwrap();
        rows.insert(enrollment.student.id.to_string(), enrollment.clone());
        Ok(Saved::Done)
    }
}

impl KnowsEmail for Table {
    async fn knows_email(&self, _: &JobId) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

impl EnqueueEmail for Table {
    async fn enqueue_email(&self, _: &Job) -> Result<(), Unavailable> {
        if self.queue_down {
            return Err(Unavailable::new("a test's queue", "down"));
        }
        self.jobs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A table with so many active enrollments that lack their email.
fn table(enrollments: usize) -> Table {
    let course: Course = serde_json::from_value(json!({
        "course_id": "c", "title": "T", "price": 0, "currency": "USD", "state": "open",
    }))
    .unwrap();
    let table = Table::default();
    for n in 0..enrollments {
        let student =
            json!({"student_id": format!("s-{n}"), "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        let row = Enrollment::new(student, &course, None, NOW);
        table.rows.lock().unwrap().insert(format!("s-{n}"), row);
    }
    table
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test(start_paused = true)]
async fn what_is_overdue_is_finished_once() {
    let table = table(40);
    let later = NOW + Duration::from_mins(1);
    assert_eq!(sweep(&table, NOW, soon()).await, Report::default(), "nothing is overdue yet");
    let report = sweep(&table, later, soon()).await;
    assert_eq!(report, Report { finished: 40, ..Report::default() });
    assert_eq!(table.jobs.load(Ordering::Relaxed), 40);
    assert_eq!(sweep(&table, later, soon()).await, Report::default(), "and out of the index");
    assert!(table.most_asked_for.load(Ordering::Relaxed) <= MOST_A_SHARD);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_now_stays_overdue() {
    let later = NOW + Duration::from_mins(1);
    let down = Table { queue_down: true, ..table(5) };
    assert_eq!(sweep(&down, later, soon()).await, Report { failed: 5, ..Report::default() });
    let up = Table { queue_down: false, ..down };
    assert_eq!(sweep(&up, later, soon()).await, Report { finished: 5, ..Report::default() });
}

#[tokio::test(start_paused = true)]
async fn a_broken_shard_does_not_keep_the_others() {
    let broken = Table { broken_shard: Some(0), ..table(40) };
    let report = sweep(&broken, NOW + Duration::from_mins(1), soon()).await;
    assert_eq!(report.failed, 1);
    assert!(report.finished > 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_after_the_end() {
    let table = table(5);
    let until = Instant::now();
    tokio::time::advance(Duration::from_millis(1)).await;
    let report = sweep(&table, NOW + Duration::from_mins(1), until).await;
    assert_eq!(report, Report { left: 5, ..Report::default() });
    assert_eq!(table.jobs.load(Ordering::Relaxed), 0);
}

#[test]
fn the_sample_event_is_one() {
    let event = include_str!("../../../../events/resume.json");
    serde_json::from_str::<serde_json::Value>(event).unwrap();
}
