//! A time on the command line: RFC 3339, or a duration ago.

use std::{str::FromStr, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(OffsetDateTime),
    Ago(Duration),
}

/// The text is not a [`Moment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is neither a time in RFC 3339, such as 2026-11-25T04:22:30Z, nor a duration ago, such as 90m, 2h or 3d"
)]
pub(crate) struct InvalidMoment;

impl Moment {
    /// A duration that is longer than all of time reaches back to its beginning.
    pub(crate) fn at(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(at) => at,
            Self::Ago(duration) => {
                let duration = time::Duration::try_from(duration).unwrap_or(time::Duration::MAX);
                now.saturating_sub(duration)
            }
        }
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(at));
        }
        ago(text).map(Self::Ago).ok_or(InvalidMoment)
    }
}

/// A whole number and its unit.
fn ago(text: &str) -> Option<Duration> {
    let (_, seconds, number) = UNITS
        .into_iter()
        .find_map(|(unit, seconds)| Some((unit, seconds, text.strip_suffix(unit)?)))?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_in_rfc_3339_or_a_duration_ago() {
        let now = OffsetDateTime::from_unix_timestamp(10 * 86_400).unwrap();
        for (text, at) in [
            ("1970-01-01T01:00:07+01:00", 7),
            ("45s", 10 * 86_400 - 45),
            ("90m", 10 * 86_400 - 5_400),
            ("2h", 10 * 86_400 - 7_200),
            ("3d", 7 * 86_400),
            ("0d", 10 * 86_400),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.at(now).unix_timestamp(), at, "{text}");
        }
        let ages: Moment = "200000000000000d".parse().unwrap();
        assert!(ages.at(now) < now);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "h", "2", "2w", "-2h", "+2h", "2.5h", "2 h", "yesterday", "2026-11-25"] {
            assert_eq!(text.parse::<Moment>(), Err(InvalidMoment), "{text}");
        }
        assert_eq!(format!("{}d", u64::MAX).parse::<Moment>(), Err(InvalidMoment));
    }
}
