//! The world's state, and what every call to it has in common.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use email::{Job, ledger::Entry};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    bank::{Bank, IntentRow, Refunds, SavedAnswer},
    dice::Dice,
    rows::{Failures, JobFault, Unreadable},
};
use crate::{
    course::{Course, CourseId},
    enrollment::{Enrollment, StuckReason},
    enrollment_id::EnrollmentId,
    payment::{Intent, IntentId, PaymentMethod, ProviderRefusal},
    ports::{Adapters, Ports},
    price_change::PriceChange,
    seats::SeatCount,
    student::StudentId,
};

/// The cause that every [`Unavailable`] of the world has. No response may show it.
pub const OUTAGE: &str = "arn:of:something is down";

/// A rule that a test removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    ConditionalInsert,
    ConditionalSave,
    /// The intent's id is written before the intent is confirmed.
    IntentWrite,
    /// A seat is taken only if one is free.
    FreeSeat,
    /// A seat is released with the enrollment that held it.
    SeatRelease,
    CancelBeforeRetry,
    /// A charge is paid back once.
    RefundOnce,
    /// The status of a refund is read.
    RefundResult,
}

/// What a function would log, so that an alarm reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Orphaned(IntentId),
    Stuck(StuckReason),
    ProviderRefused(ProviderRefusal),
    RefundNotSettled,
    /// A webhook event names an enrollment that does not exist.
    WithoutEnrollment(IntentId),
}

/// A dependency that a test takes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// Courses and enrollments.
    Tables,
    /// One shard of the index of overdue enrollments.
    Shard(u8),
    Payments,
    EmailQueue,
    Ledger,
}

/// What every call waits for, such as a sleep.
pub type Delay = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handle; its clones are the same world. It is every adapter of [`InMemory`].
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    points: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct State {
    pub(super) bank: Bank,
    pub(super) missing: Option<Missing>,
    /// Calls fail by this dice, before or after their effect.
    dice: Option<Dice>,
    delay: Option<Delay>,
    /// The first response to each write of an enrollment is lost.
    loses_responses: bool,
    down: BTreeSet<Dependency>,
    pub(super) courses: BTreeMap<CourseId, Course>,
    pub(super) price_changes: Vec<PriceChange>,
    pub(super) seats: BTreeMap<CourseId, SeatCount>,
    /// Seats of the counts that others hold, who have no enrollment here.
    pub(super) others: BTreeMap<CourseId, u32>,
    /// Seats that were taken when none was free.
    pub(super) oversold: usize,
    pub(super) enrollments: BTreeMap<(StudentId, CourseId), Enrollment>,
    /// Every id that was ever inserted.
    pub(super) inserted: BTreeSet<[u8; 16]>,
    /// The provider's clock.
    pub(super) now: OffsetDateTime,
    pub(super) intents: BTreeMap<String, IntentRow>,
    pub(super) past_events: Vec<(u32, Intent)>,
    pub(super) peak_charges: usize,
    pub(super) keys: BTreeMap<String, SavedAnswer>,
    pub(super) idempotency_errors: usize,
    pub(super) spend_next_key: bool,
    /// Payment methods are for a single use.
    pub(super) used_methods: BTreeSet<PaymentMethod>,
    pub(super) refunds: Refunds,
    pub(super) refuses: bool,
    reports: Vec<Report>,
    /// Beside the enrollments' items: the failures to finish them.
    pub(super) failures: BTreeMap<(StudentId, CourseId), Failures>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) old_shards: bool,
    pub(super) queue: VecDeque<Job>,
    /// By recipient.
    pub(super) job_faults: BTreeMap<String, JobFault>,
    pub(super) ledger: BTreeMap<String, Mail>,
    /// Timelines that a test wrote; the world's own worker writes none.
    pub(super) timelines: BTreeMap<String, Entry>,
    pub(super) sends: BTreeMap<String, u32>,
    /// The body of the first job of each id.
    pub(super) bodies: BTreeMap<String, String>,
    /// Jobs whose id another email has.
    pub(super) reused_ids: usize,
    /// Writes that dropped an entry of the history.
    pub(super) histories_lost: usize,
    /// Every write of an enrollment: the item before and after it.
    pub(super) writes: Vec<(Option<Enrollment>, Enrollment)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mail {
    Claimed,
    Released,
    Sent,
}

#[derive(Debug)]
pub struct InMemory;

impl Adapters for InMemory {
    type Courses = World;
    type Enrollments = World;
    type Payments = World;
    type EmailQueue = World;
    type Ledger = World;
}

impl World {
    pub fn new(courses: impl IntoIterator<Item = Course>, bank: Bank) -> Self {
        let courses: BTreeMap<_, _> =
            courses.into_iter().map(|course| (course.id.clone(), course)).collect();
        let with_seats = courses.values().filter(|course| course.has_seats());
        let seats = with_seats
            .map(|course| (course.id.clone(), SeatCount { seats: course.seats, taken: 0 }))
            .collect();
        Self(Arc::new(Inner {
            points: AtomicU32::new(0),
            state: Mutex::new(State {
                bank,
                missing: None,
                dice: None,
                delay: None,
                loses_responses: false,
                down: BTreeSet::new(),
                courses,
                price_changes: Vec::new(),
                seats,
                others: BTreeMap::new(),
                oversold: 0,
                enrollments: BTreeMap::new(),
                inserted: BTreeSet::new(),
                now: OffsetDateTime::UNIX_EPOCH,
                intents: BTreeMap::new(),
                past_events: Vec::new(),
                peak_charges: 0,
                keys: BTreeMap::new(),
                idempotency_errors: 0,
                spend_next_key: false,
                used_methods: BTreeSet::new(),
                refunds: Refunds::SucceedAtOnce,
                refuses: false,
                reports: Vec::new(),
                failures: BTreeMap::new(),
                unreadable: Vec::new(),
                old_shards: false,
                queue: VecDeque::new(),
                job_faults: BTreeMap::new(),
                ledger: BTreeMap::new(),
                timelines: BTreeMap::new(),
                sends: BTreeMap::new(),
                bodies: BTreeMap::new(),
                reused_ids: 0,
                histories_lost: 0,
                writes: Vec::new(),
            }),
        }))
    }

    /// With payments configured; without: `Ports { payments: None, ..world.ports() }`.
    pub fn ports(&self) -> Ports<InMemory> {
        Ports {
            courses: self.clone(),
            enrollments: self.clone(),
            payments: Some(self.clone()),
            email_queue: self.clone(),
            ledger: self.clone(),
        }
    }

    /// Keeps what a function would log.
    pub fn report(&self, report: Report) {
        self.state().reports.push(report);
    }

    pub fn reports(&self) -> Vec<Report> {
        self.state().reports.clone()
    }

    /// Removes a rule.
    pub fn remove(&self, rule: Missing) {
        self.state().missing = Some(rule);
    }

    pub fn set_bank(&self, bank: Bank) {
        self.state().bank = bank;
    }

    pub fn take_down(&self, dependency: Dependency) {
        self.state().down.insert(dependency);
    }

    pub fn bring_up(&self, dependency: Dependency) {
        self.state().down.remove(&dependency);
    }

    /// Has every call of this crate's ports take this long from now on.
    pub fn delay_calls(&self, delay: Delay) {
        self.state().delay = Some(delay);
    }

    /// Has the first response to each write of an enrollment be lost from now on. The client repeats the write, as the SDK
    /// does, and returns the second response.
    pub fn lose_first_responses(&self) {
        self.state().loses_responses = true;
    }

    /// Has calls fail, and responses to writes of an enrollment be lost, by this dice from now on; `None`: by none.
    pub fn unreliable(&self, dice: Option<Dice>) {
        self.state().dice = dice;
    }

    /// The number of points reached so far.
    pub fn points(&self) -> u32 {
        self.0.points.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// One numbered point: the task yields here, and may never be polled again.
    pub(super) async fn point(&self) {
        self.0.points.fetch_add(1, Ordering::Relaxed);
        let mut passed = false;
        poll_fn(|context| {
            if passed {
                Poll::Ready(())
            } else {
                passed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    /// A conditional write of an enrollment. It is a second call if the first response is lost: others may write in
    /// between.
    pub(super) async fn write<T>(
        &self,
        effect: impl Fn(&mut State) -> T,
    ) -> Result<T, Unavailable> {
        let first = self.call(Dependency::Tables, &effect).await?;
        if self.state().loses_response() {
            self.call(Dependency::Tables, effect).await
        } else {
            Ok(first)
        }
    }

    /// A call: a point, the effect, a point; and perhaps a failure before or after the effect.
    pub(super) async fn call<T>(
        &self,
        dependency: Dependency,
        effect: impl FnOnce(&mut State) -> T,
    ) -> Result<T, Unavailable> {
        self.point().await;
        let delay = self.state().delay;
        if let Some(delay) = delay {
            delay().await;
        }
        let luck = self.state().dice.as_mut().map(|dice| dice.roll(24));
        if luck == Some(0) || self.state().down.contains(&dependency) {
            return Err(unavailable());
        }
        let done = effect(&mut self.state());
        self.point().await;
        if luck == Some(1) { Err(unavailable()) } else { Ok(done) }
    }
}

impl State {
    pub(super) fn is_missing(&self, rule: Missing) -> bool {
        self.missing == Some(rule)
    }

    /// Whether a call fails now though the dependency is reached.
    pub(super) fn bad_luck(&mut self) -> bool {
        self.dice.as_mut().is_some_and(|dice| dice.roll(24) == 0)
    }

    fn loses_response(&mut self) -> bool {
        self.loses_responses || self.bad_luck()
    }

    pub(super) fn inserted(&mut self, id: EnrollmentId) {
        self.inserted.insert(*id.as_bytes());
    }
}

pub(super) fn unavailable() -> Unavailable {
    Unavailable::new("a test's call", OUTAGE)
}
