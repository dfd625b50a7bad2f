//! The fields of log lines from which the metrics of the worker come (docs/metrics.md).

use email::dead_letter::{
    EXPIRED, ID_REUSED, INVALID_DATA, JOB_TOO_LARGE, OUTCOME_UNKNOWN, UNKNOWN_TEMPLATE,
    UNKNOWN_VERSION,
};
use pacer::Share;

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
    fn limit_is_that_of_all_workers() {
        let per_minute = limit_per_minute(share());
        assert!((per_minute - 300.0).abs() < 1e-9, "{per_minute}");
    }
}
