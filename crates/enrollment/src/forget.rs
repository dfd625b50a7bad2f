//! Forgetting a student: what becomes of each enrollment.
//!
//! The order is that of a caller: (1) [`fate`] says that nothing is in progress, (2) [`end_access`], (3) the caller clears
//! the queues and the ledger of the emails, (4) [`erase`]. The enrollment goes last, because it has the address and the ids
//! of the emails: after a crash at any step, a repetition finds what is left.

use std::{fmt, future::Future};

use unavailable::Unavailable;

use crate::{
    course::CourseId,
    enrollment::{Enrollment, EnrollmentState},
    enrollment_id::EnrollmentId,
    history::{Entry, What},
    operator::{self, Action, OperateError, Operated, Place, RefundChoice, Signature},
    ports::{FindEnrollment, SaveEnrollment},
    student::{Student, StudentId},
};

/// In place of a name and of a payment method.
const NOBODY: &str = "forgotten";

/// In place of an address. Nobody has one there (RFC 2606, section 3), and nothing is sent to it.
const NO_ADDRESS: &str = "forgotten@example.com";

/// What becomes of an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Deleted,
    /// It is the record of a payment: amounts, times and the provider's ids stay, under a pseudonym.
    Pseudonymised,
}

/// Why a student cannot be forgotten yet. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    #[error("a payment is in progress; it is settled within an hour")]
    PaymentInProgress,
    #[error("a refund is in progress; repeat this when it is over")]
    RefundInProgress,
    #[error("the payment is stuck; resolve it first")]
    Stuck,
    #[error("the resumer has something left to do; repeat this in a minute")]
    Unfinished,
}

/// What becomes of an enrollment once its student is forgotten.
///
/// # Errors
///
/// Something is in progress.
pub fn fate(found: &Enrollment) -> Result<Fate, NotYet> {
    match found.state {
        EnrollmentState::PaymentPending => return Err(NotYet::PaymentInProgress),
        EnrollmentState::Stuck => return Err(NotYet::Stuck),
        _ if found.owes_refund() => return Err(NotYet::RefundInProgress),
        _ if found.resume_at.is_some() => return Err(NotYet::Unfinished),
        _ => {}
    }
    Ok(if has_charge(found) { Fate::Pseudonymised } else { Fate::Deleted })
}

/// Whether money was taken for it, and perhaps paid back.
fn has_charge(found: &Enrollment) -> bool {
    let last = found.intent().is_some() && found.state != EnrollmentState::PaymentFailed;
    last || !found.refunded_intents.is_empty() || !found.kept_intents.is_empty()
}

/// Ends the access, if there is one, as an operator does who pays nothing back: the seat is released. Returns the
/// enrollment as it is now.
///
/// # Errors
///
/// Something is in progress, or the table did not respond.
pub async fn end_access(
    enrollments: &(impl FindEnrollment + SaveEnrollment + Sync),
    found: Enrollment,
    signature: &Signature,
) -> Result<Enrollment, OperateError> {
    if found.state != EnrollmentState::Active {
        return Ok(found);
    }
    let place = Place { student_id: found.student.id.clone(), course_id: found.course_id.clone() };
    let action = Action::Unenroll { attempt: found.attempt(), refund: RefundChoice::None };
    match operator::operate(enrollments, &place, &action, signature).await? {
        Operated::Changed(now) | Operated::Unchanged(now) => Ok(now),
    }
}

/// The result of an [erasure](EraseEnrollment).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// Also if it was gone already.
    Done,
    /// Another change came first, such as the student's next request.
    Conflict,
}

pub trait EraseEnrollment {
    /// Deletes this version of an enrollment, and inserts what takes its place in the same step.
    fn erase_enrollment(
        &self,
        found: &Enrollment,
        instead: Option<&Enrollment>,
    ) -> impl Future<Output = Result<Erased, Unavailable>> + Send;
}

/// Why an enrollment was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    NotYet(#[from] NotYet),
    #[error("the student has access")]
    Active,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Deletes an enrollment, or replaces the student in it by a pseudonym.
///
/// # Errors
///
/// Something is in progress, or the table did not respond.
pub async fn erase(
    enrollments: &(impl EraseEnrollment + Sync),
    found: &Enrollment,
    signature: &Signature,
) -> Result<Erased, EraseError> {
    let instead = match fate(found)? {
        // Its seat would be lost.
        _ if found.state == EnrollmentState::Active => return Err(EraseError::Active),
        Fate::Deleted => None,
        Fate::Pseudonymised => Some(found.pseudonymised(signature)),
    };
    Ok(enrollments.erase_enrollment(found, instead.as_ref()).await?)
}

/// What took the place of the enrollment with this id when its student was forgotten: the provider's events still name
/// the student.
pub async fn find_forgotten(
    enrollments: &(impl FindEnrollment + Sync),
    course_id: &CourseId,
    enrollment_id: &str,
) -> Result<Option<Enrollment>, Unavailable> {
    let Some(pseudonym) = StudentId::pseudonym_of(enrollment_id) else { return Ok(None) };
    enrollments.find_enrollment(&pseudonym, course_id).await
}

impl Enrollment {
    /// The next version, without anything that says who the student was.
    ///
    /// # Panics
    ///
    /// Never: the literals are valid.
    fn pseudonymised(&self, signature: &Signature) -> Self {
        let mut next = self.next(self.state, None);
        next.student = Student {
            id: StudentId::pseudonym(self.id),
            email: NO_ADDRESS.parse().expect("an address"),
            name: NOBODY.parse().expect("a name"),
        };
        (next.trace, next.locale) = (None, None);
        if let Some(payment) = &mut next.payment {
            payment.method = NOBODY.parse().expect("a payment method's id");
            payment.failure = None;
        }
        // A reason is free text.
        next.history.iter_mut().for_each(|entry| entry.reason = None);
        next.history.push(Entry {
            at: signature.at,
            by: signature.by.clone(),
            what: What::Forgotten,
            attempt: None,
            reason: None,
            object: None,
        });
        next
    }

    /// Whether its student is forgotten: nothing can be sent or given to them.
    pub fn is_forgotten(&self) -> bool {
        self.student.id.is_pseudonym()
    }
}

impl StudentId {
    const PREFIX: &str = "forgotten-";

    /// In place of the student of this enrollment. The id is of no other use, and says nothing about the student; the
    /// payment provider's metadata has it beside the student's.
    ///
    /// # Panics
    ///
    /// Never: the text is visible ASCII.
    fn pseudonym(id: EnrollmentId) -> Self {
        format!("{}{id}", Self::PREFIX).parse().expect("visible ASCII")
    }

    /// `None` if the text is not an enrollment's id.
    fn pseudonym_of(enrollment_id: &str) -> Option<Self> {
        let pseudonym: Self = format!("{}{enrollment_id}", Self::PREFIX).parse().ok()?;
        pseudonym.is_pseudonym().then_some(pseudonym)
    }

    /// Whether it stands for a student who was forgotten. No student of a platform may have such an id.
    pub fn is_pseudonym(&self) -> bool {
        let id = self.as_str().strip_prefix(Self::PREFIX);
        id.is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted",
            Self::Pseudonymised => "kept under a pseudonym, because there is a payment",
        })
    }
}
