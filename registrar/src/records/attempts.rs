//! The two log lines of an attempt, its start and its end, and its arrival.
//!
//! A worker that is killed during an attempt logs no end, and the email may have been sent. So a start
//! without an end is a send too, which may have arrived until the attempt's timeout.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
};

use pacer::audit::Arrival;

const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// A digest of a job's id. Two jobs are only mistaken for each other if their digests and the microsecond
/// of their starts are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Job(u64);

impl Job {
    pub(super) fn of(id: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(id);
        Self(hasher.finish())
    }
}

/// The end of an attempt, as far as a line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The line of an end: when it was, in microseconds since 1970.
    AtMicros(i64),
    /// The line of a start: the timeout in milliseconds.
    WithinMillis(i64),
}

/// One line about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    job: Option<Job>,
    started_at_us: i64,
    is_end: bool,
    arrival: Arrival,
}

impl Line {
    /// `Err` has the problem. A line without a job belongs to no other.
    pub(super) fn new(job: Option<Job>, started_at_us: i64, end: End) -> Result<Self, String> {
        let out_of_range = |name: &str| format!("{name} is out of range");
        let start = started_at_us.checked_mul(NANOS_PER_MICRO);
        let start = start.ok_or_else(|| out_of_range("started_at_us"))?;
        let end_nanos = match end {
            End::AtMicros(micros) => {
                micros.checked_mul(NANOS_PER_MICRO).ok_or_else(|| out_of_range("ended_at_us"))?
            }
            End::WithinMillis(millis) => millis
                .checked_mul(NANOS_PER_MILLI)
                .and_then(|timeout| start.checked_add(timeout))
                .ok_or_else(|| out_of_range("timeout_ms"))?,
        };
        let arrival = Arrival::between(start, end_nanos).ok_or("ends before it starts")?;
        Ok(Self { job, started_at_us, is_end: matches!(end, End::AtMicros(_)), arrival })
    }

    /// Whether both are the same line, of which one reading may lack the job.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let jobs = self.job.is_none() || other.job.is_none() || self.job == other.job;
        jobs && Self { job: other.job, ..*self } == *other
    }

    fn attempt(&self) -> Option<(Job, i64)> {
        self.job.map(|job| (job, self.started_at_us))
    }
}

/// The arrivals of the attempts of some lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) arrivals: Vec<Arrival>,
    /// How many of them have a start and no end.
    pub(super) unended: usize,
}

impl Attempts {
    /// Each end is an arrival, and takes the place of one start of the same attempt. Each other start is an
    /// arrival too. So the log of a worker that logs no starts is read as well.
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut ends: HashMap<(Job, i64), usize> = HashMap::new();
        if lines.iter().any(|line| !line.is_end) {
            for attempt in lines.iter().filter(|line| line.is_end).filter_map(Line::attempt) {
                *ends.entry(attempt).or_default() += 1;
            }
        }
        let mut attempts = Self { arrivals: Vec::with_capacity(lines.len()), unended: 0 };
        for line in lines {
            if !line.is_end {
                let ends = line.attempt().and_then(|attempt| ends.get_mut(&attempt));
                if let Some(left) = ends.filter(|left| **left > 0) {
                    *left -= 1;
                    continue;
                }
                attempts.unended += 1;
            }
            attempts.arrivals.push(line.arrival);
        }
        attempts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn start(job: &str, at: i64) -> Line {
        Line::new(Some(Job::of(job.as_bytes())), at, End::WithinMillis(10_000)).unwrap()
    }

    fn end(job: &str, at: i64, took: i64) -> Line {
        Line::new(Some(Job::of(job.as_bytes())), at, End::AtMicros(at + took)).unwrap()
    }

    fn of(lines: &[Line]) -> (Vec<Arrival>, usize) {
        let Attempts { arrivals, unended } = Attempts::of(lines);
        (arrivals, unended)
    }

    #[test]
    fn start_without_an_end_lasts_until_its_timeout() {
        let until = Arrival::between(1_000, 10_000_001_000).unwrap();
        assert_eq!(of(&[start("a", 1)]), (vec![until], 1));
        let ended = Arrival::between(1_000, 4_000).unwrap();
        assert_eq!(of(&[start("a", 1), end("a", 1, 3)]), (vec![ended], 0));
        assert_eq!(of(&[end("a", 1, 3), start("a", 1)]), (vec![ended], 0), "in any order");
    }

    #[test]
    fn end_of_another_job_or_another_attempt_does_not_end_it() {
        assert_eq!(of(&[start("a", 1), end("b", 1, 3)]).1, 1);
        assert_eq!(of(&[start("a", 1), end("a", 2, 3)]).1, 1);
        let unnamed = Line::new(None, 1, End::WithinMillis(1)).unwrap();
        assert_eq!(of(&[unnamed, Line::new(None, 1, End::AtMicros(2)).unwrap()]).1, 1);
        assert_eq!(of(&[start("a", 1), start("a", 1), end("a", 1, 3)]).1, 1, "one each");
    }

    #[test]
    fn times_that_do_not_fit_are_errors() {
        for (at, end, problem) in [
            (i64::MAX, End::AtMicros(1), "started_at_us is out of range"),
            (1, End::AtMicros(i64::MAX), "ended_at_us is out of range"),
            (1, End::WithinMillis(i64::MAX), "timeout_ms is out of range"),
            (i64::MAX / 1_000, End::WithinMillis(1_000_000), "timeout_ms is out of range"),
            (2, End::AtMicros(1), "ends before it starts"),
            (2, End::WithinMillis(-1), "ends before it starts"),
        ] {
            assert_eq!(Line::new(None, at, end).unwrap_err(), problem);
        }
    }

    proptest! {
        /// Whatever the order of the lines, whichever of them are missing: each attempt is counted once, at
        /// most until its timeout, and one that was killed is counted.
        #[test]
        fn each_attempt_of_which_a_line_is_left_is_counted_once(
            attempts in prop::collection::btree_set((0..4_u8, 0..50_i64), 0..40),
            fates in prop::collection::vec((0..10_000_000_i64, 0..4_u8), 40),
            seed in any::<prop::sample::Index>(),
        ) {
            let (mut lines, mut expected) = (Vec::new(), BTreeSet::new());
            for (&(job, at), &(took, fate)) in attempts.iter().zip(&fates) {
                let job = job.to_string();
                // Killed, logged by an earlier version, or complete.
                let ends_at = if fate == 0 { at * 1_000 + 10_000_000_000 } else { (at + took) * 1_000 };
                expected.insert((Arrival::between(at * 1_000, ends_at).unwrap(), job.clone()));
                if fate != 1 {
                    lines.push(start(&job, at));
                }
                if fate != 0 {
                    lines.push(end(&job, at, took));
                }
            }
            if !lines.is_empty() {
                let by = seed.index(lines.len());
                lines.rotate_left(by);
                if by % 2 == 1 {
                    lines.reverse();
                }
            }
            let killed = attempts.iter().zip(&fates).filter(|(_, (_, fate))| *fate == 0).count();
            let (mut arrivals, unended) = of(&lines);
            arrivals.sort_unstable();
            let mut expected: Vec<_> = expected.into_iter().map(|(arrival, _)| arrival).collect();
            expected.sort_unstable();
            prop_assert_eq!((arrivals, unended), (expected, killed));
        }
    }
}
