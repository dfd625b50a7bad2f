//! From one version of an enrollment to the next: the changes that a state machine consists of.

use email::Locale;
use time::OffsetDateTime;

use crate::{
    course::Course,
    enrollment::{Enrollment, EnrollmentState, RESUME_AFTER, StuckReason},
    history::{Actor, Entry, What},
    payment::{Decline, Intent, IntentId, Payment, PaymentMethod, REFUND_TIMEOUT, RefundProgress},
    student::Student,
};

impl Enrollment {
    /// The next version after an attempt that is over: a new attempt with the details of this request,
    /// at the course's price of now.
    pub(crate) fn next_attempt(
        &self,
        student: Student,
        course: &Course,
        method: Option<&PaymentMethod>,
        now: OffsetDateTime,
    ) -> Self {
        let mut next = self.next(EnrollmentState::Active, Some(now + RESUME_AFTER));
        next.student = student;
        next.course_title = course.title.clone();
        next.seat = self.seat_after(course);
        next.account_for_last_charge(self.state);
        next.start_payment(course, method, now);
        next
    }

    /// Whether it holds a seat once it goes on. What is in progress keeps what it has; what was over needs a new one.
    pub(crate) fn seat_after(&self, course: &Course) -> bool {
        if self.state.keeps_seat() { self.seat } else { course.has_seats() }
    }

    /// Remembers the charge of the last attempt, which another one or a grant follows.
    pub(crate) fn account_for_last_charge(&mut self, state: EnrollmentState) {
        let Some(intent) = self.intent().cloned() else { return };
        match state {
            EnrollmentState::Refunded => self.refunded_intents.push(intent),
            EnrollmentState::Unenrolled => self.kept_intents.push(intent),
            _ => {}
        }
    }

    /// Forgets the last attempt, but not its number.
    pub(crate) fn drop_payment(&mut self) {
        if let Some(last) = self.payment.take() {
            self.earlier_attempts = last.attempt;
        }
    }

    pub(crate) fn start_payment(
        &mut self,
        course: &Course,
        method: Option<&PaymentMethod>,
        now: OffsetDateTime,
    ) {
        self.drop_payment();
        let Some(method) = method.filter(|_| !course.price.is_free()) else { return };
        self.state = EnrollmentState::PaymentPending;
        self.payment = Some(Payment {
            attempt: std::mem::take(&mut self.earlier_attempts) + 1,
            price: course.price,
            method: method.clone(),
            started_at: now,
            failure: None,
            intent: None,
            livemode: None,
            refund: None,
        });
    }

    /// The same version with the trace of its request.
    pub(crate) fn traced(self, trace: Option<String>) -> Self {
        Self { trace, ..self }
    }

    /// The same version for a reader of this language. `None` leaves the one that is known.
    pub(crate) fn read_in(mut self, locale: Option<Locale>) -> Self {
        self.locale = locale.or(self.locale);
        self
    }

    pub(crate) fn next(&self, state: EnrollmentState, resume_at: Option<OffsetDateTime>) -> Self {
        let seat = self.seat && state.keeps_seat();
        let mut next = Self { state, resume_at, seat, version: self.version + 1, ..self.clone() };
        if state != EnrollmentState::Stuck {
            next.stuck_reason = None;
            next.resolution = None;
        }
        next
    }

    pub(crate) fn failed(&self, why: Decline) -> Self {
        let mut next = self.next(EnrollmentState::PaymentFailed, None);
        if let Some(payment) = &mut next.payment {
            payment.failure = Some(why);
            payment.refund = None;
        }
        next
    }

    /// The same state with a changed payment.
    fn with_payment(&self, change: impl FnOnce(&mut Payment)) -> Self {
        let mut next = self.next(self.state, self.resume_at);
        if let Some(payment) = &mut next.payment {
            change(payment);
        }
        next
    }

    pub(crate) fn with_student(&self, student: Student) -> Self {
        Self { student, ..self.next(self.state, self.resume_at) }
    }

    pub(crate) fn with_intent(&self, intent: &Intent) -> Self {
        self.with_payment(|payment| {
            payment.intent = Some(intent.id.clone());
            payment.livemode = Some(intent.livemode);
        })
    }

    /// The attempt of this intent, which was confirmed though its id was never written, in progress.
    pub(crate) fn adopting(
        &self,
        intent: &Intent,
        course: Option<&Course>,
        now: OffsetDateTime,
    ) -> Self {
        let mut next = self.with_intent(intent);
        next.seat = course.map_or(next.seat, |course| self.seat_after(course));
        next.state = EnrollmentState::PaymentPending;
        next.resume_at = Some(now + RESUME_AFTER);
        if let Some(payment) = &mut next.payment {
            payment.failure = None;
        }
        next
    }

    pub(crate) fn granted(&self, now: OffsetDateTime) -> Self {
        self.next(EnrollmentState::Active, Some(now + RESUME_AFTER))
    }

    /// It stays in the index, so that the resumer reports it too, and again until an operator has acted.
    pub(crate) fn stuck(&self, reason: StuckReason, now: OffsetDateTime) -> Self {
        let mut next = self.next(EnrollmentState::Stuck, Some(now + RESUME_AFTER));
        next.stuck_reason = Some(reason);
        next
    }

    pub(crate) fn refunding(&self, now: OffsetDateTime) -> Self {
        let mut next = self.next(EnrollmentState::Refunding, Some(now + RESUME_AFTER));
        if let Some(payment) = &mut next.payment {
            payment.refund = Some(RefundProgress { attempt: 1, started_at: now, last: None });
        }
        next
    }

    /// With what is known of the refund's current attempt.
    pub(crate) fn refund_at(&self, progress: RefundProgress, resume_at: OffsetDateTime) -> Self {
        let next = self.with_payment(|payment| payment.refund = Some(progress));
        Self { resume_at: Some(resume_at), ..next }
    }

    /// The same version with an entry of the resumer in the history.
    pub(crate) fn noted(&self, what: What, at: OffsetDateTime) -> Self {
        let mut noted = self.clone();
        let (by, attempt) = (Actor::resumer(), self.attempt());
        noted.history.push(Entry { at, by, what, attempt, reason: None, object: None });
        noted
    }

    /// Stuck as before, after a decision that could not be carried out.
    pub(crate) fn unresolved(&self, now: OffsetDateTime) -> Self {
        Self { resolution: None, ..self.next(EnrollmentState::Stuck, Some(now)) }
    }

    /// The intent to pay back, and how far that is.
    pub(crate) fn refund_due(&self) -> Option<(&IntentId, RefundProgress)> {
        let payment = self.payment.as_ref()?;
        let fresh = || RefundProgress { attempt: 1, started_at: payment.started_at, last: None };
        Some((payment.intent.as_ref()?, payment.refund.clone().unwrap_or_else(fresh)))
    }

    /// Whether the last attempt must be paid back and is not yet, with or without access.
    pub fn owes_refund(&self) -> bool {
        let unsettled = |refund: &RefundProgress| !refund.has_succeeded();
        let refund = self.payment.as_ref().and_then(|payment| payment.refund.as_ref());
        match self.state {
            EnrollmentState::Refunding => true,
            EnrollmentState::Active => refund.is_some_and(unsettled),
            _ => false,
        }
    }

    /// Whether its confirmation email may still be due. An enrollment leaves the resumer's index once the job is enqueued. A
    /// refund puts it back, but then no email is due.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        self.state == EnrollmentState::Active && self.resume_at.is_some() && !self.owes_refund()
    }

    /// Whether the last attempt is paid back by a refund.
    pub(crate) fn is_paid_back(&self) -> bool {
        let refund = self.payment.as_ref().and_then(|payment| payment.refund.as_ref());
        refund.is_some_and(RefundProgress::has_succeeded)
    }

    /// Whether the bank has paid the last attempt back, after a dispute: the provider refuses a refund.
    pub(crate) fn is_charged_back(&self) -> bool {
        let lost =
            |entry: &Entry| entry.what == What::DisputeLost && entry.attempt == self.attempt();
        self.payment.is_some() && self.history.iter().any(lost)
    }

    /// The next confirmation email has a job id of its own.
    pub(crate) fn with_new_confirmation(mut self) -> Self {
        self.earlier_confirmations += 1;
        self
    }

    /// Whether the next step is a call to the payment provider.
    pub fn has_payment_in_progress(&self) -> bool {
        self.state == EnrollmentState::PaymentPending
            || self.owes_refund()
            || self.resolution.is_some()
    }

    /// Whether a refund is due for longer than [`REFUND_TIMEOUT`].
    pub fn refund_is_late(&self, now: OffsetDateTime) -> bool {
        self.owes_refund()
            && self.refund_due().is_some_and(|(_, due)| now - due.started_at > REFUND_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{payment::IntentStatus, resolution::Resolution};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn course() -> Course {
        serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        }))
        .unwrap()
    }

    fn pending() -> Enrollment {
        let student = json!({"student_id": "s-1", "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        Enrollment::new(student, &course(), Some(&"pm_1".parse().unwrap()), NOW)
    }

    /// If it were due sooner, the resumer would work on it beside the request. If it were never due, nobody would finish it.
    #[test]
    fn resumer_takes_each_step_up_after_the_request_is_over() {
        let now = NOW + time::Duration::HOUR;
        let (pending, method) = (pending(), "pm_2".parse().unwrap());
        let intent = Intent {
            id: "pi_1".parse().unwrap(),
            status: IntentStatus::Succeeded,
            money: course().price,
            livemode: true,
        };
        let failed = pending.failed(Decline::abandoned());
        for next in [
            failed.next_attempt(failed.student.clone(), &course(), Some(&method), now),
            failed.adopting(&intent, None, now),
            pending.granted(now),
            pending.stuck(StuckReason::AmountDiffers, now),
            pending.refunding(now),
        ] {
            assert_eq!(next.resume_at, Some(now + RESUME_AFTER), "{}", next.state);
        }
        let progress = RefundProgress { attempt: 2, started_at: now, last: None };
        let later = now + time::Duration::DAY;
        assert_eq!(pending.refunding(now).refund_at(progress, later).resume_at, Some(later));
    }

    #[test]
    fn payment_is_in_progress_while_the_provider_has_something_to_say() {
        let active = pending().granted(NOW);
        let stuck = pending().stuck(StuckReason::AmountDiffers, NOW);
        let decided = Enrollment { resolution: Some(Resolution::Grant), ..stuck.clone() };
        for (found, is_in_progress) in [
            (pending(), true),
            (pending().failed(Decline::abandoned()), false),
            (active.refunding(NOW), true),
            (active, false),
            (stuck, false),
            (decided, true),
        ] {
            assert_eq!(found.has_payment_in_progress(), is_in_progress, "{}", found.state);
        }
    }

    #[test]
    fn confirmation_is_awaited_until_the_enrollment_leaves_the_index() {
        let granted = pending().granted(NOW);
        assert!(granted.awaits_confirmation() && !pending().awaits_confirmation());
        assert!(!Enrollment { resume_at: None, ..granted.clone() }.awaits_confirmation());
        let state = EnrollmentState::Active;
        let refunding = Enrollment { state, ..granted.refunding(NOW) };
        assert!(refunding.resume_at.is_some() && !refunding.awaits_confirmation());
    }

    #[test]
    fn emails_belong_to_the_trace_of_the_request() {
        let traced = pending().traced(Some("Root=1-2-3".to_owned()));
        assert_eq!(traced.trace.as_deref(), Some("Root=1-2-3"));
        assert_eq!(traced.granted(NOW).trace.as_deref(), Some("Root=1-2-3"));
        assert_eq!(traced.traced(None).trace, None, "of the next attempt's request");
    }
}
