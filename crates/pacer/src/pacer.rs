//! Rules 1, 2 and 4 as a pure state machine.

use std::{collections::VecDeque, time::Duration};

use crate::{Moment, Share};

/// Why nothing may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Not before this moment (rules 1 and 2, and the second half of rule 4). Ask again then.
    Until(Moment),
    /// Not before an outstanding attempt ends (rule 4). Ask again after any attempt has ended.
    ForAttemptEnd,
}

/// An attempt that has started. Pass it to [`Pacer::end`] when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use = "if an attempt never ends, no other attempt can start"]
pub struct Attempt {
    started_at: Moment,
}

impl Attempt {
    /// The start that the pacer recorded.
    pub const fn started_at(&self) -> Moment {
        self.started_at
    }
}

/// The pace of one invocation.
///
/// The caller passes the current time, and the pacer decides whether an attempt may start. The
/// caller reports the end of each attempt. If `now` is earlier than the latest time seen, the
/// latest time counts. So a clock that steps back or stands still delays sends, and never speeds
/// them up.
///
/// ```
/// # use send_pacer::{Moment, Pacer, SendLimit, Share, Slack, Slots, Wait, Window};
/// # use std::time::Duration;
/// # let share = Share::new(
/// #     SendLimit::new(300)?, Window::from_secs(60)?, Slots::new(2)?, Slack::from_millis(250)?)?;
/// let d = share.interval();
/// let began = Moment::ORIGIN;
/// let mut pacer = Pacer::new(share, began);
/// let first = began.plus(d);
/// assert_eq!(pacer.start(began), Err(Wait::Until(first)));
///
/// let attempt = pacer.start(first).expect("d has passed");
/// // It is still outstanding after the slack: the next attempt must wait for its end.
/// assert_eq!(pacer.poll(first.plus(d)), Err(Wait::ForAttemptEnd));
///
/// let ended = first.plus(d + Duration::from_millis(1));
/// pacer.end(attempt, ended);
/// assert_eq!(pacer.poll(ended), Err(Wait::Until(ended.plus(d))));
/// # Ok::<(), send_pacer::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pacer {
    share: Share,
    /// The latest moment seen.
    now: Moment,
    /// The latest of the invocation's start, the last start, and the end of the last attempt that
    /// outlasted the slack. The next start is at least `d` after it.
    waits_since: Moment,
    /// The start of each outstanding attempt, oldest first.
    outstanding: VecDeque<Moment>,
}

impl Pacer {
    /// A pacer for an invocation that started at `invocation_start`.
    ///
    /// Make a new pacer for every invocation. A moment after the invocation's real start is safe, a
    /// moment before it is not.
    pub fn new(share: Share, invocation_start: Moment) -> Self {
        Self {
            share,
            now: invocation_start,
            waits_since: invocation_start,
            outstanding: VecDeque::new(),
        }
    }

    /// Returns `Ok` if an attempt may start at `now`.
    ///
    /// # Errors
    ///
    /// No attempt may start yet. [`Wait`] has the reason.
    pub fn poll(&mut self, now: Moment) -> Result<(), Wait> {
        self.now = self.now.max(now);
        if self.outstanding.front().is_some_and(|&oldest| self.outlasts_slack(oldest)) {
            return Err(Wait::ForAttemptEnd);
        }
        let earliest = self.waits_since.plus(self.share.interval());
        if self.now < earliest { Err(Wait::Until(earliest)) } else { Ok(()) }
    }

    /// Lowers the pace, and returns whether it did. From now on each start is at least the longer
    /// interval after the one before, also the next start.
    ///
    /// Nothing changes, and the result is `false`, unless the interval of `slower` is longer than the
    /// current one, and its slots and its slack are the same. So an invocation can only slow down: to
    /// raise a limit again, begin new invocations with the higher share.
    ///
    /// The sends that start after the call keep the lower limit, in the sum over all slots that have
    /// called it: no window of `slower` contains more of their arrivals than [`Share::total`]. Attempts
    /// that were outstanding at the call may arrive in addition, until they end. The higher limit is
    /// kept all the time.
    pub fn slow_to(&mut self, slower: Share) -> bool {
        let is_alike = slower.slots() == self.share.slots() && slower.slack() == self.share.slack();
        let slows = is_alike && slower.interval() > self.share.interval();
        if slows {
            self.share = slower;
        }
        slows
    }

    /// Starts an attempt at `now`, if one may start.
    ///
    /// Call it before the attempt's first byte leaves. A start that is recorded too early is safe:
    /// the time until the first byte counts as part of the attempt. A start that is recorded too
    /// late is not safe.
    ///
    /// # Errors
    ///
    /// As [`Pacer::poll`].
    pub fn start(&mut self, now: Moment) -> Result<Attempt, Wait> {
        self.poll(now)?;
        // From the real start, not from the due time: a late start delays the following ones (rule
        // 2).
        self.wait_an_interval();
        self.outstanding.push_back(self.now);
        Ok(Attempt { started_at: self.now })
    }

    /// Ends an attempt at `now`: the send has arrived by `now`, or never will.
    ///
    /// An unknown attempt, or one that has already ended, has no effect.
    pub fn end(&mut self, attempt: Attempt, now: Moment) {
        self.now = self.now.max(now);
        let Ok(place) = self.outstanding.binary_search(&attempt.started_at) else { return };
        self.outstanding.remove(place);
        if self.outlasts_slack(attempt.started_at) {
            self.wait_an_interval();
        }
    }

    /// The number of outstanding attempts: at most [`Share::max_outstanding`].
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The share that this pacer keeps: that of its start, or the last one that it slowed to.
    pub const fn share(&self) -> Share {
        self.share
    }

    fn outlasts_slack(&self, started_at: Moment) -> bool {
        self.now.since(started_at) > self.slack()
    }

    const fn wait_an_interval(&mut self) {
        self.waits_since = self.now;
    }

    const fn slack(&self) -> Duration {
        self.share.slack().get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SendLimit, Slack, Slots, Window};

    fn ms(milliseconds: u64) -> Moment {
        Moment::from_nanos(milliseconds * 1_000_000)
    }

    /// d = 100 ms, D = `slack` ms.
    fn pacer(slack: u32) -> Pacer {
        let share = Share::new(
            SendLimit::new(10).unwrap(),
            Window::new(Duration::from_millis(1000 - u64::from(slack))).unwrap(),
            Slots::new(1).unwrap(),
            Slack::from_millis(slack).unwrap(),
        )
        .unwrap();
        assert_eq!(share.interval(), Duration::from_millis(100));
        Pacer::new(share, ms(1000))
    }

    #[test]
    fn rule_1_first_start_is_an_interval_after_the_invocations_start() {
        let mut pacer = pacer(50);
        assert_eq!(pacer.start(ms(1000)), Err(Wait::Until(ms(1100))));
        assert_eq!(pacer.start(ms(1099)), Err(Wait::Until(ms(1100))));
        assert_eq!(pacer.start(ms(1100)).unwrap().started_at(), ms(1100));
    }

    #[test]
    fn rule_2_interval_counts_from_the_real_start() {
        let mut pacer = pacer(50);
        let late = pacer.start(ms(1777)).unwrap();
        pacer.end(late, ms(1780));
        assert_eq!(pacer.start(ms(1800)), Err(Wait::Until(ms(1877))));
        assert!(pacer.start(ms(1877)).is_ok());
    }

    #[test]
    fn rule_4_attempt_that_outlasts_the_slack_delays_all_starts_until_after_its_end() {
        let mut pacer = pacer(250);
        let slow = pacer.start(ms(1100)).unwrap();
        let quick = pacer.start(ms(1200)).unwrap();
        // Exactly D is not longer than D: a start at 1350 is still allowed.
        pacer.end(quick, ms(1210));
        assert_eq!(pacer.poll(ms(1350)), Ok(()));
        assert_eq!(pacer.poll(ms(1351)), Err(Wait::ForAttemptEnd));
        assert_eq!(pacer.poll(ms(9000)), Err(Wait::ForAttemptEnd));
        pacer.end(slow, ms(9000));
        assert_eq!(pacer.start(ms(9000)), Err(Wait::Until(ms(9100))));
        assert!(pacer.start(ms(9100)).is_ok());
    }

    #[test]
    fn rule_4_applies_without_a_poll_during_the_slow_attempt() {
        let mut pacer = pacer(50);
        let slow = pacer.start(ms(1100)).unwrap();
        pacer.end(slow, ms(1151));
        assert_eq!(pacer.poll(ms(1200)), Err(Wait::Until(ms(1251))));
    }

    #[test]
    fn attempt_within_the_slack_delays_no_start() {
        let mut pacer = pacer(50);
        let usual = pacer.start(ms(1100)).unwrap();
        pacer.end(usual, ms(1150));
        assert!(pacer.start(ms(1200)).is_ok());
    }

    #[test]
    fn last_slow_attempt_to_end_decides_the_next_start() {
        let mut pacer = pacer(250);
        let attempts = [1100, 1200, 1300].map(|at| pacer.start(ms(at)).unwrap());
        assert_eq!(pacer.outstanding(), 3);
        let [first, second, third] = attempts;
        pacer.end(third, ms(1500));
        pacer.end(first, ms(1600));
        assert_eq!(pacer.poll(ms(1700)), Err(Wait::ForAttemptEnd));
        pacer.end(second, ms(1700));
        assert_eq!(pacer.poll(ms(1700)), Err(Wait::Until(ms(1800))));
        assert_eq!(pacer.outstanding(), 0);
    }

    #[test]
    fn clock_that_steps_back_only_delays_starts() {
        let mut pacer = pacer(50);
        let attempt = pacer.start(ms(1500)).unwrap();
        pacer.end(attempt, ms(1400));
        assert_eq!(pacer.poll(ms(1100)), Err(Wait::Until(ms(1600))));
        assert_eq!(pacer.poll(ms(1599)), Err(Wait::Until(ms(1600))));
        assert!(pacer.start(ms(1600)).is_ok());
    }

    /// As [`pacer`], with another limit or slack.
    fn share(limit: u32, slack: u32) -> Share {
        Share::new(
            SendLimit::new(limit).unwrap(),
            Window::new(Duration::from_millis(950)).unwrap(),
            Slots::new(1).unwrap(),
            Slack::from_millis(slack).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn lowered_pace_applies_from_the_next_start_on() {
        let mut pacer = pacer(50);
        assert!(pacer.slow_to(share(4, 50)), "d = 250 ms");
        assert_eq!(pacer.start(ms(1100)), Err(Wait::Until(ms(1250))), "before the first start");
        let first = pacer.start(ms(1250)).unwrap();
        pacer.end(first, ms(1260));
        assert!(pacer.slow_to(share(2, 50)), "d = 500 ms");
        assert_eq!(pacer.poll(ms(1500)), Err(Wait::Until(ms(1750))), "between two starts");
        let slow = pacer.start(ms(1750)).unwrap();
        pacer.end(slow, ms(1801));
        assert_eq!(pacer.poll(ms(1801)), Err(Wait::Until(ms(2301))), "after a slow attempt");
        assert_eq!(pacer.share(), share(2, 50));
    }

    #[test]
    fn pace_cannot_be_raised_and_only_the_limit_changes() {
        let mut pacer = pacer(50);
        assert!(pacer.slow_to(share(2, 50)));
        let slowed = pacer.clone();
        for other in [share(2, 50), share(4, 50), share(10, 50), share(1, 49), share(1, 51)] {
            assert!(!pacer.slow_to(other), "{other:?}");
            assert_eq!(pacer, slowed);
        }
        let slots = Slots::new(2).unwrap();
        let half = share(1, 50);
        let limit = SendLimit::new(2).unwrap();
        let other_slots = Share::new(limit, half.window(), slots, half.slack()).unwrap();
        assert!(!pacer.slow_to(other_slots));
        assert!(pacer.slow_to(half));
    }

    #[test]
    fn attempt_that_has_ended_cannot_end_again() {
        let mut pacer = pacer(50);
        let attempt = pacer.start(ms(1100)).unwrap();
        pacer.end(attempt.clone(), ms(1110));
        pacer.end(attempt, ms(5000));
        assert_eq!(pacer.outstanding(), 0);
        assert_eq!(pacer.poll(ms(5000)), Ok(()));
    }
}
