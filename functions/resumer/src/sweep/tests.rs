//! Runs over the in-memory world: bounds, outages and races. The crash matrix in crates/enrollment shows
//! what resuming one enrollment means.

use std::sync::Mutex;

use email::{
    Job,
    queue::{EnqueueEmail, EnqueueEmails, NotEnqueued, TracedJob},
};
use enrollment::{
    Course, Deadline, EnrollError, EnrollRequest, Enrollment, enroll as request_enrollment,
    enrollment::EnrollmentState,
    operator::{Action, Place, Signature, operate},
    ports::InsertEnrollment,
    testing::{Bank, Dependency, InMemory, JobFault, World},
    unfinished::MakeDue,
};
use invocation::trace::{self, TraceHeader};
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

fn course(price: u32) -> Course {
    serde_json::from_value(json!({
        "course_id": "c", "title": "T", "price": price, "currency": "USD", "state": "open",
    }))
    .unwrap()
}

fn address(n: usize) -> String {
    format!("s-{n}@example.com")
}

/// An enrollment of a student of this number: active if the course is free, else with a payment that
/// was never begun.
async fn enroll(world: &World, n: usize, price: u32, now: OffsetDateTime) {
    world.insert_enrollment(&enrollment(n, price, now)).await.unwrap();
}

fn enrollment(n: usize, price: u32, now: OffsetDateTime) -> Enrollment {
    let student = json!({"student_id": format!("s-{n}"), "email": address(n), "name": "Ada"});
    let student = serde_json::from_value(student).unwrap();
    let method = "pm_1".parse().unwrap();
    Enrollment::new(student, &course(price), Some(&method), now)
}

/// A world with active enrollments that lack their email.
async fn world(enrollments: usize) -> (World, Ports<InMemory>) {
    let world = World::new([course(0)], Bank::Accepts);
    for n in 0..enrollments {
        enroll(&world, n, 0, NOW).await;
    }
    let ports = Ports { payments: None, ..world.ports() };
    (world, ports)
}

/// A run, so many minutes after the enrollments.
async fn run(ports: &Ports<InMemory>, minutes: i64) -> Report {
    sweep(ports, NOW + time::Duration::minutes(minutes), soon()).await
}

fn failures_of(world: &World, n: usize) -> Option<u32> {
    let student = format!("s-{n}").parse().unwrap();
    world.failures().into_iter().find(|(id, _)| *id == student).map(|(_, failures)| failures)
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
async fn one_run_takes_every_page_of_every_shard() {
    let (world, ports) = world(1_000).await;
    assert_eq!(run(&ports, 1).await, Report { finished: 1_000, ..Report::default() });
    assert_eq!(world.jobs().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn failing_items_do_not_delay_a_good_one() {
    for fault in [JobFault::Refused, JobFault::Unavailable] {
        let (world, ports) = world(150).await;
        // They are older than the good one, and so come first.
        for n in 0..150 {
            world.fault_jobs_to(&address(n), Some(fault));
        }
        enroll(&world, 150, 0, NOW + time::Duration::SECOND).await;
        let report = run(&ports, 2).await;
        assert_eq!((report.finished, report.failed), (1, 150), "{fault:?}");
        assert_eq!(world.jobs().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_refused_items_is_passed_in_one_run() {
    let (world, ports) = world(1_000).await;
    for n in 0..1_000 {
        world.fault_jobs_to(&address(n), Some(JobFault::Refused));
    }
    enroll(&world, 1_000, 0, NOW + time::Duration::SECOND).await;
    let report = run(&ports, 2).await;
    assert_eq!((report.finished, report.failed, report.left), (1, 1_000, false));
}

#[tokio::test(start_paused = true)]
async fn item_that_fails_backs_off_by_itself_and_success_resets_it() {
    let (world, ports) = world(2).await;
    world.fault_jobs_to(&address(0), Some(JobFault::Refused));
    assert_eq!(run(&ports, 1).await, Report { finished: 1, failed: 1, ..Report::default() });
    // The pauses are 1, 2, 4, ... minutes, and an hour at most.
    let mut at = 1;
    for (failures, pause) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        assert_eq!(failures_of(&world, 0), u32::try_from(failures + 1).ok());
        assert_eq!(run(&ports, at + pause - 1).await, Report::default(), "not before {pause}");
        at += pause;
        assert_eq!(run(&ports, at).await.failed, 1);
    }
    world.fault_jobs_to(&address(0), None);
    assert_eq!(run(&ports, at + 60).await, Report { finished: 1, ..Report::default() });
    assert_eq!(failures_of(&world, 0), None);
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_queue_blames_no_item_and_ends_the_run_early() {
    let (world, ports) = world(1_000).await;
    world.take_down(Dependency::EmailQueue);
    for minute in 1..60 {
        let report = run(&ports, minute).await;
        assert!(report.left && (200..400).contains(&report.failed), "{report:?}");
    }
    world.bring_up(Dependency::EmailQueue);
    assert!(world.failures().iter().all(|(_, failures)| *failures == 0));
    let (first, second) = (run(&ports, 60).await, run(&ports, 61).await);
    assert_eq!(first.finished + second.finished, 1_000);
    assert!(first.finished > 500, "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn item_that_cannot_be_read_is_skipped_and_put_off_by_an_hour() {
    let (world, ports) = world(20).await;
    for shard in 0..4 {
        world.insert_unreadable(shard, &format!("not an id {shard}"), "", NOW);
    }
    assert_eq!(run(&ports, 1).await, Report { finished: 20, unreadable: 4, ..Report::default() });
    assert_eq!(world.unreadable(), ["3660"; 4]);
    assert_eq!(run(&ports, 60).await, Report::default());
    assert_eq!(run(&ports, 61).await, Report { unreadable: 4, ..Report::default() });
}

#[tokio::test(start_paused = true)]
async fn payments_come_first_and_leave_a_quarter_of_the_time() {
    let (world, _) = world(0).await;
    for n in 0..400 {
        enroll(&world, n, 4900, NOW).await;
    }
    enroll(&world, 400, 0, NOW).await;
    let ports = world.ports();
    // Every call takes a second, so the payments alone would take longer than the run.
    #[expect(clippy::disallowed_methods, reason = "the delay of a dependency, on a paused clock")]
    world.delay_calls(|| Box::pin(tokio::time::sleep(Duration::from_secs(1))));
    let report = sweep(&ports, LATER, soon()).await;
    let unpaid = world.enrollments().into_iter();
    let unpaid = unpaid.filter(|found| found.state == EnrollmentState::PaymentFailed).count();
    assert!((16..400).contains(&unpaid), "{unpaid}");
    assert_eq!(world.jobs().len(), 1, "the others have their time");
    assert!(report.left);
}

#[tokio::test(start_paused = true)]
async fn payment_of_an_earlier_version_is_finished_among_the_others() {
    let (world, _) = world(3).await;
    world.use_old_shards();
    enroll(&world, 3, 4900, NOW).await;
    let report = run(&world.ports(), 1).await;
    assert_eq!(report, Report { finished: 4, ..Report::default() });
}

#[tokio::test(start_paused = true)]
async fn concurrent_runs_finish_each_enrollment() {
    let (world, ports) = world(40).await;
    tokio::join!(sweep(&ports, LATER, soon()), sweep(&ports, LATER, soon()));
    let versions = world.enrollments().into_iter().map(|found| (found.version, found.resume_at));
    assert!(versions.into_iter().all(|found| found == (0, None)));
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
    assert_eq!(report, Report { left: true, ..Report::default() });
    assert!(world.jobs().is_empty());
}

/// A queue that keeps the trace of each job.
#[derive(Default)]
struct TracedQueue(Mutex<Vec<Option<String>>>);

impl EnqueueEmail for TracedQueue {
    async fn enqueue_email(&self, _: &Job) -> Result<(), Unavailable> {
        // A call takes a while, and others go on meanwhile.
        tokio::task::yield_now().await;
        let trace = trace::current().map(|trace| trace.as_str().to_owned());
        self.0.lock().unwrap().push(trace);
        Ok(())
    }
}

impl EnqueueEmails for TracedQueue {
    async fn enqueue_emails(&self, jobs: &[TracedJob]) -> Vec<Result<(), NotEnqueued>> {
        tokio::task::yield_now().await;
        // As the queue's adapter does.
        let own = |traced: &TracedJob| traced.trace.as_deref().and_then(TraceHeader::parse);
        let traces = jobs.iter().map(|traced| own(traced).or_else(trace::current));
        let traces = traces.map(|trace| trace.map(|trace| trace.as_str().to_owned()));
        self.0.lock().unwrap().extend(traces);
        jobs.iter().map(|_| Ok(())).collect()
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

fn header(n: usize) -> String {
    format!("Root=1-5759e988-bd862e3fe1be46a99427279{n};Sampled=1")
}

/// A run over the enrollments of this world, each with the trace of its request. The traces of the jobs.
async fn traces(world: &World, now: OffsetDateTime) -> Vec<Option<String>> {
    let ports: Ports<Traced> = Ports {
        courses: world.clone(),
        enrollments: world.clone(),
        payments: Some(world.clone()),
        email_queue: TracedQueue::default(),
        ledger: world.clone(),
    };
    let finished = world.enrollments().len();
    assert_eq!(sweep(&ports, now, soon()).await, Report { finished, ..Report::default() });
    let mut traces = ports.email_queue.0.into_inner().unwrap();
    traces.sort();
    traces
}

#[tokio::test(start_paused = true)]
async fn each_email_of_a_batch_belongs_to_the_trace_of_its_request() {
    let (world, _) = world(0).await;
    for (n, trace) in [Some(header(1)), Some(header(2)), None].into_iter().enumerate() {
        let enrollment = Enrollment { trace, ..enrollment(n, 0, NOW) };
        world.insert_enrollment(&enrollment).await.unwrap();
    }
    assert_eq!(traces(&world, LATER).await, [None, Some(header(1)), Some(header(2))]);
}

#[tokio::test(start_paused = true)]
async fn each_email_after_a_payment_belongs_to_the_trace_of_its_request() {
    let world = World::new([course(4900)], Bank::Processes);
    let stored = [Some(header(1)), Some(header(2)), Some("Root=;;no header".to_owned()), None];
    for (n, trace) in stored.into_iter().enumerate() {
        let body = json!({
            "student_id": format!("s-{n}"), "email": address(n), "name": "Ada", "course_id": "c",
            "payment_method": format!("pm_{n}"),
        });
        let request = EnrollRequest {
            trace,
            ..EnrollRequest::from_fields(body.as_object().unwrap()).unwrap()
        };
        let deadline = Deadline::new(&|| Duration::from_secs(20));
        let answer = request_enrollment(&world.ports(), request, NOW, deadline).await;
        assert!(matches!(answer, Err(EnrollError::PaymentProcessing)), "{answer:?}");
    }
    world.bank_decides(true);
    assert_eq!(traces(&world, LATER).await, [None, None, Some(header(1)), Some(header(2))]);
}

#[tokio::test(start_paused = true)]
async fn operators_retry_resets_the_back_off_and_the_next_run_takes_it_up() {
    let (world, ports) = world(2).await;
    world.fault_jobs_to(&address(0), Some(JobFault::Refused));
    for at in [1, 2, 4, 8] {
        run(&ports, at).await;
    }
    assert_eq!(failures_of(&world, 0), Some(4));
    world.fault_jobs_to(&address(0), None);
    assert_eq!(run(&ports, 9).await, Report::default(), "it is put off");
    assert!(world.make_due("s-0", "c", NOW + time::Duration::minutes(9)).await.unwrap());
    assert_eq!(failures_of(&world, 0), None);
    assert_eq!(run(&ports, 9).await, Report { finished: 1, ..Report::default() });
}

#[tokio::test(start_paused = true)]
async fn operators_refund_that_keeps_the_access_is_made_by_a_run() {
    let world = World::new([course(4900)], Bank::Accepts);
    let ports = world.ports();
    let body = json!({
        "student_id": "s-0", "course_id": "c", "email": address(0), "name": "Ada",
        "payment_method": "pm_1",
    });
    let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
    let left = || Duration::from_secs(29);
    request_enrollment(&ports, request, NOW, Deadline::new(&left)).await.unwrap();
    let place = Place { student_id: "s-0".parse().unwrap(), course_id: "c".parse().unwrap() };
    let signature = Signature {
        by: "arn:aws:iam::123456789012:user/grace".parse().unwrap(),
        reason: "asked".parse().unwrap(),
        at: NOW,
    };
    let refund = Action::Refund { attempt: Some(1) };
    operate(&world, &place, &refund, &signature).await.unwrap();
    assert_eq!(run(&ports, 0).await, Report { finished: 1, ..Report::default() });
    let refunded = world.enrollments().pop().unwrap();
    assert_eq!((refunded.state, refunded.resume_at), (EnrollmentState::Active, None));
    assert_eq!(world.charges(), 0);
}
