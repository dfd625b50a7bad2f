//! How long an enrollment is kept that is over.

use std::{str::FromStr, time::Duration};

use time::OffsetDateTime;

use crate::enrollment::{Enrollment, EnrollmentState};

/// Longer than the nightly comparison looks back (`ReconciliationDays`, at most 30): it would miss the enrollment of a
/// charge that was kept.
const MIN_DAYS: u64 = 31;

/// A hundred years.
const MAX_DAYS: u64 = 36_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither 0 nor a whole number of days from {MIN_DAYS} to {MAX_DAYS}")]
pub struct InvalidRetention;

/// For how long an enrollment is kept after its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention(
    /// `None`: forever.
    Option<Duration>,
);

impl FromStr for Retention {
    type Err = InvalidRetention;

    /// Reads a number of days; 0 is forever.
    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        match text.parse() {
            Ok(0) => Ok(Self(None)),
            Ok(days @ MIN_DAYS..=MAX_DAYS) => Ok(Self(Some(Duration::from_hours(24 * days)))),
            _ => Err(InvalidRetention),
        }
    }
}

impl Retention {
    /// When an enrollment may be deleted; `None`: never, as it is now.
    ///
    /// Only what gives nothing and owes nothing expires. A later transition, such as the student's next attempt, starts
    /// anew. It holds no seat, and nothing of it is in progress, so its deletion changes nothing else.
    pub fn expiry(self, enrollment: &Enrollment) -> Option<OffsetDateTime> {
        let kept = self.0?;
        let is_over = match enrollment.state {
            EnrollmentState::PaymentFailed
            | EnrollmentState::Refunded
            | EnrollmentState::Unenrolled => enrollment.resume_at.is_none(),
            EnrollmentState::Active
            | EnrollmentState::PaymentPending
            | EnrollmentState::Refunding
            | EnrollmentState::Stuck => false,
        };
        is_over.then(|| enrollment.last_known_step() + kept)
    }
}

impl Enrollment {
    /// When the last step began of which the enrollment has a time: the request, the attempt, the refund, or what an
    /// operator or the payment provider did.
    fn last_known_step(&self) -> OffsetDateTime {
        let payment = self.payment.as_ref();
        let refund = payment.and_then(|payment| payment.refund.as_ref());
        let steps = [
            payment.map(|payment| payment.started_at),
            refund.map(|refund| refund.started_at),
            self.history.last().map(|entry| entry.at),
        ];
        steps.into_iter().flatten().fold(self.created_at, OffsetDateTime::max)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn enrollment(state: &str, more: Value) -> Enrollment {
        let mut item = json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": state, "created_at": "1970-01-01T00:00:00Z",
            "version": 3,
        });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(item).unwrap()
    }

    fn days(number: &str) -> Retention {
        number.parse().unwrap()
    }

    #[test]
    fn retention_is_forever_or_longer_than_the_comparison_looks_back() {
        assert_eq!(days("0"), Retention::default());
        assert!("31".parse::<Retention>().is_ok() && "36500".parse::<Retention>().is_ok());
        for text in ["", "1", "30", "36501", "-1", "1.5", "forever"] {
            assert_eq!(text.parse::<Retention>(), Err(InvalidRetention), "{text:?}");
        }
    }

    #[test]
    fn only_what_is_over_expires() {
        for (state, expires) in [
            ("active", false),
            ("payment_pending", false),
            ("payment_failed", true),
            ("refunding", false),
            ("refunded", true),
            ("stuck", false),
            ("unenrolled", true),
        ] {
            let found = enrollment(state, json!({}));
            let expected = expires.then_some(OffsetDateTime::UNIX_EPOCH + 40 * DAY);
            assert_eq!(days("40").expiry(&found), expected, "{state}");
            assert_eq!(days("0").expiry(&found), None, "{state}");
            // The resumer has something left to do.
            let unfinished = enrollment(state, json!({"resume_at": 60}));
            assert_eq!(days("40").expiry(&unfinished), None, "{state}");
        }
    }

    #[test]
    fn days_count_from_the_last_step() {
        let last = |more: Value| {
            let expiry = days("40").expiry(&enrollment("refunded", more)).unwrap();
            (expiry - 40 * DAY).unix_timestamp()
        };
        let payment = |more: Value| {
            let mut payment = json!({
                "attempt": 1, "price": 4900, "currency": "USD", "method": "pm_1",
                "started_at": "1970-01-01T00:00:10Z",
            });
            payment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            payment
        };
        assert_eq!(last(json!({})), 0);
        assert_eq!(last(json!({"payment": payment(json!({}))})), 10);
        let refund = json!({"refund": {"attempt": 1, "started_at": "1970-01-01T00:00:20Z"}});
        assert_eq!(last(json!({"payment": payment(refund.clone())})), 20);
        let entry = json!({"at": "1970-01-01T00:00:30Z", "by": "stripe", "what": "disputed"});
        let history = json!([entry]);
        assert_eq!(last(json!({"payment": payment(refund), "history": history})), 30);
    }
}
