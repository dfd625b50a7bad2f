//! The fields of log lines from which the metrics of the worker come (docs/metrics.md).

use std::time::Duration;

use email::dead_letter::{
    EXPIRED, ID_REUSED, INVALID_DATA, JOB_TOO_LARGE, OUTCOME_UNKNOWN, UNKNOWN_TEMPLATE,
    UNKNOWN_VERSION,
};
use pacer::Share;
use time::OffsetDateTime;

/// The codes of our own dead letters. SES's codes are not ours to bound.
const KINDS: [&str; 8] = [
    EXPIRED,
    ID_REUSED,
    JOB_TOO_LARGE,
    OUTCOME_UNKNOWN,
    INVALID_DATA,
    UNKNOWN_TEMPLATE,
    UNKNOWN_VERSION,
    "malformed_job",
];

/// A dead letter's code as a dimension of a metric: one of a few.
pub(crate) fn dead_letter_kind(code: &str) -> &'static str {
    KINDS.into_iter().find(|kind| *kind == code).unwrap_or("provider")
}

/// The milliseconds from one time to a later one; 0 if a clock says that it is an earlier one.
pub(crate) fn since(then: OffsetDateTime, now: OffsetDateTime) -> f64 {
    Duration::try_from(now - then).unwrap_or_default().as_secs_f64() * 1e3
}

/// The limit of all workers together.
#[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^52")]
pub(crate) fn limit_per_minute(share: Share) -> f64 {
    share.total() as f64 * 60.0 / share.window().get().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world::share;

    #[test]
    fn dead_letters_have_a_closed_set_of_kinds() {
        assert_eq!(dead_letter_kind("malformed_job"), "malformed_job");
        assert_eq!(dead_letter_kind(ID_REUSED), "id_reused");
        for code in ["MessageRejected", "", "ada@example.com"] {
            assert_eq!(dead_letter_kind(code), "provider");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "both are exact")]
    fn time_is_never_negative() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(since(now, now + Duration::from_millis(1_500)), 1_500.0);
        assert_eq!(since(now + Duration::from_secs(1), now), 0.0);
    }

    #[test]
    fn limit_is_that_of_all_workers() {
        let per_minute = limit_per_minute(share());
        assert!((per_minute - 300.0).abs() < 1e-9, "{per_minute}");
    }
}
