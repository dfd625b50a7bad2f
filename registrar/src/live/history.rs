//! The readings of the last hour, and the series that follow from them.

use std::{collections::VecDeque, time::Duration};

use time::OffsetDateTime;

use crate::sending::{Depth, Sending};

use super::{
    figure::{Figure, MINUTE, Measured, Minute, Minutes, SETTLED_AFTER, start_of_minute},
    reading::Reading,
    series::{Point, with_gaps},
};

/// How far back a history reaches.
pub(crate) const SPAN: Duration = Duration::from_hours(1);

/// Readings that are kept: an hour of one per 2 s.
const MAX_READINGS: usize = 1_800;

/// The estimate is the average of this time: a reading counts whole emails, of which a small stack sends few
/// per reading.
const ESTIMATED_OVER: Duration = Duration::from_secs(30);

/// The sends per minute now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sends {
    /// Of the whole account, in the last half minute.
    Estimated(f64),
    /// Of this stack, in the last settled minute.
    Measured(f64),
}

impl Sends {
    pub(crate) fn per_minute(self) -> f64 {
        let (Self::Estimated(sends) | Self::Measured(sends)) = self;
        sends
    }
}

#[derive(Debug, Default)]
pub(crate) struct History {
    /// The oldest first.
    readings: VecDeque<Reading>,
    minutes: Minutes,
    /// The minutes that `CloudWatch` was asked for: from, until.
    measured: Option<(OffsetDateTime, OffsetDateTime)>,
}

impl History {
    /// `reading` is later than those before it.
    pub(crate) fn push(&mut self, mut reading: Reading) {
        if let Some(measured) = reading.measured.take() {
            self.measure(measured);
        }
        let oldest = reading.at - SPAN;
        self.readings.push_back(reading);
        let too_old = |reading: &Reading| reading.at < oldest;
        while self.readings.len() > MAX_READINGS || self.readings.front().is_some_and(too_old) {
            self.readings.pop_front();
        }
        self.minutes = self.minutes.split_off(&start_of_minute(oldest));
    }

    fn measure(&mut self, measured: Measured) {
        // A later response is the better one.
        self.minutes.retain(|&start, _| start < measured.from || start >= measured.until);
        self.minutes.extend(measured.minutes);
        self.measured = Some(match self.measured {
            // After a gap, which a failure of more than an hour makes, only the later part counts.
            Some((from, until)) if measured.from <= until => {
                (from.min(measured.from), until.max(measured.until))
            }
            _ => (measured.from, measured.until),
        });
    }

    /// The last reading, also if it failed.
    pub(crate) fn latest(&self) -> Option<&Reading> {
        self.readings.back()
    }

    /// The last known state of sending, and when it was read.
    pub(crate) fn sending(&self) -> Option<(OffsetDateTime, &Sending)> {
        self.last_known(|reading| reading.sending.as_ref())
    }

    /// The last known numbers of dead letters.
    pub(crate) fn dead_letters(&self) -> Option<Depth> {
        self.last_known(|reading| reading.dead_letters).map(|(_, depth)| depth)
    }

    /// The last known numbers of delivery events that could not be handled.
    pub(crate) fn feedback_dead_letters(&self) -> Option<Depth> {
        self.last_known(|reading| reading.feedback_dead_letters).map(|(_, depth)| depth)
    }

    fn last_known<'a, T>(
        &'a self,
        part: impl Fn(&'a Reading) -> Option<T>,
    ) -> Option<(OffsetDateTime, T)> {
        self.readings.iter().rev().find_map(|reading| Some((reading.at, part(reading)?)))
    }

    /// The account's emails since the reading before the last one.
    pub(crate) fn sent_since_previous(&self) -> Option<f64> {
        let (last, before) = (self.readings.back()?, self.readings.iter().rev().nth(1)?);
        last.sent_since(before)
    }

    pub(crate) fn sends_now(&self) -> Option<Sends> {
        let last = self.readings.len().checked_sub(1)?;
        if let Some(estimated) = self.estimate(last) {
            return Some(Sends::Estimated(estimated));
        }
        let (_, until) = self.measured?;
        let recent = self.readings[last].at - until < 2 * MINUTE + SETTLED_AFTER;
        self.figure(Figure::Accepted, until - MINUTE).filter(|_| recent).map(Sends::Measured)
    }

    /// Emails per minute that SES accepted: from `CloudWatch` per settled minute, otherwise estimated per
    /// reading.
    pub(crate) fn sends_per_minute(&self) -> Vec<Point> {
        let measured = |start| self.figure(Figure::Accepted, start);
        let settled = self.settled().filter(|&start| measured(start).is_some());
        let settled = settled.map(|start| Point::new(middle(start), measured(start)));
        let read = self.readings.iter().enumerate();
        let read = read.filter(|(_, reading)| measured(start_of_minute(reading.at)).is_none());
        let read = read.map(|(index, reading)| Point::new(reading.at, self.estimate(index)));
        let mut points: Vec<_> = settled.chain(read).collect();
        points.sort_by_key(|point| point.at);
        with_gaps(points)
    }

    /// Jobs on the queue.
    pub(crate) fn backlog(&self) -> Vec<Point> {
        let backlog = |reading: &Reading| Some(count(reading.sending.as_ref()?.depth.total()));
        let read = self.readings.iter().map(|reading| Point::new(reading.at, backlog(reading)));
        let before = self.before_readings(|start| {
            Some(self.figure(Figure::Ready, start)? + self.figure(Figure::Hidden, start)?)
        });
        with_gaps(before.into_iter().chain(read))
    }

    /// The limit per minute.
    pub(crate) fn limit_per_minute(&self) -> Vec<Point> {
        let limit = |reading: &Reading| Some(count(reading.sending.as_ref()?.pace.per_minute()));
        let read = self.readings.iter().map(|reading| Point::new(reading.at, limit(reading)));
        let before = self.before_readings(|start| self.figure(Figure::Limit, start));
        with_gaps(before.into_iter().chain(read))
    }

    /// A figure per settled minute.
    pub(crate) fn series(&self, figure: Figure) -> Vec<Point> {
        let point = |start| Point::new(middle(start), self.figure(figure, start));
        self.settled().map(point).collect()
    }

    /// The sum of a count over the settled minutes; `None` if there are none.
    pub(crate) fn total(&self, figure: Figure) -> Option<f64> {
        let values = self.settled().filter_map(|start| self.figure(figure, start));
        values.reduce(|sum, value| sum + value)
    }

    /// The settled minutes before the first reading.
    fn before_readings(&self, value: impl Fn(OffsetDateTime) -> Option<f64>) -> Vec<Point> {
        let Some(first) = self.readings.front() else { return Vec::new() };
        let starts = self.settled().filter(|&start| start + MINUTE <= first.at);
        starts.filter_map(|start| Some(Point::new(middle(start), Some(value(start)?)))).collect()
    }

    /// The starts of the minutes that `CloudWatch` was asked for.
    fn settled(&self) -> impl Iterator<Item = OffsetDateTime> + use<> {
        let oldest = self.readings.back().map(|reading| start_of_minute(reading.at - SPAN));
        let (from, until) = self.measured.unzip();
        let from = from.max(oldest);
        std::iter::successors(from, |&start| Some(start + MINUTE))
            .take_while(move |&start| until.is_some_and(|until| start < until))
    }

    /// Within the minutes that `CloudWatch` was asked for, a count that is missing is zero: without an event
    /// there is no value. But if there is no count at all, the metrics may not be published.
    fn figure(&self, figure: Figure, start: OffsetDateTime) -> Option<f64> {
        let value = self.minutes.get(&start).and_then(|minute| minute.get(&figure)).copied();
        value.or_else(|| {
            let (from, until) = self.measured?;
            let counted = |figures: &Minute| figures.keys().any(|f| f.is_count());
            let first = self.minutes.iter().find(|(_, figures)| counted(figures))?.0;
            let asked = from.max(*first) <= start && start < until;
            (figure.is_count() && asked).then_some(0.0)
        })
    }

    /// The account's emails per minute, up to a reading. A failed reading or a count that falls ends the time
    /// that it averages.
    fn estimate(&self, index: usize) -> Option<f64> {
        let last = self.readings.get(index)?;
        let (mut sent, mut first) = (0.0, last);
        for earlier in self.readings.iter().take(index).rev() {
            let Some(more) = first.sent_since(earlier) else { break };
            if last.at - earlier.at > ESTIMATED_OVER && first.at != last.at {
                break;
            }
            (sent, first) = (sent + more, earlier);
        }
        let over = (last.at - first.at).as_seconds_f64();
        (over > 0.0).then(|| sent / over * MINUTE.as_secs_f64())
    }
}

fn middle(start: OffsetDateTime) -> OffsetDateTime {
    start + MINUTE / 2
}

/// Far below 2^52.
#[expect(clippy::cast_precision_loss)]
fn count(number: u64) -> f64 {
    number as f64
}
