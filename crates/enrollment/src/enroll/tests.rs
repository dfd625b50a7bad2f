//! The critical path against a world in memory whose parts can fail before or after their work.

use std::{cell::RefCell, collections::HashMap, sync::Mutex};

use email::Job;
use proptest::prelude::*;

use super::*;
use crate::{Course, StudentId};

/// What a part of the world does when it is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It fails and has done nothing.
    Before,
    /// It has done its work and the answer is lost.
    After,
    /// As `After`, but the client repeats the call by itself, as the SDK does.
    Repeated,
}

#[derive(Default)]
struct World {
    courses: HashMap<CourseId, Course>,
    enrollments: Mutex<HashMap<(StudentId, CourseId), Enrollment>>,
    jobs: Mutex<Vec<Job>>,
    insert_fault: Mutex<Option<Fault>>,
    enqueue_fault: Mutex<Option<Fault>>,
}

fn unavailable() -> Unavailable {
    Unavailable::new("a test's call", "down")
}

/// Does the work with the fault that is due, if any.
fn with_fault<T>(
    fault: &Mutex<Option<Fault>>,
    mut work: impl FnMut() -> T,
) -> Result<T, Unavailable> {
    match fault.lock().unwrap().take().unwrap_or(Fault::None) {
        Fault::None => Ok(work()),
        Fault::Before => Err(unavailable()),
        Fault::After => {
            work();
            Err(unavailable())
        }
        Fault::Repeated => {
            work();
            Ok(work())
        }
    }
}

impl FindCourse for World {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        Ok(self.courses.get(id).cloned())
    }
}

impl FindEnrollment for World {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        let key = (student_id.clone(), course_id.clone());
        Ok(self.enrollments.lock().unwrap().get(&key).cloned())
    }
}

impl InsertEnrollment for World {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        with_fault(&self.insert_fault, || {
            let key = (enrollment.student.id.clone(), enrollment.course_id.clone());
            let mut table = self.enrollments.lock().unwrap();
            if let Some(existing) = table.get(&key) {
                return Inserted::Exists(existing.clone());
            }
            table.insert(key, enrollment.clone());
            Inserted::New
        })
    }
}

impl EnqueueEmail for World {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        with_fault(&self.enqueue_fault, || self.jobs.lock().unwrap().push(job.clone()))
    }
}

fn world(price: u64, state: CourseState) -> World {
    let course = Course {
        id: "rust-101".parse().unwrap(),
        title: "Rust 101".parse().unwrap(),
        price: price.try_into().unwrap(),
        currency: "USD".parse().unwrap(),
        state,
    };
    World { courses: HashMap::from([(course.id.clone(), course)]), ..World::default() }
}

fn request(name: &str) -> EnrollRequest {
    EnrollRequest {
        student: crate::Student {
            id: "s-1".parse().unwrap(),
            email: "ada@example.com".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        course_id: "rust-101".parse().unwrap(),
    }
}

/// Polls to the end; nothing in this world waits.
fn run(world: &World, request: EnrollRequest) -> Result<Enrolled, EnrollError> {
    thread_local! {
        static RUNTIME: RefCell<tokio::runtime::Runtime> =
            RefCell::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
    }
    RUNTIME
        .with_borrow(|runtime| runtime.block_on(enroll(world, request, OffsetDateTime::UNIX_EPOCH)))
}

#[test]
fn a_new_student_is_enrolled_and_one_job_is_enqueued() {
    let world = world(0, CourseState::Open);
    let Ok(Enrolled::New(enrollment)) = run(&world, request("Ada")) else { panic!("not new") };
    let jobs = world.jobs.lock().unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].id, enrollment.id.email_job_id());
}

#[test]
fn asking_again_answers_the_same_and_enqueues_nothing() {
    let world = world(0, CourseState::Open);
    let Ok(Enrolled::New(first)) = run(&world, request("Ada")) else { panic!("not new") };
    let Ok(Enrolled::Already(again)) = run(&world, request("Ada")) else { panic!("not already") };
    assert_eq!(first, again);
    assert_eq!(world.jobs.lock().unwrap().len(), 1);
}

#[test]
fn asking_again_with_other_details_names_them() {
    let world = world(0, CourseState::Open);
    run(&world, request("Ada")).unwrap();
    let Err(EnrollError::Differs(fields)) = run(&world, request("Eve")) else { panic!("took it") };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["name"]);
}

#[test]
fn unknown_closed_and_priced_courses_are_refused() {
    let empty = World::default();
    assert!(matches!(run(&empty, request("Ada")), Err(EnrollError::NoSuchCourse(_))));
    let closed = world(0, CourseState::Closed);
    assert!(matches!(run(&closed, request("Ada")), Err(EnrollError::CourseClosed)));
    let priced = world(4900, CourseState::Open);
    assert!(matches!(run(&priced, request("Ada")), Err(EnrollError::PaymentsNotConfigured)));
    assert!(priced.enrollments.lock().unwrap().is_empty());
}

#[test]
fn who_is_enrolled_stays_so_when_the_course_closes() {
    let mut world = world(0, CourseState::Open);
    run(&world, request("Ada")).unwrap();
    for course in world.courses.values_mut() {
        course.state = CourseState::Closed;
    }
    assert!(matches!(run(&world, request("Ada")), Ok(Enrolled::Already(_))));
}

proptest! {
    /// Whatever fails, however often the client asks: one enrollment at most, its id never changes,
    /// every job is for it, and a success is never taken back.
    #[test]
    fn one_enrollment_under_any_faults(
        faults in proptest::collection::vec((fault(), fault()), 1..8)
    ) {
        let world = world(0, CourseState::Open);
        let mut granted: Option<Enrollment> = None;
        for (insert, enqueue) in faults {
            *world.insert_fault.lock().unwrap() = Some(insert);
            *world.enqueue_fault.lock().unwrap() = Some(enqueue);
            match run(&world, request("Ada")) {
                Ok(Enrolled::New(enrollment)) => {
                    prop_assert!(granted.is_none(), "two enrollments");
                    granted = Some(enrollment);
                }
                Ok(Enrolled::Already(enrollment)) => {
                    prop_assert_eq!(granted.get_or_insert(enrollment.clone()), &enrollment);
                }
                Err(error) => prop_assert!(matches!(error, EnrollError::Unavailable(_))),
            }
        }
        let table = world.enrollments.lock().unwrap();
        prop_assert!(table.len() <= 1);
        if let Some(granted) = granted {
            prop_assert_eq!(table.values().next(), Some(&granted));
        }
        let owner = table.values().next().map(|enrollment| enrollment.id.email_job_id());
        for job in world.jobs.lock().unwrap().iter() {
            prop_assert_eq!(Some(&job.id), owner.as_ref());
        }
    }

    /// After the grant is written, the queue decides nothing about the answer.
    #[test]
    fn the_answer_never_depends_on_the_queue(enqueue in fault()) {
        let world = world(0, CourseState::Open);
        *world.enqueue_fault.lock().unwrap() = Some(enqueue);
        prop_assert!(matches!(run(&world, request("Ada")), Ok(Enrolled::New(_))));
    }

    /// The SDK's own repetition of a write whose answer was lost is not mistaken for another request.
    #[test]
    fn a_repeated_write_finds_itself(enqueue in fault()) {
        let world = world(0, CourseState::Open);
        *world.insert_fault.lock().unwrap() = Some(Fault::Repeated);
        *world.enqueue_fault.lock().unwrap() = Some(enqueue);
        prop_assert!(matches!(run(&world, request("Ada")), Ok(Enrolled::New(_))));
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::None), Just(Fault::Before), Just(Fault::After), Just(Fault::Repeated),]
}
