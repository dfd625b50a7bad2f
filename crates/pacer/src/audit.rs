//! Afterwards: did the sends of a log keep the limit, and how much of it did they use?
//!
//! Exact, not sampled: every half-open window counts, not only those that begin on a minute. A
//! record is a point (when a send arrived) or, where only the attempt's start and end are known, a
//! span of time in which it arrived. Spans are counted as if each had arrived at the moment worst
//! for the limit; the pacer keeps the limit even so.

use std::time::Duration;

use crate::{SendLimit, Window};

/// When one send arrived, in nanoseconds of a clock of the caller's choice: at some moment from
/// `start` to `end`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrival {
    start: i64,
    end: i64,
}

impl Arrival {
    /// An arrival at a moment that is known.
    pub const fn at(moment: i64) -> Self {
        Self { start: moment, end: moment }
    }

    /// An arrival at some moment from `start` to `end`; nothing if `end` lies before `start`.
    pub const fn between(start: i64, end: i64) -> Option<Self> {
        if end < start { None } else { Some(Self { start, end }) }
    }
}

/// The half-open window that can hold the most arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// How many it can hold.
    pub count: usize,
    /// Where it begins. It ends one window later, and that moment is no part of it.
    pub from: i64,
}

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Audit {
    /// How many arrivals there were.
    pub arrivals: usize,
    /// The earliest that any could have been.
    pub first: i64,
    /// The latest that any could have been.
    pub last: i64,
    /// The fullest window.
    pub worst: Worst,
    /// The limit and the window it was held against.
    limit: SendLimit,
    window: Window,
}

impl Audit {
    /// Audits arrivals, in any order; nothing if there are none.
    pub fn new(arrivals: &[Arrival], limit: SendLimit, window: Window) -> Option<Self> {
        let starts = sorted(arrivals.iter().map(|arrival| arrival.start));
        let ends = sorted(arrivals.iter().map(|arrival| arrival.end));
        let worst = fullest(&starts, &ends, window)?;
        let (first, last) = (*starts.first()?, *ends.last()?);
        Some(Self { arrivals: arrivals.len(), first, last, worst, limit, window })
    }

    /// Whether some window can hold more than the limit.
    pub fn is_violated(&self) -> bool {
        self.worst.count > usize::try_from(self.limit.get()).unwrap_or(usize::MAX)
    }

    /// The average rate as a share of the limit, from the first arrival to the last; nothing if
    /// they coincide. Idle times in between count as unused.
    pub fn use_of_limit(&self) -> Option<f64> {
        let span = Duration::from_nanos(self.first.abs_diff(self.last)).as_secs_f64();
        // One less than the arrivals: that is how many gaps they span.
        #[expect(clippy::cast_precision_loss, reason = "a share of that many is not exact anyway")]
        let gaps = self.arrivals.saturating_sub(1) as f64;
        let rate = f64::from(self.limit.get()) / self.window.get().as_secs_f64();
        (span > 0.0).then(|| gaps / span / rate)
    }
}

/// The fullest half-open window over `arrivals`, in any order; nothing if there are none.
pub fn worst_window(arrivals: &[Arrival], window: Window) -> Option<Worst> {
    let starts = sorted(arrivals.iter().map(|arrival| arrival.start));
    let ends = sorted(arrivals.iter().map(|arrival| arrival.end));
    fullest(&starts, &ends, window)
}

/// A window from `t` can hold whatever starts before `t + W` and does not end before `t`. As `t`
/// grows, that number falls only just after an end: so it is largest at an end, and going through
/// those in order, both ends of the window only ever move forward.
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
    fn the_end_of_a_window_is_no_part_of_it() {
        assert_eq!(worst_window(&at(&[0, 10]), window()).unwrap().count, 1);
        assert_eq!(worst_window(&at(&[0, 9]), window()).unwrap().count, 2);
    }

    #[test]
    fn the_worst_window_need_not_begin_with_the_first() {
        let worst = worst_window(&at(&[0, 21, 17, 12, 40]), window()).unwrap();
        assert_eq!(worst, Worst { count: 3, from: 12 * SECOND });
    }

    #[test]
    fn arrivals_at_the_same_moment_all_count() {
        assert_eq!(worst_window(&at(&[5, 5, 5]), window()).unwrap().count, 3);
    }

    #[test]
    fn a_span_counts_wherever_it_can_do_harm() {
        let spans = [
            Arrival::between(0, 5 * SECOND).unwrap(),
            // Not with the first: it would have to arrive before second 15.
            Arrival::between(15 * SECOND, 16 * SECOND).unwrap(),
        ];
        assert_eq!(worst_window(&spans, window()).unwrap().count, 1);
        let closer = [spans[0], Arrival::between(15 * SECOND - 1, 99 * SECOND).unwrap()];
        assert_eq!(worst_window(&closer, window()).unwrap(), Worst { count: 2, from: 5 * SECOND });
    }

    #[test]
    fn a_span_that_ends_before_it_starts_is_none() {
        assert_eq!(Arrival::between(1, 0), None);
    }

    #[test]
    fn nothing_has_no_worst_window() {
        assert_eq!(worst_window(&[], window()), None);
        assert_eq!(Audit::new(&[], SendLimit::new(1).unwrap(), window()), None);
    }

    #[test]
    fn the_whole_range_of_moments_is_covered() {
        let extremes = [Arrival::at(i64::MIN), Arrival::at(i64::MAX)];
        assert_eq!(worst_window(&extremes, window()).unwrap().count, 1);
    }

    #[test]
    fn use_is_the_average_rate() {
        let audit = Audit::new(&at(&[0, 10, 20]), SendLimit::new(2).unwrap(), window()).unwrap();
        assert_eq!(audit.use_of_limit(), Some(0.5));
        assert!(!audit.is_violated());
        let audit = Audit::new(&at(&[3, 3]), SendLimit::new(1).unwrap(), window()).unwrap();
        assert_eq!(audit.use_of_limit(), None);
        assert!(audit.is_violated());
    }
}
