//! When a letter was kept: the bounds of a selection.

use std::num::NonZeroUsize;

use time::OffsetDateTime;

use crate::moment::Moment;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Bounds {
    /// Only the letters that were kept at this time or later: RFC 3339, or a duration ago such as 90m, 2h or 3d
    ///
    /// SQS gives a letter that it moved itself (`too_many_receives`) the time at which its job was enqueued.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only the letters that were kept before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only so many letters, the oldest first
    ///
    /// SQS gives no order: the whole queue is received first. Letters that are hidden, because they were
    /// received elsewhere, are not included. A letter that a redrive leaves counts too.
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
}

impl Bounds {
    pub(crate) fn max(&self) -> Option<NonZeroUsize> {
        self.limit
    }

    pub(crate) fn period(&self, now: OffsetDateTime) -> Result<Period, EmptyPeriod> {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at(now));
        let period = Period { since: at(self.since), until: at(self.until) };
        match (period.since, period.until) {
            (Some(since), Some(until)) if since >= until => Err(EmptyPeriod),
            _ => Ok(period),
        }
    }
}

/// From `since`, included, to `until`, excluded. Without a bound, it is open on that side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) since: Option<OffsetDateTime>,
    pub(crate) until: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--since must be before --until")]
pub(crate) struct EmptyPeriod;

impl Period {
    /// A letter whose time is unknown is in no bounded period.
    pub(crate) fn includes(&self, at: Option<OffsetDateTime>) -> bool {
        let Some(at) = at else { return *self == Self::default() };
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn period_includes_its_start_and_not_its_end() {
        let period = Period { since: Some(at(10)), until: Some(at(20)) };
        for (seconds, included) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(period.includes(Some(at(seconds))), included, "{seconds}");
        }
        assert!(!period.includes(None));
        assert!(Period::default().includes(None));
        assert!(Period { since: Some(at(10)), until: None }.includes(Some(at(99))));
    }

    #[test]
    fn period_must_not_be_empty() {
        let bounds = |since: &str, until: &str| Bounds {
            since: Some(since.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            limit: None,
        };
        let now = at(100_000);
        let period = Period { since: Some(at(92_800)), until: Some(at(96_400)) };
        assert_eq!(bounds("2h", "1h").period(now), Ok(period));
        assert_eq!(bounds("1h", "2h").period(now), Err(EmptyPeriod));
        assert_eq!(bounds("1h", "1h").period(now), Err(EmptyPeriod));
    }
}
