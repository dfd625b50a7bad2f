//! What an operator can do to an enrollment: one transition of the state machine each, or a refusal.

use email::EmailAddress;
use time::OffsetDateTime;

use crate::{
    course::Course,
    enrollment::{Enrollment, EnrollmentState, StuckReason},
    history::{Actor, Entry, MAX_ENTRIES, Reason, What},
    resolution::Resolution,
    student::PersonName,
};

/// An action on an enrollment that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Gives access without a payment. The student's details, if they are given, replace the stored ones.
    Grant {
        course: Box<Course>,
        details: Details,
    },
    /// Ends the access.
    Unenroll {
        attempt: Option<u32>,
        refund: RefundChoice,
    },
    /// Pays back, and keeps the access, if there is one.
    Refund {
        attempt: Option<u32>,
    },
    Correct(Details),
    /// Sends the confirmation email again, under a job id of its own.
    Resend,
    Resolve(Resolution),
}

/// What is charged for the attempt whose access ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundChoice {
    /// The charge is kept.
    None,
    /// The whole charge is paid back.
    Full,
}

/// Details of a student that an operator gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub name: Option<PersonName>,
    pub email: Option<EmailAddress>,
}

/// Who acts, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub by: Actor,
    pub reason: Reason,
    pub at: OffsetDateTime,
}

/// Why an action is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the enrollment is `{0}`, and this needs one of: {1}")]
    State(EnrollmentState, &'static str),
    #[error("the enrollment is `{0}`; there is nothing to retry")]
    NothingToRetry(EnrollmentState),
    #[error("the enrollment is `stuck` ({0}); a retry cannot settle it: resolve it")]
    Stuck(StuckReason),
    #[error("name the payment attempt that this undoes; the current one is {0}")]
    AttemptMissing(u32),
    #[error(
        "the current payment attempt is {current}, not {named}; nothing of another one is undone"
    )]
    OtherAttempt { named: u32, current: u32 },
    #[error("the enrollment has no payment, so there is no attempt {0}")]
    NoAttempt(u32),
    #[error("the enrollment has no payment that could be refunded")]
    NothingPaid,
    #[error("a refund is in progress; repeat this when it is over")]
    RefundInProgress,
    #[error("the confirmation email is not on the queue yet; repeat this when it is")]
    EmailNotQueued,
    #[error("neither a name nor an address is given")]
    NoDetails,
    #[error(
        "the history of this enrollment is full ({MAX_ENTRIES} entries), and no action goes without one"
    )]
    HistoryFull,
}

impl Action {
    /// The next version of the enrollment; `None` if it is already as the action would make it.
    ///
    /// # Errors
    ///
    /// The action does not fit the enrollment.
    pub fn apply(
        &self,
        found: &Enrollment,
        signature: &Signature,
    ) -> Result<Option<Enrollment>, Refusal> {
        let now = signature.at;
        let changed = match self {
            Self::Grant { course, details } => grant(found, course, details, now)?,
            Self::Unenroll { attempt, refund } => {
                check_attempt(found, *attempt)?;
                unenroll(found, *refund, now)?
            }
            Self::Refund { attempt } => {
                check_attempt(found, *attempt)?;
                refund(found, now)?
            }
            Self::Correct(details) => correct(found, details, now)?,
            Self::Resend => resend(found, now)?,
            Self::Resolve(resolution) => resolve(found, *resolution, now)?,
        };
        let Some((mut next, what)) = changed else { return Ok(None) };
        if found.history.len() >= MAX_ENTRIES {
            return Err(Refusal::HistoryFull);
        }
        next.history.push(Entry {
            at: now,
            by: signature.by.clone(),
            what,
            attempt: found.attempt(),
            reason: Some(signature.reason.clone()),
            object: None,
        });
        Ok(Some(next))
    }
}

/// The next version and what is written in the history; `None` if there is nothing to change.
type Change = Option<(Enrollment, What)>;

/// An action that takes something away names what it takes, so that it never takes what another attempt
/// has paid for.
fn check_attempt(found: &Enrollment, named: Option<u32>) -> Result<(), Refusal> {
    match (found.attempt(), named) {
        (Some(current), None) => Err(Refusal::AttemptMissing(current)),
        (Some(current), Some(named)) if current != named => {
            Err(Refusal::OtherAttempt { named, current })
        }
        (None, Some(named)) => Err(Refusal::NoAttempt(named)),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }
}

fn grant(
    found: &Enrollment,
    course: &Course,
    details: &Details,
    now: OffsetDateTime,
) -> Result<Change, Refusal> {
    const NEEDS: &str = "payment_failed, refunded, unenrolled";
    match found.state {
        EnrollmentState::Active => Ok(None),
        EnrollmentState::PaymentFailed
        | EnrollmentState::Refunded
        | EnrollmentState::Unenrolled => {
            let mut next = found.next(EnrollmentState::Active, Some(now));
            next.account_for_last_charge(found.state);
            next.drop_payment();
            next.course_title = course.title.clone();
            next.seat = found.seat_after(course);
            details.replace_in(&mut next);
            Ok(Some((next, What::Granted)))
        }
        EnrollmentState::PaymentPending | EnrollmentState::Refunding | EnrollmentState::Stuck => {
            Err(Refusal::State(found.state, NEEDS))
        }
    }
}

fn unenroll(
    found: &Enrollment,
    choice: RefundChoice,
    now: OffsetDateTime,
) -> Result<Change, Refusal> {
    match (found.state, choice) {
        // There is no access, and the charge is or will be paid back.
        (EnrollmentState::Refunding | EnrollmentState::Refunded, _)
        | (EnrollmentState::Unenrolled, RefundChoice::None) => Ok(None),
        (EnrollmentState::Unenrolled, RefundChoice::Full)
            if found.intent().is_none() || found.is_charged_back() =>
        {
            Ok(None)
        }
        (EnrollmentState::Unenrolled, RefundChoice::Full) => {
            Ok(Some((found.refunding_now(now), What::UnenrolledWithRefund)))
        }
        (EnrollmentState::Active, RefundChoice::None) if found.owes_refund() => {
            Err(Refusal::RefundInProgress)
        }
        (EnrollmentState::Active, _) => {
            let next = if found.owes_refund() {
                found.next(EnrollmentState::Refunding, found.resume_at)
            } else if found.is_paid_back() {
                found.next(EnrollmentState::Refunded, None)
            } else if choice == RefundChoice::Full
                && found.intent().is_some()
                && !found.is_charged_back()
            {
                found.refunding_now(now)
            } else {
                found.next(EnrollmentState::Unenrolled, None)
            };
            let with_refund =
                [EnrollmentState::Refunding, EnrollmentState::Refunded].contains(&next.state);
            let what = if with_refund { What::UnenrolledWithRefund } else { What::Unenrolled };
            Ok(Some((next.with_new_confirmation(), what)))
        }
        (
            EnrollmentState::PaymentPending
            | EnrollmentState::PaymentFailed
            | EnrollmentState::Stuck,
            _,
        ) => Err(Refusal::State(found.state, "active")),
    }
}

fn refund(found: &Enrollment, now: OffsetDateTime) -> Result<Change, Refusal> {
    match found.state {
        EnrollmentState::Refunding | EnrollmentState::Refunded => Ok(None),
        EnrollmentState::Active | EnrollmentState::Unenrolled if found.intent().is_none() => {
            Err(Refusal::NothingPaid)
        }
        EnrollmentState::Active if found.owes_refund() || found.is_paid_back() => Ok(None),
        EnrollmentState::Active | EnrollmentState::Unenrolled if found.is_charged_back() => {
            Ok(None)
        }
        // Once it is paid back, it would not be known whether the email is still due.
        EnrollmentState::Active if found.resume_at.is_some() => Err(Refusal::EmailNotQueued),
        EnrollmentState::Active => {
            let refunding = found.refunding_now(now);
            // The access stays, and so does the seat.
            let (state, seat) = (EnrollmentState::Active, found.seat);
            let next = Enrollment { state, seat, ..refunding };
            Ok(Some((next, What::RefundStarted)))
        }
        EnrollmentState::Unenrolled => Ok(Some((found.refunding_now(now), What::RefundStarted))),
        EnrollmentState::PaymentPending
        | EnrollmentState::PaymentFailed
        | EnrollmentState::Stuck => Err(Refusal::State(found.state, "active, unenrolled")),
    }
}

fn correct(found: &Enrollment, details: &Details, now: OffsetDateTime) -> Result<Change, Refusal> {
    let what = match (&details.name, &details.email) {
        (Some(_), Some(_)) => What::NameAndAddressCorrected,
        (Some(_), None) => What::NameCorrected,
        (None, Some(_)) => What::AddressCorrected,
        (None, None) => return Err(Refusal::NoDetails),
    };
    let mut next = found.next(found.state, found.resume_at);
    details.replace_in(&mut next);
    if next.student == found.student {
        return Ok(None);
    }
    // The notice may be on the queue already, and its id belongs to one content.
    if found.owes_refund() {
        return Err(Refusal::RefundInProgress);
    }
    // So may the confirmation be: then the corrected one is another email.
    if found.state == EnrollmentState::Active && found.resume_at.is_some() {
        next.resume_at = Some(now);
        next = next.with_new_confirmation();
    }
    Ok(Some((next, what)))
}

fn resend(found: &Enrollment, now: OffsetDateTime) -> Result<Change, Refusal> {
    match found.state {
        EnrollmentState::Active if found.owes_refund() => Err(Refusal::RefundInProgress),
        // It is about to be sent.
        EnrollmentState::Active if found.resume_at.is_some() => Ok(None),
        EnrollmentState::Active => {
            let next = found.next(EnrollmentState::Active, Some(now)).with_new_confirmation();
            Ok(Some((next, What::EmailResent)))
        }
        other => Err(Refusal::State(other, "active")),
    }
}

fn resolve(
    found: &Enrollment,
    resolution: Resolution,
    now: OffsetDateTime,
) -> Result<Change, Refusal> {
    match (found.state, resolution) {
        (EnrollmentState::Active, Resolution::Grant)
        | (EnrollmentState::Refunding | EnrollmentState::Refunded, Resolution::Refund)
        | (EnrollmentState::PaymentFailed, Resolution::Fail) => Ok(None),
        (EnrollmentState::Stuck, _) if found.resolution == Some(resolution) => Ok(None),
        (EnrollmentState::Stuck, Resolution::Refund) if found.intent().is_none() => {
            Err(Refusal::NothingPaid)
        }
        (EnrollmentState::Stuck, _) => {
            let next = found.next(EnrollmentState::Stuck, Some(now));
            let what = match resolution {
                Resolution::Grant => What::ResolvedByGrant,
                Resolution::Refund => What::ResolvedByRefund,
                Resolution::Fail => What::ResolvedByFailing,
            };
            Ok(Some((Enrollment { resolution: Some(resolution), ..next }, what)))
        }
        (other, _) => Err(Refusal::State(other, "stuck")),
    }
}

impl Details {
    fn replace_in(&self, enrollment: &mut Enrollment) {
        let student = &mut enrollment.student;
        if let Some(name) = &self.name {
            student.name = name.clone();
        }
        if let Some(email) = &self.email {
            student.email = email.clone();
        }
    }
}

impl Enrollment {
    /// The next run of the resumer makes the refund.
    fn refunding_now(&self, now: OffsetDateTime) -> Self {
        Self { resume_at: Some(now), ..self.refunding(now) }
    }
}
