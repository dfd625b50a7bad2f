//! Checks a log of sends: whether they kept the limit, and how much of it they used.
//!
//! The audit is exact, not sampled: it covers every half-open window, not only those that begin at
//! a full minute. A record is a moment (when a send arrived) or, if only the attempt's start and
//! end are known, the span of time in which it arrived. A span counts in every window that it
//! touches, as if the send had arrived at the worst moment. The pacer keeps the limit even then.

use std::time::Duration;

use crate::{SendLimit, Window};

/// The arrival of one send: some moment from `start` to `end`, both included, in nanoseconds of a
/// clock that the caller chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrival {
    start: i64,
    end: i64,
}

impl Arrival {
    /// An arrival at a known moment.
    pub const fn at(moment: i64) -> Self {
        Self { start: moment, end: moment }
    }

    /// An arrival at some moment from `start` to `end`. `None` if `end` is before `start`.
    pub const fn between(start: i64, end: i64) -> Option<Self> {
        if end < start { None } else { Some(Self { start, end }) }
    }
}

/// The half-open window that can contain the most arrivals; the earliest, if several can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// The number of arrivals that it can contain.
    pub count: usize,
    /// The start of the window, in nanoseconds. Its end, one window length later, is not part of
    /// it.
    pub from: i64,
}

/// The result of an audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Audit {
    /// The number of arrivals.
    pub arrivals: usize,
    /// The earliest possible moment of any arrival, in nanoseconds.
    pub first: i64,
    /// The latest possible moment of any arrival, in nanoseconds.
    pub last: i64,
    /// The fullest window.
    pub worst: Worst,
    limit: SendLimit,
    window: Window,
}

impl Audit {
    /// Audits arrivals, in any order. `None` if there are none.
    pub fn new(arrivals: &[Arrival], limit: SendLimit, window: Window) -> Option<Self> {
        let starts = sorted(arrivals.iter().map(|arrival| arrival.start));
        let ends = sorted(arrivals.iter().map(|arrival| arrival.end));
        let worst = fullest(&starts, &ends, window)?;
        let (first, last) = (*starts.first()?, *ends.last()?);
        Some(Self { arrivals: arrivals.len(), first, last, worst, limit, window })
    }

    /// Whether some window can contain more arrivals than the limit.
    pub fn is_violated(&self) -> bool {
        self.worst.count > usize::try_from(self.limit.get()).unwrap_or(usize::MAX)
    }

    /// The average rate from the first arrival to the last, as a fraction of the limit. Idle time
    /// in between counts as unused. `None` if the first and the last arrival coincide.
    pub fn use_of_limit(&self) -> Option<f64> {
        let span = Duration::from_nanos(self.first.abs_diff(self.last)).as_secs_f64();
        // `n` arrivals have `n - 1` gaps between them.
        #[expect(clippy::cast_precision_loss, reason = "a fraction of so many need not be exact")]
        let gaps = self.arrivals.saturating_sub(1) as f64;
        let rate = f64::from(self.limit.get()) / self.window.get().as_secs_f64();
        (span > 0.0).then(|| gaps / span / rate)
    }
}

/// The window that can contain the most of `arrivals`, which may be in any order. `None` if there
/// are none.
pub fn worst_window(arrivals: &[Arrival], window: Window) -> Option<Worst> {
    let starts = sorted(arrivals.iter().map(|arrival| arrival.start));
    let ends = sorted(arrivals.iter().map(|arrival| arrival.end));
    fullest(&starts, &ends, window)
}

/// A window that begins at `t` can contain every arrival that starts before `t + W` and does not
/// end before `t`. As `t` grows, that number only falls just after an end. So its maximum is at an
/// end, and if the ends are visited in order, both sides of the window only move forward.
fn fullest(starts: &[i64], ends: &[i64], window: Window) -> Option<Worst> {
    let length = i64::try_from(window.get().as_nanos()).unwrap_or(i64::MAX);
    let (mut started, mut ended) = (0, 0);
    let mut worst: Option<Worst> = None;
    for &from in ends {
        let until = from.saturating_add(length);
        started += starts[started..].iter().take_while(|&&start| start < until).count();
        ended += ends[ended..].iter().take_while(|&&end| end < from).count();
        let count = started - ended;
        if worst.is_none_or(|worst| count > worst.count) {
            worst = Some(Worst { count, from });
        }
    }
    worst
}

fn sorted(moments: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut moments: Vec<_> = moments.collect();
    moments.sort_unstable();
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn window() -> Window {
        Window::from_secs(10).unwrap()
    }

    fn at(seconds: &[i64]) -> Vec<Arrival> {
        seconds.iter().map(|second| Arrival::at(second * SECOND)).collect()
    }

    #[test]
    fn arrival_at_the_end_of_a_window_is_not_in_it() {
        assert_eq!(worst_window(&at(&[0, 10]), window()).unwrap().count, 1);
        assert_eq!(worst_window(&at(&[0, 9]), window()).unwrap().count, 2);
    }

    #[test]
    fn worst_window_can_begin_after_the_first_arrival() {
        let worst = worst_window(&at(&[0, 21, 17, 12, 40]), window()).unwrap();
        assert_eq!(worst, Worst { count: 3, from: 12 * SECOND });
    }

    #[test]
    fn earliest_of_equally_full_windows_is_the_worst() {
        let worst = worst_window(&at(&[0, 5, 100, 105]), window()).unwrap();
        assert_eq!(worst, Worst { count: 2, from: 0 });
    }

    #[test]
    fn arrivals_at_the_same_moment_are_all_counted() {
        assert_eq!(worst_window(&at(&[5, 5, 5]), window()).unwrap().count, 3);
    }

    #[test]
    fn span_counts_in_every_window_that_it_touches() {
        let spans = [
            Arrival::between(0, 5 * SECOND).unwrap(),
            // Not in one window with the first: it would have to arrive before second 15.
            Arrival::between(15 * SECOND, 16 * SECOND).unwrap(),
        ];
        assert_eq!(worst_window(&spans, window()).unwrap().count, 1);
        let closer = [spans[0], Arrival::between(15 * SECOND - 1, 99 * SECOND).unwrap()];
        assert_eq!(worst_window(&closer, window()).unwrap(), Worst { count: 2, from: 5 * SECOND });
    }

    #[test]
    fn span_that_ends_before_it_starts_is_rejected() {
        assert_eq!(Arrival::between(1, 0), None);
    }

    #[test]
    fn empty_log_has_no_worst_window() {
        assert_eq!(worst_window(&[], window()), None);
        assert_eq!(Audit::new(&[], SendLimit::new(1).unwrap(), window()), None);
    }

    #[test]
    fn extreme_moments_do_not_overflow() {
        let extremes = [Arrival::at(i64::MIN), Arrival::at(i64::MAX)];
        assert_eq!(worst_window(&extremes, window()).unwrap().count, 1);
    }

    #[test]
    fn window_with_exactly_the_limit_is_not_violated() {
        let audit =
            |limit| Audit::new(&at(&[0, 9]), SendLimit::new(limit).unwrap(), window()).unwrap();
        assert!(!audit(2).is_violated());
        assert!(audit(1).is_violated());
    }

    #[test]
    fn use_of_limit_is_the_average_rate() {
        let audit = Audit::new(&at(&[0, 10, 20]), SendLimit::new(2).unwrap(), window()).unwrap();
        assert_eq!(audit.use_of_limit(), Some(0.5));
        assert!(!audit.is_violated());
        let audit = Audit::new(&at(&[3, 3]), SendLimit::new(1).unwrap(), window()).unwrap();
        assert_eq!(audit.use_of_limit(), None);
        assert!(audit.is_violated());
    }
}
