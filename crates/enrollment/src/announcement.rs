//! Which events other systems receive after one write of an enrollment.
//!
//! An event is made of the item before and after the write alone, so the same write always gives the same events
//! under the same ids. It has no name, no address, no text of an operator and no id of the payment provider.

use serde::Serialize;

use crate::{
    course::CourseId,
    enrollment::{Enrollment, EnrollmentState},
    enrollment_id::EnrollmentId,
    money::Money,
    student::StudentId,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The student has access now, and had none.
    Activated,
    /// A payment attempt failed, and nothing is charged.
    PaymentFailed,
    /// The last payment was paid back, with or without access.
    Refunded,
    /// The student has no access now, and had some. If money is due, `Refunded` follows once it is paid back.
    Unenrolled,
}

impl Kind {
    pub const ALL: [Self; 4] =
        [Self::Activated, Self::PaymentFailed, Self::Refunded, Self::Unenrolled];

    /// As sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activated => "enrollment.activated",
            Self::PaymentFailed => "enrollment.payment_failed",
            Self::Refunded => "enrollment.refunded",
            Self::Unenrolled => "enrollment.unenrolled",
        }
    }

    fn follows(self, old: Option<&Enrollment>, new: &Enrollment) -> bool {
        let was = |state| old.is_some_and(|old| old.state == state);
        match self {
            Self::Activated => {
                new.state == EnrollmentState::Active && !was(EnrollmentState::Active)
            }
            Self::PaymentFailed => {
                new.state == EnrollmentState::PaymentFailed && !was(EnrollmentState::PaymentFailed)
            }
            Self::Refunded => {
                is_refunded(new)
                    && !old.is_some_and(|old| is_refunded(old) && old.attempt() == new.attempt())
            }
            Self::Unenrolled => {
                new.state != EnrollmentState::Active && was(EnrollmentState::Active)
            }
        }
    }
}

fn is_refunded(enrollment: &Enrollment) -> bool {
    enrollment.state == EnrollmentState::Refunded || enrollment.is_paid_back()
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// The same whenever the event is sent again.
    pub id: String,
    #[serde(skip)]
    pub kind: Kind,
    pub enrollment_id: EnrollmentId,
    pub student_id: StudentId,
    pub course_id: CourseId,
    /// Of the enrollment: a higher one is later.
    pub version: u32,
    pub state: EnrollmentState,
    /// The number of the last payment attempt, with its price.
    #[serde(flatten)]
    pub payment: Option<Paid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Paid {
    pub attempt: u32,
    #[serde(flatten)]
    pub price: Money,
}

/// The events that follow from a write, in their order. A write that does not make a new version, such as the
/// resumer's notes in the item, has none. Nor has the item that takes an enrollment's place when its student is forgotten:
/// nothing happened to the enrollment then.
pub fn announcements(old: Option<&Enrollment>, new: &Enrollment) -> Vec<Announcement> {
    if old.is_some_and(|old| old.id == new.id && old.version >= new.version) {
        return Vec::new();
    }
    if old.is_none() && new.is_forgotten() {
        return Vec::new();
    }
    let follows = Kind::ALL.into_iter().filter(|kind| kind.follows(old, new));
    follows.map(|kind| announcement(kind, new)).collect()
}

fn announcement(kind: Kind, new: &Enrollment) -> Announcement {
    let paid =
        |payment: &crate::payment::Payment| Paid { attempt: payment.attempt, price: payment.price };
    Announcement {
        id: format!("{}:{}:{}", new.id, new.version, kind.as_str()),
        kind,
        enrollment_id: new.id,
        student_id: new.student.id.clone(),
        course_id: new.course_id.clone(),
        version: new.version,
        state: new.state,
        payment: new.payment.as_ref().map(paid),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;
    use crate::payment::{Decline, Refund, RefundProgress, RefundStatus};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn pending() -> Enrollment {
        let course = serde_json::from_value(json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open",
        }))
        .unwrap();
        let student = json!({"student_id": "s-1", "email": "ada@example.com", "name": "Ada"});
        let student = serde_json::from_value(student).unwrap();
        Enrollment::new(student, &course, Some(&"pm_1".parse().unwrap()), NOW)
    }

    fn kinds(old: Option<&Enrollment>, new: &Enrollment) -> Vec<Kind> {
        announcements(old, new).into_iter().map(|said| said.kind).collect()
    }

    fn paid_back(from: &Enrollment) -> Enrollment {
        let refund = Refund { id: "re_1".parse().unwrap(), status: RefundStatus::Succeeded };
        from.refund_at(RefundProgress { attempt: 1, started_at: NOW, last: Some(refund) }, NOW)
    }

    #[test]
    fn each_transition_has_its_events() {
        let pending = pending();
        assert_eq!(kinds(None, &pending), []);
        let active = pending.granted(NOW);
        assert_eq!(kinds(Some(&pending), &active), [Kind::Activated]);
        assert_eq!(kinds(None, &active), [Kind::Activated], "free, in its first write");
        let why = Decline { code: "card_declined".to_owned(), message: "Declined.".to_owned() };
        assert_eq!(kinds(Some(&pending), &pending.failed(why)), [Kind::PaymentFailed]);
        let refunding = active.refunding(NOW);
        assert_eq!(kinds(Some(&active), &refunding), [Kind::Unenrolled], "access ends at once");
        let refunded = refunding.next(EnrollmentState::Refunded, None);
        assert_eq!(kinds(Some(&refunding), &refunded), [Kind::Refunded]);
        assert_eq!(kinds(Some(&refunded), &refunded.granted(NOW)), [Kind::Activated]);
        let unenrolled = active.next(EnrollmentState::Unenrolled, None);
        assert_eq!(kinds(Some(&active), &unenrolled), [Kind::Unenrolled]);
        assert_eq!(kinds(Some(&unenrolled), &unenrolled.refunding(NOW)), []);
    }

    #[test]
    fn refund_that_keeps_the_access_is_announced_once() {
        let active = pending().granted(NOW);
        let paid_back = paid_back(&active);
        assert_eq!(kinds(Some(&active), &paid_back), [Kind::Refunded]);
        let unenrolled = paid_back.next(EnrollmentState::Unenrolled, None);
        assert_eq!(kinds(Some(&paid_back), &unenrolled), [Kind::Unenrolled]);
    }

    #[test]
    fn write_without_a_new_version_is_not_announced() {
        let active = pending().granted(NOW);
        let finished = Enrollment { resume_at: None, ..active.clone() };
        assert_eq!(kinds(Some(&active), &finished), []);
        let same_version = Enrollment { version: active.version, ..pending() };
        let same_version = Enrollment { id: active.id, ..same_version };
        assert_eq!(kinds(Some(&same_version), &active), []);
    }

    #[test]
    fn another_enrollment_in_the_same_place_is_announced_whatever_its_version() {
        let refunded = pending().granted(NOW).next(EnrollmentState::Refunded, None);
        let another = Enrollment { state: EnrollmentState::Active, ..pending() };
        assert!(another.version < refunded.version);
        assert_eq!(kinds(Some(&refunded), &another), [Kind::Activated]);
    }

    #[test]
    fn item_of_a_forgotten_student_is_not_announced_and_a_later_refund_is() {
        let mut forgotten = pending().granted(NOW).next(EnrollmentState::Unenrolled, None);
        forgotten.student.id = format!("forgotten-{}", forgotten.id).parse().unwrap();
        let refunding = forgotten.refunding(NOW);
        let refunded = refunding.next(EnrollmentState::Refunded, None);
        assert_eq!(kinds(None, &forgotten), []);
        assert_eq!(kinds(None, &refunded), []);
        assert_eq!(kinds(Some(&refunding), &refunded), [Kind::Refunded]);
    }

    #[test]
    fn event_has_these_fields_and_no_other() {
        let pending = pending();
        let active = pending.granted(NOW);
        let said = announcements(Some(&pending), &active).remove(0);
        assert_eq!(
            serde_json::to_value(said).unwrap(),
            json!({
                "id": format!("{}:1:enrollment.activated", active.id),
                "enrollment_id": active.id.to_string(),
                "student_id": "s-1",
                "course_id": "rust-101",
                "version": 1,
                "state": "active",
                "attempt": 1,
                "price": 4900,
                "currency": "USD",
            })
        );
    }
}
