//! The bodies of requests. The rules read them field by field (`from_fields`), to name every wrong one; a test compares
//! what those accept with these types.

#![expect(dead_code, reason = "only their schemas are used")]

use serde::Serialize;
use utoipa::ToSchema;

use super::schema::{
    Amount, Attempt, CourseId, CourseState, Currency, EmailAddress, Locale, Moment, PaymentMethod,
    PersonName, Reason, Seats, StudentId, Title,
};

/// Unknown fields are ignored, and a field that is `null` counts as missing.
#[derive(Serialize, ToSchema)]
#[schema(as = EnrollRequest)]
pub(super) struct EnrollBody {
    student_id: StudentId,
    course_id: CourseId,
    email: EmailAddress,
    name: PersonName,
    /// Required if the course has a price.
    payment_method: Option<PaymentMethod>,
    locale: Option<Locale>,
    /// The price that the student agreed to. With `currency`, or neither.
    price: Option<Amount>,
    currency: Option<Currency>,
}

/// The student, the name and the address come from the token; these fields are refused here.
#[derive(Serialize, ToSchema)]
#[schema(as = StudentEnrollRequest)]
pub(super) struct StudentEnrollBody {
    course_id: CourseId,
    /// Required if the course has a price.
    payment_method: Option<PaymentMethod>,
    locale: Option<Locale>,
    /// The price that the student agreed to. With `currency`, or neither.
    price: Option<Amount>,
    currency: Option<Currency>,
}

/// The whole course: an optional field that is left out is removed.
#[derive(Serialize, ToSchema)]
#[schema(as = CourseRequest)]
pub(super) struct CourseBody {
    title: Title,
    /// Within the currency's minimum and maximum (docs/payments.md), or 0.
    price: Amount,
    /// One that Stripe charges.
    currency: Currency,
    state: CourseState,
    opens_at: Option<Moment>,
    /// After `opens_at`.
    closes_at: Option<Moment>,
    seats: Option<Seats>,
}

/// A field of another action is refused.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorRequest)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum OperatorBody {
    /// Gives access without a payment.
    Grant {
        student_id: StudentId,
        reason: Reason,
        /// With `email`, required if the student has no enrollment in the course yet.
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    },
    /// Ends the access.
    Unenroll {
        student_id: StudentId,
        reason: Reason,
        /// Required if the enrollment has a payment.
        attempt: Option<Attempt>,
        refund: Option<RefundChoice>,
    },
    /// Pays back, and keeps the access.
    Refund {
        student_id: StudentId,
        reason: Reason,
        /// Required if the enrollment has a payment.
        attempt: Option<Attempt>,
    },
    /// Corrects a name or an address, at least one.
    Correct {
        student_id: StudentId,
        reason: Reason,
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    },
    /// Sends the confirmation email again.
    Resend { student_id: StudentId, reason: Reason },
    /// Decides what becomes of a stuck payment.
    Resolve { student_id: StudentId, reason: Reason, resolution: Resolution },
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundChoice {
    None,
    Full,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Resolution {
    Grant,
    Refund,
    Fail,
}
