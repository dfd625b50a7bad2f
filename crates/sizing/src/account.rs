//! What may lower the limit: the account's own rate, and an operator.

use std::time::Duration;

use pacer::{SendLimit, Share, Window};

use crate::{CLOSING_ROOM, Invalid, Parameter, SES_ATTEMPT_TIMEOUT, WorkerSettings, human::human};

impl WorkerSettings {
    /// The share of each slot, if the account accepts `rate` emails per second (SES's `MaxSendRate`).
    ///
    /// SES counts the rate per second, whatever the limit's window is. So no second contains more than `rate` emails.
    /// With fewer emails per second than slots, that is impossible without shared state; then each slot sends one email
    /// in the time in which the account accepts one for each slot.
    ///
    /// The interval between two sends of a slot is at least that of [`WorkerSettings::check`], and the slots and the
    /// slack are the same. So the limit is kept too, and also if the rate changes between two invocations.
    ///
    /// # Errors
    ///
    /// Nothing can be sent with these settings, or at this rate. The error names the parameter to change.
    pub fn share_at(&self, rate: f64) -> Result<Share, Invalid> {
        let share = self.check()?;
        let interval = self.interval_at(rate)?;
        if interval <= share.interval() {
            return Ok(share);
        }
        let share = self.slowed_to(interval)?;
        self.check_timeout(share).map_err(|why| {
            let problem = format!("at the account's rate of {rate} per second, {}", why.problem());
            Invalid::new(why.parameter(), problem)
        })?;
        Ok(share)
    }

    /// The share of each slot, if an operator has lowered the limit.
    ///
    /// # Errors
    ///
    /// The limit is lowered so far that no invocation can send, which the error says with the lowest limit at which one
    /// can. Without shared state, fewer emails per window than slots cannot be kept.
    pub fn lowered_to(&self, limit: SendLimit) -> Result<Share, Invalid> {
        let lowered = Self { limit: limit.min(self.limit), ..*self };
        lowered.check().map_err(|why| {
            let problem = match self.lowest_limit() {
                Some(lowest) => format!(
                    "{limit} is too low: with {} slots and an invocation of {}, the lowest limit is \
                     {lowest}",
                    self.slots,
                    human(self.timeout)
                ),
                None => why.problem().to_owned(),
            };
            Invalid::new(why.parameter(), problem)
        })
    }

    /// The lowest limit at which an invocation can send. `None` if there is none with these settings.
    fn lowest_limit(&self) -> Option<SendLimit> {
        let room = self.timeout.checked_sub(SES_ATTEMPT_TIMEOUT + CLOSING_ROOM)?;
        let whole = self.window.get() + self.slack.get();
        // The longest interval is `room`.
        let quota = whole.as_nanos().checked_div(room.as_nanos())?;
        let quotas =
            u32::try_from(quota.max(1)).ok()?..=u32::try_from(quota).ok()?.saturating_add(1);
        quotas
            .filter_map(|quota| SendLimit::new(quota.checked_mul(self.slots.get())?).ok())
            .find(|&limit| Self { limit, ..*self }.check().is_ok())
    }

    /// The interval of a slot at which all slots together keep the rate.
    fn interval_at(&self, rate: f64) -> Result<Duration, Invalid> {
        let slots = self.slots.get();
        let per_slot = (rate / f64::from(slots)).floor();
        let slack = self.slack.get();
        if per_slot >= 1.0 {
            // `as` saturates.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let quota = per_slot as u32;
            let nanos = (Duration::from_secs(1) + slack).as_nanos().div_ceil(quota.into());
            return Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        }
        let one_each = Duration::try_from_secs_f64(f64::from(slots) / rate);
        let one_each = one_each.ok().and_then(|time| time.checked_add(slack + ROUNDING));
        one_each.ok_or_else(|| too_slow(rate))
    }

    /// The share with this interval, which is longer than that of the limit: `k` sends of each slot in any window of
    /// `k d - D`, for the smallest `k` with which that is at least the limit's window.
    fn slowed_to(&self, interval: Duration) -> Result<Share, Invalid> {
        let (window, slack) = (self.window.get(), self.slack.get());
        let sends = (window + slack).as_nanos().div_ceil(interval.as_nanos());
        let sends = u32::try_from(sends).unwrap_or(u32::MAX);
        let window = interval.checked_mul(sends).unwrap_or(Duration::MAX).saturating_sub(slack);
        let limit = SendLimit::new(sends.saturating_mul(self.slots.get()))?;
        Ok(Share::new(limit, Window::new(window)?, self.slots, self.slack)?)
    }
}

/// More than the error of a number of seconds as `f64`, which is at most a nanosecond in a month.
const ROUNDING: Duration = Duration::from_nanos(2);

fn too_slow(rate: f64) -> Invalid {
    let problem = format!("the account's rate of {rate} per second allows no email");
    Invalid::new(Parameter::SendLimit, problem)
}

#[cfg(test)]
mod tests {
    use pacer::Slots;

    use super::*;

    fn interval(settings: WorkerSettings, rate: f64) -> Duration {
        settings.share_at(rate).unwrap().interval()
    }

    #[test]
    fn rate_above_the_limit_changes_nothing() {
        let settings = WorkerSettings::defaults().unwrap();
        for rate in [14.0, 1e9, f64::INFINITY] {
            assert_eq!(settings.share_at(rate), settings.check());
        }
    }

    #[test]
    fn rate_is_kept_in_each_second_and_not_only_in_the_limits_window() {
        // 50,400 per hour are 14 per second on average.
        let settings = WorkerSettings::defaults().unwrap();
        let settings = settings.with(Parameter::SendLimit, "50400").unwrap();
        let settings = settings.with(Parameter::SendWindowSeconds, "3600").unwrap();
        assert!(settings.check().unwrap().interval() < Duration::from_millis(143));
        // 7 per slot in any second, and the slack: 1.25 s / 7.
        assert_eq!(interval(settings, 14.0), Duration::from_nanos(178_571_429));
    }

    #[test]
    fn rate_below_the_number_of_slots_lowers_the_pace() {
        let settings = WorkerSettings::defaults().unwrap();
        let sandbox = interval(settings, 1.0);
        assert!(sandbox >= Duration::from_millis(2_250) && sandbox < Duration::from_millis(2_251));
        let settings = WorkerSettings { slots: Slots::new(20).unwrap(), ..settings };
        let twenty = interval(settings, 1.0);
        assert!(twenty >= Duration::from_millis(20_250) && twenty < Duration::from_millis(20_251));
    }

    #[test]
    fn limit_can_be_lowered_as_far_as_an_invocation_can_send() {
        let settings = WorkerSettings::defaults().unwrap();
        let lowered = |limit| settings.lowered_to(SendLimit::new(limit).unwrap());
        assert_eq!(lowered(300), settings.check());
        assert_eq!(lowered(4000), settings.check(), "never above the deployed one");
        assert_eq!(lowered(100).unwrap().quota(), 50);
        // 60.25 s / 2, of the 40.5 s in which an invocation starts attempts.
        assert_eq!(lowered(4).unwrap().interval(), Duration::from_millis(30_125));
        for limit in [1, 2, 3] {
            let error = lowered(limit).unwrap_err().to_string();
            assert!(error.contains(&format!("{limit} is too low: with 2 slots")), "{error}");
            assert!(error.ends_with("the lowest limit is 4"), "{error}");
        }
        let settings = WorkerSettings { timeout: Duration::from_secs(90), ..settings };
        let error = settings.lowered_to(SendLimit::new(1).unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("the lowest limit is 2"), "{error}");
        let settings = WorkerSettings { slots: Slots::new(20).unwrap(), ..settings };
        let error = settings.lowered_to(SendLimit::new(19).unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("the lowest limit is 20"), "{error}");
    }

    #[test]
    fn rate_at_which_no_invocation_can_send_names_the_parameter() {
        let settings = WorkerSettings::defaults().unwrap();
        let error = settings.share_at(0.01).unwrap_err().to_string();
        let expected = "WorkerTimeout: at the account's rate of 0.01 per second, 60 s is shorter";
        assert!(error.starts_with(expected), "{error}");
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert!(settings.share_at(rate).is_err(), "{rate}");
        }
    }
}
