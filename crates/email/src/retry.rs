//! When a job is seen again that was not sent.
//!
//! The queue counts how often a message is received, whether or not anything was tried, and takes it
//! away after [`MOST_RECEIVES`]. So what is given back often must come back seldom: with
//! [`not_too_often`], a message that workers give back runs out of time (the queue keeps it for
//! [`RETENTION`]) before it runs out of receives. Only one that its workers do not survive runs out of
//! receives.

use std::time::Duration;

/// The first delay.
pub const FIRST_DELAY: Duration = Duration::from_secs(30);
/// The longest delay. SQS allows up to 12 hours of visibility timeout in all.
pub const LONGEST_DELAY: Duration = Duration::from_hours(2);

/// How often the queue delivers a message at most: SQS's own maximum, the redrive policy's
/// `maxReceiveCount` in template.yaml.
pub const MOST_RECEIVES: u32 = 1000;
/// How long the queue keeps a message: SQS's own maximum, `MessageRetentionPeriod` in template.yaml.
pub const RETENTION: Duration = Duration::from_hours(14 * 24);

/// Receives that may follow each other as fast as they like.
const FREE_RECEIVES: u32 = 100;
/// After those, how long a message stays hidden at least. The receives that are left, so far apart,
/// last longer than [`RETENTION`].
const SELDOM: Duration = Duration::from_mins(30);

/// How long to wait after the `attempts`th failed attempt (from 1): 30 s, doubling, 2 h at most.
///
/// `jitter`, from 0 to 1, is drawn by the caller; it takes away up to a quarter of the delay, so that
/// jobs which failed together do not come back together.
pub fn delay(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST_DELAY.saturating_mul(1 << doublings).min(LONGEST_DELAY);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

/// The delay, or a longer one for a message that has been received so often (from 1) that it would
/// else be taken for hopeless.
pub fn not_too_often(delay: Duration, receives: u32) -> Duration {
    if receives > FREE_RECEIVES { delay.max(SELDOM) } else { delay }
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

    #[test]
    fn what_is_given_back_runs_out_of_time_before_it_runs_out_of_receives() {
        let lasts: Duration =
            (1..MOST_RECEIVES).map(|receives| not_too_often(Duration::ZERO, receives)).sum();
        assert!(lasts > RETENTION, "{lasts:?}");
    }

    #[test]
    fn a_day_of_failures_costs_few_of_the_receives() {
        let mut receives = 0;
        let mut passed = Duration::ZERO;
        while passed < Duration::from_hours(24) {
            receives += 1;
            passed += not_too_often(delay(receives, 1.0), receives);
        }
        assert!(receives < MOST_RECEIVES / 20, "{receives}");
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(attempts: u32, jitter: f64, receives: u32) {
            let jitter = if jitter.is_nan() { 0.0 } else { jitter };
            let delay = not_too_often(delay(attempts, jitter), receives);
            prop_assert!(delay >= FIRST_DELAY.mul_f64(0.75) && delay <= LONGEST_DELAY);
        }
    }
}
