//! When a failed job is tried again.

use std::time::Duration;

/// The first delay.
pub const FIRST_DELAY: Duration = Duration::from_secs(30);
/// The longest delay. SQS allows up to 12 hours of visibility timeout in all.
pub const LONGEST_DELAY: Duration = Duration::from_hours(2);

/// How long to wait after the `attempts`th failed attempt (from 1): 30 s, doubling, 2 h at most.
///
/// `jitter`, from 0 to 1, is drawn by the caller; it takes away up to a quarter of the delay, so that
/// jobs which failed together do not come back together.
pub fn delay(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST_DELAY.saturating_mul(1 << doublings).min(LONGEST_DELAY);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_from_thirty_seconds_to_two_hours() {
        let delays: Vec<u64> = (1..=11).map(|n| delay(n, 0.0).as_secs()).collect();
        assert_eq!(delays, [30, 60, 120, 240, 480, 960, 1920, 3840, 7200, 7200, 7200]);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(attempts: u32, jitter: f64) {
            let delay = delay(attempts, if jitter.is_nan() { 0.0 } else { jitter });
            prop_assert!(delay >= FIRST_DELAY.mul_f64(0.75) && delay <= LONGEST_DELAY);
        }
    }
}
