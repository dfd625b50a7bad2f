//! Runs over the in-memory world: bounds, outages and races. The crash matrix in crates/enrollment shows
//! what resuming one enrollment means.

use enrollment::{
    Course, Enrollment,
    ports::{FindCourse, InsertEnrollment},
    testing::{Bank, Dependency, InMemory, World},
};
use serde_json::json;

use super::*;

#[test]
fn timeout_is_the_templates() {
    let template = include_str!("../../../../template.yaml");
    let (_, function) = template.split_once("\n  ResumerFunction:\n").unwrap();
    let timeout = function.lines().find_map(|line| line.trim().strip_prefix("Timeout: ")).unwrap();
    assert_eq!(Duration::from_secs(timeout.parse().unwrap()), TIMEOUT);
}

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const LATER: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::MINUTE);

/// A world with active enrollments that lack their email.
async fn world(enrollments: usize) -> (World, Ports<InMemory>) {
    let course: Course = serde_json::from_value(json!({
        "course_id": "c", "title": "T", "price": 0, "currency": "USD", "state": "open",
    }))
    .unwrap();
    let world = World::new([course.clone()], Bank::Accepts);
    for n in 0..enrollments {
        let student =
            json!({"student_id": format!("s-{n}"), "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        world.insert_enrollment(&Enrollment::new(student, &course, None, NOW)).await.unwrap();
    }
    let ports = Ports { payments: None, ..world.ports() };
    (world, ports)
}

fn soon() -> Instant {
    clock::instant() + Duration::from_secs(30)
}

#[tokio::test(start_paused = true)]
async fn overdue_enrollment_is_finished_once() {
    let (world, ports) = world(40).await;
    assert_eq!(sweep(&ports, NOW, soon()).await, Report::default(), "nothing is overdue yet");
    let report = sweep(&ports, LATER, soon()).await;
    assert_eq!(report, Report { finished: 40, ..Report::default() });
    assert_eq!(world.jobs().len(), 40);
    assert_eq!(sweep(&ports, LATER, soon()).await, Report::default(), "and out of the index");
}

#[tokio::test(start_paused = true)]
async fn one_run_takes_a_bounded_number_per_shard() {
    let shards = usize::from(World::SHARDS);
    let all = (shards + 1) * MAX_PER_SHARD;
    let (_, ports) = world(all).await;
    let first = sweep(&ports, LATER, soon()).await;
    assert!(first.finished <= shards * MAX_PER_SHARD, "{first:?}");
    let mut finished = first.finished;
    while finished < all {
        let next = sweep(&ports, LATER, soon()).await;
        assert!(next.finished > 0, "{next:?}");
        finished += next.finished;
    }
}

#[tokio::test(start_paused = true)]
async fn enrollment_stays_overdue_while_the_email_queue_is_down() {
    let (world, ports) = world(5).await;
    world.take_down(Dependency::EmailQueue);
    assert_eq!(sweep(&ports, LATER, soon()).await, Report { failed: 5, ..Report::default() });
    world.bring_up(Dependency::EmailQueue);
    assert_eq!(sweep(&ports, LATER, soon()).await, Report { finished: 5, ..Report::default() });
}

#[tokio::test(start_paused = true)]
async fn concurrent_runs_change_each_enrollment_once() {
    let (world, ports) = world(40).await;
    tokio::join!(sweep(&ports, LATER, soon()), sweep(&ports, LATER, soon()));
    let versions = world.enrollments().into_iter().map(|found| (found.version, found.resume_at));
    assert!(versions.into_iter().all(|found| found == (1, None)));
}

#[tokio::test(start_paused = true)]
async fn broken_shard_does_not_stop_the_others() {
    let (world, ports) = world(40).await;
    world.take_down(Dependency::Shard(0));
    let report = sweep(&ports, LATER, soon()).await;
    assert_eq!(report.failed, 1);
    assert!(report.finished > 0);
}

#[tokio::test(start_paused = true)]
async fn no_enrollment_is_started_after_the_end() {
    let (world, ports) = world(5).await;
    let until = clock::instant();
    tokio::time::advance(Duration::from_millis(1)).await;
    let report = sweep(&ports, LATER, until).await;
    assert_eq!(report, Report { left: 5, ..Report::default() });
    assert!(world.jobs().is_empty());
}

/// A queue that keeps the trace of each job.
#[derive(Default)]
struct TracedQueue(std::sync::Mutex<Vec<Option<String>>>);

impl email::queue::EnqueueEmail for TracedQueue {
    async fn enqueue_email(&self, _: &email::Job) -> Result<(), Unavailable> {
        // A call takes a while, and others go on meanwhile.
        tokio::task::yield_now().await;
        let trace = trace::current().map(|trace| trace.as_str().to_owned());
        self.0.lock().unwrap().push(trace);
        Ok(())
    }
}

struct Traced;

impl Adapters for Traced {
    type Courses = World;
    type Enrollments = World;
    type Payments = World;
    type EmailQueue = TracedQueue;
    type Ledger = World;
}

#[tokio::test(start_paused = true)]
async fn each_email_belongs_to_the_trace_of_its_request() {
    let (world, _) = world(0).await;
    let header = |n| format!("Root=1-5759e988-bd862e3fe1be46a99427279{n};Sampled=1");
    let course = world.find_course(&"c".parse().unwrap()).await.unwrap().unwrap();
    let stored = [Some(header(1)), Some(header(2)), Some("Root=;;no header".to_owned()), None];
    for (n, trace) in stored.into_iter().enumerate() {
        let student =
            json!({"student_id": format!("s-{n}"), "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        let enrollment = Enrollment { trace, ..Enrollment::new(student, &course, None, NOW) };
        world.insert_enrollment(&enrollment).await.unwrap();
    }
    let ports: Ports<Traced> = Ports {
        courses: world.clone(),
        enrollments: world.clone(),
        payments: None,
        email_queue: TracedQueue::default(),
        ledger: world.clone(),
    };
    assert_eq!(sweep(&ports, LATER, soon()).await, Report { finished: 4, ..Report::default() });
    let mut traces = ports.email_queue.0.into_inner().unwrap();
    traces.sort();
    assert_eq!(traces, [None, None, Some(header(1)), Some(header(2))]);
}
