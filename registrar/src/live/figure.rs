//! What `CloudWatch` measures per minute.

use std::{collections::BTreeMap, time::Duration};

use time::OffsetDateTime;

/// How long after its end a minute is taken to be complete: metric filters and AWS's own metrics are usually
/// a minute late at most, and that is not promised.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_mins(2);

pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// A figure of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Students who were enrolled.
    Enrolled,
    /// HTTP requests to SES, so permits used.
    Attempts,
    /// Emails that SES accepted.
    Accepted,
    /// Jobs that ended without a send, because the recipient is suppressed.
    Suppressed,
    Delivered,
    Bounced,
    Complained,
    /// Emails that SES accepted and then discarded.
    Rejected,
    /// The effective limit per minute, where a worker ran.
    Limit,
    /// Jobs on the queue that are ready for a worker.
    Ready,
    /// Jobs with a worker, or hidden until their retry.
    Hidden,
    /// The most workers that ran at the same time.
    Workers,
}

impl Figure {
    pub(crate) const ALL: [Self; 12] = [
        Self::Enrolled,
        Self::Attempts,
        Self::Accepted,
        Self::Suppressed,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
        Self::Rejected,
        Self::Limit,
        Self::Ready,
        Self::Hidden,
        Self::Workers,
    ];

    /// Whether a minute without a value had none of it. Otherwise it is unknown.
    pub(super) fn is_count(self) -> bool {
        !matches!(self, Self::Limit | Self::Ready | Self::Hidden | Self::Workers)
    }
}

/// The values of one minute.
pub(crate) type Minute = BTreeMap<Figure, f64>;

/// By the minute's start.
pub(crate) type Minutes = BTreeMap<OffsetDateTime, Minute>;

/// A response of `CloudWatch`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// The first minute that was asked for.
    pub(crate) from: OffsetDateTime,
    /// The end of the last settled minute that was asked for.
    pub(crate) until: OffsetDateTime,
    /// Only settled minutes. A minute in which nothing was measured is missing.
    pub(crate) minutes: Minutes,
}

/// The start of the minute.
pub(super) fn start_of_minute(at: OffsetDateTime) -> OffsetDateTime {
    let start = at.unix_timestamp().div_euclid(60) * 60;
    OffsetDateTime::from_unix_timestamp(start).unwrap_or(at)
}

/// The end of the last minute that is settled.
pub(super) fn settled_until(now: OffsetDateTime) -> OffsetDateTime {
    start_of_minute(now - SETTLED_AFTER)
}
