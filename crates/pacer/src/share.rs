//! The limit and one slot's share of it, as types that only have valid values.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::{Invalid, Quantity};

/// The maximum window and the maximum slack. It keeps every sum far from overflow.
const MAX_DURATION: Duration = Duration::from_hours(366 * 24);

/// `N`: the maximum number of sends in any window. At least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendLimit(NonZeroU32);

impl SendLimit {
    /// A limit of `sends` per window.
    ///
    /// # Errors
    ///
    /// `sends` is 0.
    pub fn new(sends: u32) -> Result<Self, Invalid> {
        at_least_one(Quantity::Limit, sends).map(Self)
    }

    /// Sends per window.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for SendLimit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(whole_number(Quantity::Limit, text)?)
    }
}

impl fmt::Display for SendLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `W`: the length of the half-open window in which the provider counts. Longer than zero, at most
/// 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(Duration);

impl Window {
    /// A window of this length.
    ///
    /// # Errors
    ///
    /// The length is zero or more than 366 days.
    pub fn new(length: Duration) -> Result<Self, Invalid> {
        if length.is_zero() {
            return Err(Invalid::new(Quantity::Window, "must be longer than zero"));
        }
        at_most_max_duration(Quantity::Window, length).map(Self)
    }

    /// A window of whole seconds.
    ///
    /// # Errors
    ///
    /// As [`Window::new`].
    pub fn from_secs(seconds: u32) -> Result<Self, Invalid> {
        Self::new(Duration::from_secs(seconds.into()))
    }

    /// The window's length.
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// Parses whole seconds.
impl FromStr for Window {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::from_secs(whole_number(Quantity::Window, text)?)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `S`: the maximum number of concurrent invocations. At least 1.
///
/// The system that starts the workers must enforce it. The pacer only divides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots(NonZeroU32);

impl Slots {
    /// This many slots.
    ///
    /// # Errors
    ///
    /// `slots` is 0.
    pub fn new(slots: u32) -> Result<Self, Invalid> {
        at_least_one(Quantity::Slots, slots).map(Self)
    }

    /// The number of concurrent invocations.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for Slots {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(whole_number(Quantity::Slots, text)?)
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `D`: how long an attempt may be outstanding before the pacer waits for its end. At most 366
/// days.
///
/// Choose it larger than the provider's usual latency, otherwise the pacer waits after most sends.
/// Choose it small compared with the window, because only `W / (W + D)` of the limit can be used.
/// The limit is kept with any slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slack(Duration);

impl Slack {
    /// This much slack.
    ///
    /// # Errors
    ///
    /// It is more than 366 days.
    pub fn new(slack: Duration) -> Result<Self, Invalid> {
        at_most_max_duration(Quantity::Slack, slack).map(Self)
    }

    /// This many milliseconds of slack.
    ///
    /// # Errors
    ///
    /// As [`Slack::new`].
    pub fn from_millis(milliseconds: u32) -> Result<Self, Invalid> {
        Self::new(Duration::from_millis(milliseconds.into()))
    }

    /// The slack's length.
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// Parses whole milliseconds.
impl FromStr for Slack {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::from_millis(whole_number(Quantity::Slack, text)?)
    }
}

impl fmt::Display for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// One slot's share of a limit: `q` sends in any window, with starts at least `d` apart.
///
/// All invocations that send under one limit must use the same share.
///
/// ```
/// # use send_pacer::{SendLimit, Share, Slack, Slots, Window};
/// # use std::time::Duration;
/// let share = Share::new(
///     SendLimit::new(300)?,
///     Window::from_secs(60)?,
///     Slots::new(2)?,
///     Slack::from_millis(250)?,
/// )?;
/// assert_eq!(share.quota(), 150);
/// assert_eq!(share.interval(), Duration::from_nanos(401_666_667));
/// # Ok::<(), send_pacer::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    quota: NonZeroU32,
    interval: Duration,
    window: Window,
    slots: Slots,
    slack: Slack,
}

impl Share {
    /// The share of each of `slots`.
    ///
    /// `q = floor(N / S)`, and `d = (W + D) / q` rounded up to a whole nanosecond, so that
    /// `S * q <= N` and `q * d >= W + D` are exact.
    ///
    /// # Errors
    ///
    /// The limit is less than one send per slot.
    pub fn new(
        limit: SendLimit,
        window: Window,
        slots: Slots,
        slack: Slack,
    ) -> Result<Self, Invalid> {
        let Some(quota) = NonZeroU32::new(limit.get() / slots.get()) else {
            return Err(Invalid::new(
                Quantity::Limit,
                format!(
                    "{limit} cannot be shared by {slots} slots: each needs at least one send per \
                     window"
                ),
            ));
        };
        let interval = divide_rounding_up(window.get() + slack.get(), quota);
        Ok(Self { quota, interval, window, slots, slack })
    }

    /// `q`: the maximum number of sends of one slot in any window.
    pub const fn quota(self) -> u32 {
        self.quota.get()
    }

    /// `d`: the minimum time between two starts in a slot.
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// `W`: the window.
    pub const fn window(self) -> Window {
        self.window
    }

    /// `S`: the slots.
    pub const fn slots(self) -> Slots {
        self.slots
    }

    /// `D`: the slack.
    pub const fn slack(self) -> Slack {
        self.slack
    }

    /// The maximum number of sends of all slots together in any window: `S * q`, at most the limit.
    pub fn total(self) -> u64 {
        u64::from(self.slots.get()) * u64::from(self.quota())
    }

    /// The maximum number of outstanding attempts in one invocation: `floor(D / d) + 1`.
    ///
    /// When an attempt starts, every other outstanding attempt is at most `D` old (rule 4), and
    /// starts are at least `d` apart (rule 2).
    pub fn max_outstanding(self) -> u64 {
        let others = self.slack.get().as_nanos() / self.interval.as_nanos();
        u64::try_from(others).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Rounds up: one nanosecond less per interval would allow one send more per window.
fn divide_rounding_up(total: Duration, parts: NonZeroU32) -> Duration {
    let nanos = total.as_nanos().div_ceil(u128::from(parts.get()));
    // At most two years, which is 6.4e16 ns.
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn whole_number(quantity: Quantity, text: &str) -> Result<u32, Invalid> {
    text.trim().parse().map_err(|_| {
        Invalid::new(quantity, format!("must be a whole number below 2^32, not {text:?}"))
    })
}

fn at_least_one(quantity: Quantity, value: u32) -> Result<NonZeroU32, Invalid> {
    NonZeroU32::new(value).ok_or_else(|| Invalid::new(quantity, "must be at least 1"))
}

fn at_most_max_duration(quantity: Quantity, value: Duration) -> Result<Duration, Invalid> {
    if value > MAX_DURATION {
        return Err(Invalid::new(quantity, "must be at most 366 days"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(limit: u32, seconds: u32, slots: u32, slack: u32) -> Result<Share, Invalid> {
        Share::new(
            SendLimit::new(limit)?,
            Window::from_secs(seconds)?,
            Slots::new(slots)?,
            Slack::from_millis(slack)?,
        )
    }

    #[test]
    fn interval_is_rounded_up_to_a_whole_nanosecond() {
        let share = share(300, 60, 2, 250).unwrap();
        assert_eq!(share.quota(), 150);
        assert_eq!(share.interval(), Duration::from_nanos(401_666_667));
        assert_eq!(share.total(), 300);
        assert_eq!(share.max_outstanding(), 1);
    }

    #[test]
    fn limit_that_does_not_divide_evenly_is_rounded_down() {
        let share = share(7, 60, 2, 0).unwrap();
        assert_eq!((share.quota(), share.total()), (3, 6));
    }

    #[test]
    fn limit_below_the_slots_names_the_limit() {
        let error = share(1, 60, 2, 250).unwrap_err();
        assert_eq!(error.quantity(), Quantity::Limit);
        assert!(error.to_string().starts_with("limit: 1 cannot be shared by 2 slots"));
    }

    #[test]
    fn invalid_value_names_its_quantity() {
        for (error, quantity) in [
            (SendLimit::new(0).unwrap_err(), Quantity::Limit),
            ("many".parse::<SendLimit>().unwrap_err(), Quantity::Limit),
            (Window::from_secs(0).unwrap_err(), Quantity::Window),
            (Window::from_secs(u32::MAX).unwrap_err(), Quantity::Window),
            ("-1".parse::<Window>().unwrap_err(), Quantity::Window),
            (Slots::new(0).unwrap_err(), Quantity::Slots),
            ("".parse::<Slots>().unwrap_err(), Quantity::Slots),
            (Slack::new(Duration::MAX).unwrap_err(), Quantity::Slack),
            ("0.5".parse::<Slack>().unwrap_err(), Quantity::Slack),
        ] {
            assert_eq!(error.quantity(), quantity, "{error}");
        }
    }

    #[test]
    fn times_are_read_as_numbers_and_shown_with_their_units() {
        assert_eq!("60".parse::<Window>().unwrap().to_string(), "60s");
        assert_eq!("250".parse::<Slack>().unwrap().to_string(), "250ms");
    }

    #[test]
    fn window_and_slack_are_at_most_366_days() {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let longer = days(366) + Duration::from_nanos(1);
        assert_eq!(Window::new(days(366)).unwrap().get(), days(366));
        assert_eq!(Slack::new(days(366)).unwrap().get(), days(366));
        for refused in [Window::new(longer).unwrap_err(), Slack::new(longer).unwrap_err()] {
            assert_eq!(refused.problem(), "must be at most 366 days");
        }
    }

    #[test]
    fn max_outstanding_follows_from_slack_and_interval() {
        // d = 1.5 s / 5 = 300 ms: a second one may start while the first is at most 500 ms old.
        assert_eq!(share(5, 1, 1, 500).unwrap().max_outstanding(), 500 / 300 + 1);
        // d = 2 s / 2 = 1 s, exactly D: one may start when the other is exactly D old.
        assert_eq!(share(2, 1, 1, 1000).unwrap().max_outstanding(), 2);
    }
}
