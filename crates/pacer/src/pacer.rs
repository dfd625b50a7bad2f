//! Rules 1, 2 and 4 as a pure state machine.

use std::{collections::VecDeque, time::Duration};

use crate::{Moment, Share};

/// Why nothing may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Not before this moment (rules 1, 2, and the second half of 4). Ask again then.
    Until(Moment),
    /// Not until an attempt ends, whenever that is (rule 4). Ask again when one has.
    ForAnEnd,
}

/// One attempt that has started, to be handed back to [`Pacer::end`] when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use = "an attempt that never ends holds up everything after it"]
pub struct Attempt {
    started_at: Moment,
}

impl Attempt {
    /// When it started, as the pacer recorded it.
    pub const fn started_at(&self) -> Moment {
        self.started_at
    }
}

/// The pace of one invocation.
///
/// It is told the time, and answers whether an attempt may start; it is told of each attempt's
/// start and end. A `now` that lies before one already seen counts as the latest seen, so a clock
/// that steps back or stands still makes the pacer later, never faster.
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
/// // Still outstanding after the slack: whatever is next waits for it.
/// assert_eq!(pacer.poll(first.plus(d)), Err(Wait::ForAnEnd));
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
    /// Nothing starts before this: `d` after the invocation's start, after the last start, and
    /// after the end of the last attempt that outlasted the slack.
    earliest: Moment,
    /// When each outstanding attempt started, oldest first.
    outstanding: VecDeque<Moment>,
}

impl Pacer {
    /// A pacer for an invocation that started at `invocation_start`.
    ///
    /// Make a new one for every invocation. A moment later than the invocation's real start is
    /// safe, an earlier one is not.
    pub fn new(share: Share, invocation_start: Moment) -> Self {
        Self {
            share,
            now: invocation_start,
            earliest: invocation_start.plus(share.interval()),
            outstanding: VecDeque::new(),
        }
    }

    /// Whether an attempt may start at `now`.
    pub fn poll(&mut self, now: Moment) -> Result<(), Wait> {
        self.now = self.now.max(now);
        if self.outstanding.front().is_some_and(|&oldest| self.outlasts_slack(oldest)) {
            return Err(Wait::ForAnEnd);
        }
        if self.now < self.earliest {
            return Err(Wait::Until(self.earliest));
        }
        Ok(())
    }

    /// Starts an attempt at `now`, if one may start.
    ///
    /// Call it before the attempt's first byte leaves: a start recorded too early is safe (the
    /// time until the byte leaves counts as the attempt's own), one recorded too late is not.
    pub fn start(&mut self, now: Moment) -> Result<Attempt, Wait> {
        self.poll(now)?;
        // From the real start, not from when it was due: lateness shifts the rest (rule 2).
        self.wait_an_interval();
        self.outstanding.push_back(self.now);
        Ok(Attempt { started_at: self.now })
    }

    /// Ends an attempt at `now`: it has arrived by now, or never will.
    ///
    /// An attempt that this pacer does not know, or that has already ended, changes nothing.
    pub fn end(&mut self, attempt: Attempt, now: Moment) {
        self.now = self.now.max(now);
        let Ok(place) = self.outstanding.binary_search(&attempt.started_at) else { return };
        self.outstanding.remove(place);
        if self.outlasts_slack(attempt.started_at) {
            self.wait_an_interval();
        }
    }

    /// How many attempts are outstanding: at most [`Share::most_outstanding`].
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The share it keeps.
    pub const fn share(&self) -> Share {
        self.share
    }

    fn outlasts_slack(&self, started_at: Moment) -> bool {
        self.now.since(started_at) > self.slack()
    }

    /// Never moves `earliest` back: it is at most an interval after some moment already seen.
    fn wait_an_interval(&mut self) {
        self.earliest = self.now.plus(self.share.interval());
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
    fn rule_1_waits_from_the_invocations_start() {
        let mut pacer = pacer(50);
        assert_eq!(pacer.start(ms(1000)), Err(Wait::Until(ms(1100))));
        assert_eq!(pacer.start(ms(1099)), Err(Wait::Until(ms(1100))));
        assert_eq!(pacer.start(ms(1100)).unwrap().started_at(), ms(1100));
    }

    #[test]
    fn rule_2_counts_from_the_real_start() {
        let mut pacer = pacer(50);
        let late = pacer.start(ms(1777)).unwrap();
        pacer.end(late, ms(1780));
        assert_eq!(pacer.start(ms(1800)), Err(Wait::Until(ms(1877))));
        assert!(pacer.start(ms(1877)).is_ok());
    }

    #[test]
    fn rule_4_holds_everything_once_the_slack_is_over() {
        let mut pacer = pacer(250);
        let slow = pacer.start(ms(1100)).unwrap();
        let quick = pacer.start(ms(1200)).unwrap();
        // Exactly D is not longer than D: a start at 1350 would still be allowed.
        pacer.end(quick, ms(1210));
        assert_eq!(pacer.poll(ms(1350)), Ok(()));
        assert_eq!(pacer.poll(ms(1351)), Err(Wait::ForAnEnd));
        assert_eq!(pacer.poll(ms(9000)), Err(Wait::ForAnEnd));
        pacer.end(slow, ms(9000));
        assert_eq!(pacer.start(ms(9000)), Err(Wait::Until(ms(9100))));
        assert!(pacer.start(ms(9100)).is_ok());
    }

    #[test]
    fn rule_4_counts_even_if_nobody_asked_meanwhile() {
        let mut pacer = pacer(50);
        let slow = pacer.start(ms(1100)).unwrap();
        pacer.end(slow, ms(1151));
        assert_eq!(pacer.poll(ms(1200)), Err(Wait::Until(ms(1251))));
    }

    #[test]
    fn an_attempt_within_the_slack_delays_nothing() {
        let mut pacer = pacer(50);
        let usual = pacer.start(ms(1100)).unwrap();
        pacer.end(usual, ms(1150));
        assert!(pacer.start(ms(1200)).is_ok());
    }

    #[test]
    fn the_youngest_slow_attempt_decides() {
        let mut pacer = pacer(250);
        let attempts = [1100, 1200, 1300].map(|at| pacer.start(ms(at)).unwrap());
        assert_eq!(pacer.outstanding(), 3);
        let [first, second, third] = attempts;
        pacer.end(third, ms(1500));
        pacer.end(first, ms(1600));
        assert_eq!(pacer.poll(ms(1700)), Err(Wait::ForAnEnd));
        pacer.end(second, ms(1700));
        assert_eq!(pacer.poll(ms(1700)), Err(Wait::Until(ms(1800))));
        assert_eq!(pacer.outstanding(), 0);
    }

    #[test]
    fn a_clock_that_steps_back_only_delays() {
        let mut pacer = pacer(50);
        let attempt = pacer.start(ms(1500)).unwrap();
        pacer.end(attempt, ms(1400));
        assert_eq!(pacer.poll(ms(1100)), Err(Wait::Until(ms(1600))));
        assert_eq!(pacer.poll(ms(1599)), Err(Wait::Until(ms(1600))));
        assert!(pacer.start(ms(1600)).is_ok());
    }

    #[test]
    fn an_attempt_ends_once() {
        let mut pacer = pacer(50);
        let attempt = pacer.start(ms(1100)).unwrap();
        pacer.end(attempt.clone(), ms(1110));
        pacer.end(attempt, ms(5000));
        assert_eq!(pacer.outstanding(), 0);
        assert_eq!(pacer.poll(ms(5000)), Ok(()));
    }
}
