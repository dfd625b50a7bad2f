//! Readings for tests.

use std::time::Duration;

use email::hold::Holds;
use time::OffsetDateTime;

use crate::{
    account::Account,
    sending::{Depth, Pace, Sending},
};

use super::{
    figure::{Figure, MINUTE, Measured, Minute, Minutes},
    reading::Reading,
};

/// The start of a minute.
pub(crate) const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(crate) fn at(seconds: u64) -> OffsetDateTime {
    START + Duration::from_secs(seconds)
}

/// A stack that sends up to 300 emails per minute, with a backlog.
pub(crate) fn sending(backlog: u64) -> Sending {
    let pace = Pace::new(
        "300".parse().unwrap(),
        "60".parse().unwrap(),
        "250".parse().unwrap(),
        "2".parse().unwrap(),
        None,
    );
    let depth = Depth { visible: backlog, ..Depth::default() };
    Sending { holds: Holds::default(), event_source_on: true, depth, pace: pace.unwrap() }
}

pub(crate) fn account(sent_last_24_hours: f64) -> Account {
    Account {
        max_send_rate: Some(14.0),
        daily_quota: Some(50_000.0),
        sent_last_24_hours,
        is_in_sandbox: false,
        sending_enabled: true,
        is_shut_down: false,
    }
}

/// A reading without failures, in which `CloudWatch` was not asked.
pub(crate) fn reading(seconds: u64, sent_last_24_hours: f64, backlog: u64) -> Reading {
    Reading {
        sending: Some(sending(backlog)),
        account: Some(account(sent_last_24_hours)),
        dead_letters: Some(Depth::default()),
        feedback_dead_letters: Some(Depth::default()),
        ..Reading::empty(at(seconds))
    }
}

/// A response of `CloudWatch` for the minutes `from..until` since [`START`]. A minute without a figure is
/// left out.
pub(crate) fn measured(
    from: u32,
    until: u32,
    figures: impl Fn(u32) -> Vec<(Figure, f64)>,
) -> Measured {
    let start = |minute: u32| START + MINUTE * minute;
    let figures = |minute| figures(minute).into_iter().collect::<Minute>();
    let minutes = (from..until).map(|minute| (start(minute), figures(minute)));
    let minutes: Minutes = minutes.filter(|(_, figures)| !figures.is_empty()).collect();
    Measured { from: start(from), until: start(until), minutes }
}
