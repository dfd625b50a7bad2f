//! When a job that was not sent is retried.
//!
//! The queue counts every receive of a message, whether or not an attempt followed, and moves the message to
//! the dead-letter queue after [`MAX_RECEIVES`]. So a message with many receives must be received rarely.
//! With [`not_too_often`], a message that workers always return reaches its [deadline](crate::deadline), and even
//! the end of its [`QUEUE_RETENTION`], before it reaches [`MAX_RECEIVES`]. Only a message that kills its workers reaches [`MAX_RECEIVES`].

use std::time::Duration;

/// The delay after the first failed attempt.
pub const FIRST_DELAY: Duration = Duration::from_secs(30);
/// The maximum delay. SQS allows up to 12 hours of visibility timeout in total.
pub const MAX_DELAY: Duration = Duration::from_hours(2);

/// The maximum number of attempts without a known outcome. After it the job is parked: each of them may have sent
/// the email.
///
/// The provider's `send` event usually settles the first one. Without events, six attempts take about an hour. An
/// outage of any length costs a recipient at most six copies.
pub const MAX_UNANSWERED: u32 = 6;

/// How long a job that this release of the worker cannot send waits for another one, from its first receive. A
/// deployment takes minutes, and a worker of the old release may run for a quarter of an hour longer.
pub const RELEASE_OVERLAP: Duration = Duration::from_mins(30);

/// The queue delivers a message at most this many times: SQS's own maximum, and `maxReceiveCount` of the
/// redrive policy in template.yaml.
pub const MAX_RECEIVES: u32 = 1000;
/// How long the queue keeps a message: SQS's own maximum, and `MessageRetentionPeriod` in template.yaml.
pub const QUEUE_RETENTION: Duration = Duration::from_hours(14 * 24);

/// Receives without a minimum delay.
const FREE_RECEIVES: u32 = 100;
/// The minimum delay after [`FREE_RECEIVES`]. With it, the remaining receives take longer than
/// [`QUEUE_RETENTION`].
const MIN_LATE_DELAY: Duration = Duration::from_mins(30);

/// The delay after the `attempts`th failed attempt (from 1): 30 s, doubling, at most 2 h.
///
/// `jitter`, from 0 to 1, shortens the delay by up to a quarter, so that jobs that failed together are not
/// retried together.
pub fn delay(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = FIRST_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

/// The delay after the `unanswered`th attempt without a known outcome (from 1): that of a failed attempt, two
/// doublings ahead, because the retry may be a second email, and an event may make it unnecessary.
pub fn delay_unanswered(unanswered: u32, jitter: f64) -> Duration {
    delay(unanswered.saturating_add(2), jitter)
}

/// The delay of a job that another release may be able to send: that of a failed attempt, until [`RELEASE_OVERLAP`] is
/// over. `None` after that. `waited` counts from the first receive.
pub fn delay_for_release(receives: u32, jitter: f64, waited: Duration) -> Option<Duration> {
    let left = RELEASE_OVERLAP.checked_sub(waited).filter(|left| !left.is_zero())?;
    Some(delay(receives, jitter).min(left))
}

/// The delay, or a longer one if the receive count (from 1) is high. Otherwise the message would become a
/// dead letter too early.
pub fn not_too_often(delay: Duration, receives: u32) -> Duration {
    if receives > FREE_RECEIVES { delay.max(MIN_LATE_DELAY) } else { delay }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_from_thirty_seconds_to_two_hours() {
        let delays: Vec<u64> = (1..=11).map(|n| delay(n, 0.0).as_secs()).collect();
        assert_eq!(delays, [30, 60, 120, 240, 480, 960, 1920, 3840, 7200, 7200, 7200]);
    }

    #[test]
    fn two_hours_without_answers_cost_at_most_six_attempts() {
        for jitter in [0.0, 1.0] {
            let between: Duration =
                (1..MAX_UNANSWERED).map(|unanswered| delay_unanswered(unanswered, jitter)).sum();
            assert!((45 * 60..=63 * 60).contains(&between.as_secs()), "{between:?}");
        }
    }

    #[test]
    fn wait_for_another_release_lasts_for_half_an_hour() {
        let (mut waited, mut receives) = (Duration::ZERO, 1);
        while let Some(delay) = delay_for_release(receives, 0.0, waited) {
            waited += delay;
            receives += 1;
        }
        assert_eq!((waited, receives), (RELEASE_OVERLAP, 7));
    }

    #[test]
    fn message_that_is_always_returned_reaches_its_retention_before_the_max_receives() {
        let lasts: Duration =
            (1..MAX_RECEIVES).map(|receives| not_too_often(Duration::ZERO, receives)).sum();
        assert!(lasts > QUEUE_RETENTION, "{lasts:?}");
    }

    #[test]
    fn only_receives_after_the_free_ones_have_a_minimum_delay() {
        for (receives, delay) in [
            (1, Duration::ZERO),
            (FREE_RECEIVES, Duration::ZERO),
            (FREE_RECEIVES + 1, MIN_LATE_DELAY),
        ] {
            assert_eq!(not_too_often(Duration::ZERO, receives), delay, "{receives}");
        }
        assert_eq!(not_too_often(MAX_DELAY, MAX_RECEIVES), MAX_DELAY, "it is never shortened");
    }

    #[test]
    fn day_of_failures_takes_less_than_a_twentieth_of_the_receives() {
        let mut receives = 0;
        let mut passed = Duration::ZERO;
        while passed < Duration::from_hours(24) {
            receives += 1;
            passed += not_too_often(delay(receives, 1.0), receives);
        }
        assert!(receives < MAX_RECEIVES / 20, "{receives}");
    }

    proptest! {
        #[test]
        fn delays_stay_within_their_bounds(attempts: u32, jitter: f64, receives: u32) {
            let jitter = if jitter.is_nan() { 0.0 } else { jitter };
            let delay = not_too_often(delay(attempts, jitter), receives);
            prop_assert!(delay >= FIRST_DELAY.mul_f64(0.75) && delay <= MAX_DELAY);
        }
    }
}
