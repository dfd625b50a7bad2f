//! The limit, and one slot's share of it: types that cannot hold a value the rules do not cover.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::{Invalid, Quantity};

/// The longest window and the longest slack: a year. It keeps every sum far from overflow.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// `N`: how many sends any window may hold. At least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendLimit(NonZeroU32);

impl SendLimit {
    /// A limit of `sends` a window.
    pub fn new(sends: u32) -> Result<Self, Invalid> {
        at_least_one(Quantity::Limit, sends).map(Self)
    }

    /// Sends a window.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// This limit, or what `per_second` comes to in `window` if that is less.
    ///
    /// For a provider that says how fast it will take messages. A rate that is negative or not a
    /// number, or that does not come to one whole send a window, is an error: no pace keeps it.
    pub fn lowered_to_rate(self, per_second: f64, window: Window) -> Result<Self, Invalid> {
        let sends = (per_second * window.get().as_secs_f64()).floor();
        if sends.is_nan() || sends < 1.0 {
            return Err(Invalid::new(
                Quantity::Limit,
                format!("the provider's {per_second} a second is less than one send in {window}"),
            ));
        }
        // `as` saturates, and what saturates is above this limit anyway.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let sends = NonZeroU32::new(sends as u32).unwrap_or(NonZeroU32::MIN);
        Ok(Self(self.0.min(sends)))
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

/// `W`: the length of the half-open window in which the provider counts. Longer than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(Duration);

impl Window {
    /// A window of this length.
    pub fn new(length: Duration) -> Result<Self, Invalid> {
        if length.is_zero() {
            return Err(Invalid::new(Quantity::Window, "must be longer than zero"));
        }
        at_most_longest(Quantity::Window, length).map(Self)
    }

    /// A window of whole seconds.
    pub fn from_secs(seconds: u32) -> Result<Self, Invalid> {
        Self::new(Duration::from_secs(seconds.into()))
    }

    /// Its length.
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// Whole seconds, as deployed.
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

/// `S`: how many invocations can run at once. At least 1.
///
/// Whatever starts the workers must enforce it; the pacer only divides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots(NonZeroU32);

impl Slots {
    /// This many slots.
    pub fn new(slots: u32) -> Result<Self, Invalid> {
        at_least_one(Quantity::Slots, slots).map(Self)
    }

    /// Invocations at once.
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

/// `D`: for how long an attempt may be outstanding before everything waits for it.
///
/// Larger than the provider's usual latency, or holds are the rule; small against the window,
/// because a share of `W / (W + D)` is all that can be used. The limit holds for any value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slack(Duration);

impl Slack {
    /// This much slack.
    pub fn new(slack: Duration) -> Result<Self, Invalid> {
        at_most_longest(Quantity::Slack, slack).map(Self)
    }

    /// This many milliseconds of slack.
    pub fn from_millis(milliseconds: u32) -> Result<Self, Invalid> {
        Self::new(Duration::from_millis(milliseconds.into()))
    }

    /// How long it is.
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// Whole milliseconds, as deployed.
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

/// One slot's share of a limit: `q` sends in any window, kept by starting them `d` apart.
///
/// Every invocation of a deployment must use the same share.
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
    /// The share of each of `slots`; an error if there is not one whole send for each.
    ///
    /// `q = floor(N / S)`, and `d = (W + D) / q` rounded up to a whole nanosecond, so that
    /// `S * q <= N` and `q * d >= W + D` hold exactly.
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
        let interval = divide_up(window.get() + slack.get(), quota);
        Ok(Self { quota, interval, window, slots, slack })
    }

    /// `q`: sends of one slot in any window.
    pub const fn quota(self) -> u32 {
        self.quota.get()
    }

    /// `d`: the least time between two starts of a slot.
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// `W`.
    pub const fn window(self) -> Window {
        self.window
    }

    /// `S`.
    pub const fn slots(self) -> Slots {
        self.slots
    }

    /// `D`.
    pub const fn slack(self) -> Slack {
        self.slack
    }

    /// What all slots together can send in a window: `S * q`, at most the limit.
    pub fn total(self) -> u64 {
        u64::from(self.slots.get()) * u64::from(self.quota())
    }

    /// How many attempts of one invocation can be outstanding at once: `floor(D / d) + 1`.
    ///
    /// Whatever starts finds every other outstanding attempt at most `D` old (rule 4), and starts
    /// are `d` apart (rule 2).
    pub fn most_outstanding(self) -> u64 {
        let beside_it = self.slack.get().as_nanos() / self.interval.as_nanos();
        u64::try_from(beside_it).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Rounded up, never down: a nanosecond too little would be a send too many.
fn divide_up(total: Duration, parts: NonZeroU32) -> Duration {
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

fn at_most_longest(quantity: Quantity, value: Duration) -> Result<Duration, Invalid> {
    if value > LONGEST {
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
    fn the_interval_is_rounded_up_to_a_nanosecond() {
        let share = share(300, 60, 2, 250).unwrap();
        assert_eq!(share.quota(), 150);
        assert_eq!(share.interval(), Duration::from_nanos(401_666_667));
        assert_eq!(share.total(), 300);
        assert_eq!(share.most_outstanding(), 1);
    }

    #[test]
    fn what_does_not_divide_is_lost_not_exceeded() {
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
    fn a_provider_can_only_lower_the_limit() {
        let (limit, minute) = (SendLimit::new(300).unwrap(), Window::from_secs(60).unwrap());
        for (rate, expected) in [(14.0, 300), (f64::INFINITY, 300), (1.0, 60), (0.02, 1)] {
            assert_eq!(limit.lowered_to_rate(rate, minute).unwrap().get(), expected);
        }
        for rate in [0.0, -1.0, f64::NAN, 0.01] {
            assert!(limit.lowered_to_rate(rate, minute).is_err(), "{rate}");
        }
    }

    #[test]
    fn overlap_is_bounded_by_slack_and_interval() {
        // d = 1.5 s / 5 = 300 ms: one start may follow while the first is at most 500 ms old.
        assert_eq!(share(5, 1, 1, 500).unwrap().most_outstanding(), 500 / 300 + 1);
        // d = 2 s / 2 = 1 s, exactly D: one may start as the other turns D old.
        assert_eq!(share(2, 1, 1, 1000).unwrap().most_outstanding(), 2);
    }
}
