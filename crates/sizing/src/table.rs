//! The write capacity that the table of emails needs.

use pacer::{SendLimit, Window};

/// The writes of one email, each of one unit (an entry has less than 1 KB): its claim, the announcement of an
/// attempt (only at most once), `sent`, and the delivery events `Send` and one more.
const WRITES_PER_EMAIL: u64 = 5;

/// What a new on-demand table takes per second. A higher peak is throttled until DynamoDB has adapted:
/// DynamoDB Developer Guide, "Understanding DynamoDB warm throughput in different scenarios".
pub(crate) const NEW_TABLE_WRITE_UNITS: u64 = 4_000;

/// DynamoDB's default quota per table and second: Developer Guide, "Quotas in Amazon DynamoDB".
pub(crate) const WRITE_UNITS_QUOTA: u64 = 40_000;

/// The write units per second at this limit, rounded up.
pub(crate) fn write_units(limit: SendLimit, window: Window) -> u64 {
    let writes = u128::from(limit.get()) * u128::from(WRITES_PER_EMAIL);
    let per_second = (writes * 1_000_000_000).div_ceil(window.get().as_nanos());
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// The value of `EmailsTableWriteUnits`, if it is needed.
pub(crate) fn warm_write_units(limit: SendLimit, window: Window) -> Option<u64> {
    Some(write_units(limit, window)).filter(|units| *units > NEW_TABLE_WRITE_UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_warmed_for_a_limit_that_a_new_table_would_throttle() {
        for (limit, seconds, units) in [
            (300, 60, None),
            (30_000, 60, None),
            (48_000, 60, None),
            (48_001, 60, Some(4_001)),
            (100_000, 60, Some(8_334)),
            (801, 1, Some(4_005)),
        ] {
            let (limit, window) = (SendLimit::new(limit), Window::from_secs(seconds));
            assert_eq!(warm_write_units(limit.unwrap(), window.unwrap()), units);
        }
    }
}
