//! How fast the workers send at most.

use std::time::Duration;

use email::hold::LoweredLimit;
use pacer::{SendLimit, Share, Slack, Slots, Window};
use sizing::Invalid;

/// The deployed limit, and the pace that follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    pub(crate) limit: SendLimit,
    pub(crate) window: Window,
    /// Emails per second of the SES account, if it is lower than the limit.
    pub(crate) account_rate: Option<f64>,
    /// Emails per second of all workers together.
    pub(crate) per_second: f64,
}

impl Pace {
    pub(crate) fn new(
        limit: SendLimit,
        window: Window,
        slack: Slack,
        slots: Slots,
        account_rate: Option<f64>,
    ) -> Result<Self, Invalid> {
        let share = Share::new(limit, window, slots, slack)?;
        // Each slot sends once per interval: `docs/pacing.md`.
        let deployed = f64::from(slots.get()) / share.interval().as_secs_f64();
        let account_rate = account_rate.filter(|&rate| rate < deployed);
        Ok(Self { limit, window, account_rate, per_second: account_rate.unwrap_or(deployed) })
    }

    /// With a limit that an operator has lowered. If nothing can be sent at it, the pace is 0.
    pub(crate) fn lowered(self, lowered: &LoweredLimit, slots: Slots, slack: Slack) -> Self {
        let share = || -> Result<Share, pacer::Invalid> {
            let limit = SendLimit::new(lowered.limit.get())?;
            let window = Window::from_secs(lowered.window_seconds.get())?;
            Share::new(limit, window, slots, slack)
        };
        let per_second =
            share().map_or(0.0, |share| f64::from(slots.get()) / share.interval().as_secs_f64());
        Self { per_second: self.per_second.min(per_second), ..self }
    }

    /// Rounded.
    pub(crate) fn per_minute(self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rounded = (self.per_second * 60.0).round() as u64;
        rounded
    }

    /// How long this many emails take, in whole milliseconds.
    pub(crate) fn duration_of(self, emails: u64) -> Duration {
        // Both are far below 2^52.
        #[expect(clippy::cast_precision_loss)]
        let seconds = emails as f64 / self.per_second;
        let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        // An interval is rounded up to a whole nanosecond, which is of no interest here.
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(account_rate: Option<f64>) -> Pace {
        Pace::new(
            "300".parse().unwrap(),
            "60".parse().unwrap(),
            "250".parse().unwrap(),
            "2".parse().unwrap(),
            account_rate,
        )
        .unwrap()
    }

    #[test]
    fn pace_is_all_shares_of_the_limit_together() {
        let pace = pace(None);
        // 300 in 60.25 s.
        assert!((pace.per_second - 4.979).abs() < 0.001, "{pace:?}");
        assert_eq!(pace.duration_of(300).as_millis(), 60_250);
        assert_eq!(pace.duration_of(0), Duration::ZERO);
    }

    #[test]
    fn lower_rate_of_the_account_counts_and_a_higher_one_does_not() {
        assert_eq!(pace(Some(1.0)).duration_of(300), Duration::from_mins(5));
        assert_eq!(pace(Some(14.0)), pace(None));
    }

    #[test]
    fn lowered_limit_counts_if_it_is_the_lowest() {
        let of = |limit: u32| LoweredLimit {
            limit: limit.try_into().unwrap(),
            window_seconds: 60.try_into().unwrap(),
            reason: String::new(),
            since: time::OffsetDateTime::UNIX_EPOCH,
            until: None,
        };
        let (slots, slack) = ("2".parse().unwrap(), "250".parse().unwrap());
        let lowered = |rate, limit| pace(rate).lowered(&of(limit), slots, slack);
        assert_eq!(lowered(None, 100).duration_of(100).as_millis(), 60_250);
        assert_eq!(lowered(Some(1.0), 100).duration_of(100).as_secs(), 100);
        assert_eq!(lowered(None, 1000), pace(None));
        // A later deployment may have more slots than the lowered limit has emails.
        assert_eq!(lowered(None, 1).per_minute(), 0);
        assert!(lowered(None, 1).duration_of(1) > Duration::from_hours(1_000_000));
    }

    #[test]
    fn impossible_settings_are_an_error() {
        let limit = "1".parse().unwrap();
        let (window, slack) = ("60".parse().unwrap(), "250".parse().unwrap());
        assert!(Pace::new(limit, window, slack, "2".parse().unwrap(), None).is_err());
    }
}
