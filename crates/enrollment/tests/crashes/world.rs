//! A world in memory in which every call is two numbered points: before its effect and after it.
//! A task that is dropped at a point has crashed there. Rules can be taken out of it, to show that
//! something notices.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use email::ledger::KnowsEmail;
use email::queue::EnqueueEmail;
use email::{Job, JobId};
use enrollment::{
    Course, CourseId, Enrollment, StudentId,
    enrollment::EnrollmentState,
    payment::{Charge, Created, Decline, Intent, IntentId, IntentStatus},
    ports::{
        FindCourse, FindEnrollment, InsertEnrollment, Inserted, PaymentProvider, Payments,
        SaveEnrollment, Saved,
    },
};
use unavailable::Unavailable;

/// A rule of the world's that a test takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    ConditionalInsert,
    ConditionalSave,
    IdempotencyKey,
    CancelBeforeRetry,
}

/// What the bank does with a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bank {
    Accepts,
    Declines,
    /// Declines the first attempt only.
    DeclinesOnce,
    AsksTheStudent,
    DoesNotKnowTheCard,
}

#[derive(Debug, Clone)]
struct IntentRow {
    status: IntentStatus,
    attempt: u32,
    refunded: bool,
}

/// See the module.
pub(crate) struct World {
    pub(crate) missing: Option<Missing>,
    pub(crate) bank: Bank,
    points: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Calls fail, by this dice, before or after their effect.
    dice: Option<Dice>,
    courses: BTreeMap<String, Course>,
    enrollments: BTreeMap<(String, String), Enrollment>,
    ids: BTreeSet<String>,
    intents: BTreeMap<String, IntentRow>,
    keys: BTreeMap<String, String>,
    queue: VecDeque<Job>,
    ledger: BTreeMap<String, Mail>,
    sends: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mail {
    Claimed,
    Released,
    Sent,
}

/// A worker's claim, which ends with it.
struct Claim<'a> {
    world: &'a World,
    id: &'a str,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(mail @ Mail::Claimed) = self.world.state().ledger.get_mut(self.id) {
            *mail = Mail::Released;
        }
    }
}

/// A small deterministic generator (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

fn declined() -> Decline {
    Decline { code: "card_declined".to_owned(), message: "no".to_owned() }
}

fn unavailable() -> Unavailable {
    Unavailable::new("a test's call", "down")
}

impl World {
    pub(crate) fn new(course: Course, bank: Bank) -> Self {
        let courses = BTreeMap::from([(course.id.to_string(), course)]);
        let state = Mutex::new(State { courses, ..State::default() });
        Self { missing: None, bank, points: AtomicU32::new(0), state }
    }

    pub(crate) fn without(mut self, missing: Option<Missing>) -> Self {
        self.missing = missing;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on calls fail by this dice; `None`: they do not.
    pub(crate) fn unreliable(&self, dice: Option<Dice>) {
        self.state().dice = dice;
    }

    /// How many points have been reached.
    pub(crate) fn points(&self) -> u32 {
        self.points.load(Ordering::Relaxed)
    }

    /// One numbered point: the task gives way here, and may never be polled again.
    async fn point(&self) {
        self.points.fetch_add(1, Ordering::Relaxed);
        let mut passed = false;
        poll_fn(|_| {
            if passed {
                Poll::Ready(())
            } else {
                passed = true;
                Poll::Pending
            }
        })
        .await;
    }

    /// A call: a point, the effect, a point; and perhaps a failure before or after the effect.
    async fn call<T>(&self, effect: impl FnOnce(&mut State) -> T) -> Result<T, Unavailable> {
        self.point().await;
        let luck = self.state().dice.as_mut().map(|dice| dice.roll(24));
        if luck == Some(0) {
            return Err(unavailable());
        }
        let done = effect(&mut self.state());
        self.point().await;
        if luck == Some(1) { Err(unavailable()) } else { Ok(done) }
    }

    pub(crate) fn delete_course(&self) {
        self.state().courses.clear();
    }

    /// The student does what the bank asked, for every intent that waits for it.
    pub(crate) fn student_acts(&self) {
        for intent in self.state().intents.values_mut() {
            // A declined intent can be paid from the student's screen too, until it is cancelled.
            if matches!(
                intent.status,
                IntentStatus::RequiresAction { .. } | IntentStatus::Declined(_)
            ) {
                intent.status = IntentStatus::Succeeded;
            }
        }
    }

    /// What the provider would tell the webhook of each intent.
    pub(crate) fn events(&self) -> Vec<(u32, Intent)> {
        let state = self.state();
        state.intents.iter().map(|(id, row)| (row.attempt, state.answer(id))).collect()
    }

    pub(crate) fn overdue(&self, now: time::OffsetDateTime) -> Vec<Enrollment> {
        let state = self.state();
        let overdue = |e: &&Enrollment| e.resume_at.is_some_and(|at| at <= now);
        state.enrollments.values().filter(overdue).cloned().collect()
    }

    pub(crate) fn unfinished(&self) -> bool {
        self.state().enrollments.values().any(|e| e.resume_at.is_some())
    }

    pub(crate) fn only(&self) -> Option<Enrollment> {
        self.state().enrollments.values().next().cloned()
    }

    /// The worker: takes a job, claims, sends, marks, acknowledges.
    pub(crate) async fn worker(&self) {
        loop {
            let Some(job) = self.state().queue.front().cloned() else { return };
            self.point().await;
            let id = job.id.to_string();
            let claimed = self.state().ledger.get(&id).copied();
            match claimed {
                Some(Mail::Claimed) => return,
                Some(Mail::Sent) => {}
                None | Some(Mail::Released) => {
                    self.state().ledger.insert(id.clone(), Mail::Claimed);
                    let _ends = Claim { world: self, id: &id };
                    self.point().await;
                    *self.state().sends.entry(id.clone()).or_default() += 1;
                    // A crash between these two is the one way to send twice; it is left out here.
                    self.state().ledger.insert(id.clone(), Mail::Sent);
                    self.point().await;
                }
            }
            self.state().queue.retain(|other| other.id != job.id);
        }
    }

    /// The invariants, after recovery.
    pub(crate) fn check(&self) -> Result<(), String> {
        let state = self.state();
        let kept = |row: &&IntentRow| row.status == IntentStatus::Succeeded && !row.refunded;
        let charges = state.intents.values().filter(kept).count();
        if charges > 1 {
            return Err(format!("{charges} charges"));
        }
        if state.ids.len() > 1 {
            return Err("two enrollments".to_owned());
        }
        let Some(enrollment) = state.enrollments.values().next() else {
            return if charges == 0 { Ok(()) } else { Err("a charge for nothing".to_owned()) };
        };
        let priced = enrollment.payment.is_some();
        let notice = match (enrollment.state, charges) {
            (EnrollmentState::Active, 0) if priced => return Err("access unpaid".to_owned()),
            (EnrollmentState::Active, _) => enrollment.id.email_job_id(),
            (_, 1) => return Err("a charge without access".to_owned()),
            (EnrollmentState::Refunded, _) => enrollment.id.refund_job_id(),
            (EnrollmentState::PaymentFailed, _) => return Ok(()),
            (unsettled, _) => return Err(format!("{unsettled:?} for ever")),
        };
        match state.sends.get(notice.as_str()) {
            None => Err("the email is missing".to_owned()),
            Some(1) => Ok(()),
            Some(n) => Err(format!("{n} emails")),
        }
    }
}

impl State {
    fn answer(&self, id: &str) -> Intent {
        Intent { id: id.parse().unwrap(), status: self.intents[id].status.clone() }
    }
}

fn key(student_id: &StudentId, course_id: &CourseId) -> (String, String) {
    (student_id.to_string(), course_id.to_string())
}

impl FindCourse for World {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        let id = id.to_string();
        self.call(move |state| state.courses.get(&id).cloned()).await
    }
}

impl FindEnrollment for World {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        let key = key(student_id, course_id);
        self.call(move |state| state.enrollments.get(&key).cloned()).await
    }
}

impl InsertEnrollment for World {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        let enrollment = enrollment.clone();
        self.call(move |state| {
            let table = &mut state.enrollments;
            let key = key(&enrollment.student.id, &enrollment.course_id);
            match table.get(&key) {
                Some(existing) if self.missing != Some(Missing::ConditionalInsert) => {
                    Inserted::Exists(existing.clone())
                }
                _ => {
                    state.ids.insert(enrollment.id.to_string());
                    table.insert(key, enrollment);
                    Inserted::New
                }
            }
        })
        .await
    }
}

impl SaveEnrollment for World {
    async fn save_enrollment(&self, enrollment: &Enrollment) -> Result<Saved, Unavailable> {
        let enrollment = enrollment.clone();
        self.call(move |state| {
            let table = &mut state.enrollments;
            let key = key(&enrollment.student.id, &enrollment.course_id);
            match table.get(&key) {
                Some(existing)
                    if existing.version + 1 != enrollment.version
                        && self.missing != Some(Missing::ConditionalSave) =>
                {
                    Saved::Conflict(existing.clone())
                }
                _ => {
                    table.insert(key, enrollment);
                    Saved::Done
                }
            }
        })
        .await
    }
}

impl PaymentProvider for World {
    async fn create(&self, charge: Charge<'_>) -> Result<Created, Unavailable> {
        let key = charge.idempotency_key("create");
        let attempt = charge.payment.attempt;
        self.call(move |state| {
            if self.bank == Bank::DoesNotKnowTheCard {
                return Created::Refused(declined());
            }
            let known = state.keys.get(&key).cloned();
            let id = known.filter(|_| self.missing != Some(Missing::IdempotencyKey));
            let id = id.unwrap_or_else(|| {
                let id = format!("pi_{}", state.intents.len());
                let status = IntentStatus::AwaitingConfirmation;
                state.intents.insert(id.clone(), IntentRow { status, attempt, refunded: false });
                state.keys.insert(key, id.clone());
                id
            });
            Created::Intent(state.answer(&id))
        })
        .await
    }

    async fn confirm(&self, charge: Charge<'_>, intent: &IntentId) -> Result<Intent, Unavailable> {
        let (id, attempt) = (intent.to_string(), charge.payment.attempt);
        self.call(move |state| {
            let row = state.intents.get_mut(&id).unwrap();
            if row.status == IntentStatus::AwaitingConfirmation {
                row.status = match self.bank {
                    Bank::Accepts => IntentStatus::Succeeded,
                    Bank::DeclinesOnce if attempt > 1 => IntentStatus::Succeeded,
                    Bank::Declines | Bank::DeclinesOnce => IntentStatus::Declined(declined()),
                    Bank::AsksTheStudent | Bank::DoesNotKnowTheCard => {
                        IntentStatus::RequiresAction { client_secret: "secret".to_owned() }
                    }
                };
            }
            state.answer(&id)
        })
        .await
    }

    async fn cancel(&self, _: Charge<'_>, intent: &IntentId) -> Result<Intent, Unavailable> {
        let id = intent.to_string();
        self.call(move |state| {
            let mut answer = state.answer(&id);
            if answer.status != IntentStatus::Succeeded {
                answer.status = IntentStatus::Cancelled;
                if self.missing != Some(Missing::CancelBeforeRetry) {
                    state.intents.get_mut(&id).unwrap().status = IntentStatus::Cancelled;
                }
            }
            answer
        })
        .await
    }

    async fn refund(&self, _: Charge<'_>, intent: &IntentId) -> Result<(), Unavailable> {
        let id = intent.to_string();
        self.call(move |state| {
            let row = state.intents.get_mut(&id).unwrap();
            assert_eq!(row.status, IntentStatus::Succeeded, "refunded what was never charged");
            row.refunded = true;
        })
        .await
    }
}

impl Payments for World {
    type Provider = Self;

    fn payments(&self) -> Option<&Self> {
        Some(self)
    }
}

impl KnowsEmail for World {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        let id = id.to_string();
        self.call(move |state| state.ledger.contains_key(&id)).await
    }
}

impl EnqueueEmail for World {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        let job = job.clone();
        self.call(move |state| state.queue.push_back(job)).await
    }
}
