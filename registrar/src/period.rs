//! How long a hold or a lowered limit lasts.

use std::{str::FromStr, time::Duration};

use time::OffsetDateTime;

const MIN: Duration = Duration::from_mins(1);
/// The queue keeps a job for no longer.
const MAX: Duration = email::retry::QUEUE_RETENTION;

/// From 1 minute to 14 days, as `90m`, `2h`, `3d` or `1d12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(Duration);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a time from 1 minute to 14 days, such as 90m, 2h, 3d or 1d12h")]
pub(crate) struct InvalidPeriod;

impl Period {
    /// When it ends if it begins at this time.
    pub(crate) fn end(self, begin: OffsetDateTime) -> OffsetDateTime {
        begin + self.0
    }

    /// Whether jobs that wait for so long expire.
    pub(crate) fn outlasts_jobs(self) -> bool {
        self.0 > email::deadline::MAX_WAIT
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let mut rest = text;
        let mut sum = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit_and_rest) = rest.split_at(digits);
            let number: u32 = number.parse().map_err(|_| InvalidPeriod)?;
            let unit = match unit_and_rest.as_bytes().first() {
                Some(b'm') => Duration::from_mins(1),
                Some(b'h') => Duration::from_hours(1),
                Some(b'd') => Duration::from_hours(24),
                _ => return Err(InvalidPeriod),
            };
            let part = unit.checked_mul(number).ok_or(InvalidPeriod)?;
            sum = sum.checked_add(part).ok_or(InvalidPeriod)?;
            rest = &unit_and_rest[1..];
        }
        if (MIN..=MAX).contains(&sum) { Ok(Self(sum)) } else { Err(InvalidPeriod) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn minutes_hours_and_days_are_added() {
        for (text, minutes) in [
            ("1m", 1),
            ("90m", 90),
            ("2h", 120),
            ("3d", 4_320),
            ("1d12h30m", 2_190),
            ("14d", 20_160),
        ] {
            assert_eq!(text.parse(), Ok(Period(Duration::from_mins(minutes))), "{text}");
        }
    }

    #[test]
    fn other_texts_and_times_are_refused() {
        let most = format!("{}d", u32::MAX);
        for text in
            ["", "0m", "2", "h", "2 h", "-2h", "2H", "2h5", "1.5h", "15d", "14d1m", "9ü", &most]
        {
            assert_eq!(text.parse::<Period>(), Err(InvalidPeriod), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,8}|[0-9mhd]{0,12}") {
            if let Ok(Period(period)) = text.parse() {
                prop_assert!((MIN..=MAX).contains(&period));
            }
        }
    }
}
