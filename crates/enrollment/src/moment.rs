//! Points in time that people give.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a time of RFC 3339, such as 2027-01-31T09:00:00Z")]
pub struct InvalidMoment;

/// A point in time of the years 0 to 9999, in UTC. In JSON and in the tables it is a text of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(OffsetDateTime);

impl Moment {
    pub fn is_after(self, time: OffsetDateTime) -> bool {
        self.0 > time
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidMoment)?;
        // In UTC it may be in a year that RFC 3339 cannot write.
        let utc = parsed.checked_to_offset(UtcOffset::UTC).ok_or(InvalidMoment)?;
        (0..=9999).contains(&utc.year()).then_some(Self(utc)).ok_or(InvalidMoment)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_any_offset_is_kept_in_utc() {
        for (text, kept) in [
            ("2027-01-31T09:00:00Z", "2027-01-31T09:00:00Z"),
            ("2027-01-31T10:00:00+01:00", "2027-01-31T09:00:00Z"),
            ("2027-01-31T09:00:00.5Z", "2027-01-31T09:00:00.5Z"),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.to_string(), kept);
            assert_eq!(serde_json::from_value::<Moment>(kept.into()).unwrap(), moment);
        }
    }

    #[test]
    fn text_that_is_not_a_time_or_that_no_year_in_utc_can_write_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2027-01-31",
            "2027-01-31T09:00:00",
            "2027-02-30T09:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert_eq!(text.parse::<Moment>(), Err(InvalidMoment), "{text:?}");
        }
    }
}
