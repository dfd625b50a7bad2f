//! Shared by all checks: how a test world uses the pacer with or without one of the five rules.
//!
//! The pacer itself has no such switch. A rule is removed by passing the pacer wrong times, as a
//! careless caller could.

use std::time::Duration;

use send_pacer::{Attempt, Moment, Pacer, SendLimit, Share, Slack, Slots, Wait, Window};

const SPEEDS_UP: u8 = 6;
const NEW_PACER: u8 = 7;

/// The rules that a world keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    broken: Option<u8>,
}

impl Rules {
    pub(crate) const ALL: Self = Self { broken: None };

    pub(crate) fn without(rule: u8) -> Self {
        assert!((1..=5).contains(&rule));
        Self { broken: Some(rule) }
    }

    /// All five rules, until the limit is lowered: then the invocation goes faster.
    pub(crate) const SPEEDS_UP_WHEN_LOWERED: Self = Self { broken: Some(SPEEDS_UP) };

    /// All five rules, until the limit is lowered: then the invocation begins a new pacer, which knows
    /// neither the last start nor the outstanding attempts.
    pub(crate) const NEW_PACER_WHEN_LOWERED: Self = Self { broken: Some(NEW_PACER) };

    pub(crate) fn keeps(self, rule: u8) -> bool {
        self.broken != Some(rule)
    }
}

/// A share with times in nanoseconds.
pub(crate) fn share(limit: u32, window: u64, slots: u32, slack: u64) -> Share {
    Share::new(
        SendLimit::new(limit).unwrap(),
        Window::new(Duration::from_nanos(window)).unwrap(),
        Slots::new(slots).unwrap(),
        Slack::new(Duration::from_nanos(slack)).unwrap(),
    )
    .unwrap()
}

/// The share of a limit that is twice as high.
fn twice(share: Share) -> Share {
    let limit = u32::try_from(2 * share.total()).unwrap();
    Share::new(SendLimit::new(limit).unwrap(), share.window(), share.slots(), share.slack())
        .unwrap()
}

/// The pacer of one invocation, used with or without rules 1, 2 and 4. Rules 3 and 5 are about the
/// use of a permit, so each world implements them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Paced {
    pacer: Pacer,
    rules: Rules,
    /// Without rule 2: the time that is passed to the pacer. It stands at the due time of the last
    /// start, no matter how late the real start was. With rule 2: the origin, so that states with
    /// the same behaviour are equal.
    scheduled: Moment,
    /// For a new pacer: the start of the invocation. Otherwise the origin, as above.
    began: Moment,
}

/// An attempt. Without rule 2, it also has its real start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    attempt: Attempt,
    began: Moment,
}

impl Paced {
    /// Without rule 1, the invocation claims that it began an interval earlier.
    pub(crate) fn begin(share: Share, rules: Rules, now: Moment) -> Self {
        let earlier = Duration::from_nanos(now.as_nanos()).saturating_sub(share.interval());
        let began = if rules.keeps(1) { now } else { Moment::after_origin(earlier) };
        let scheduled = if rules.keeps(2) { Moment::ORIGIN } else { began };
        let pacer = Pacer::new(share, began);
        let needs_began = matches!(rules.broken, Some(SPEEDS_UP | NEW_PACER));
        let began = if needs_began { began } else { Moment::ORIGIN };
        Self { pacer, rules, scheduled, began }
    }

    /// The invocation learns of a lower limit, or does the opposite of what it should.
    pub(crate) fn slow_to(&mut self, slower: Share) {
        match self.rules.broken {
            Some(SPEEDS_UP) => self.pacer = Pacer::new(twice(self.pacer.share()), self.began),
            Some(NEW_PACER) => self.pacer = Pacer::new(slower, self.began),
            _ => {
                self.pacer.slow_to(slower);
            }
        }
    }

    pub(crate) fn ask(&mut self, now: Moment) -> Result<Permit, Wait> {
        let attempt = if self.rules.keeps(2) {
            self.pacer.start(now)?
        } else {
            self.start_as_scheduled(now)?
        };
        if !self.rules.keeps(4) {
            let started_at = attempt.started_at();
            self.pacer.end(attempt.clone(), started_at);
        }
        let began = if self.rules.keeps(2) { Moment::ORIGIN } else { now };
        Ok(Permit { attempt, began })
    }

    pub(crate) fn end(&mut self, permit: Permit, now: Moment) {
        let now = if self.rules.keeps(2) {
            now
        } else {
            permit.attempt.started_at().plus(now.since(permit.began))
        };
        self.pacer.end(permit.attempt, now);
    }

    /// Makes up for late starts: each start is reported at its due time.
    fn start_as_scheduled(&mut self, now: Moment) -> Result<Attempt, Wait> {
        loop {
            match self.pacer.start(self.scheduled) {
                Err(Wait::Until(due)) if due <= now => self.scheduled = due,
                decided => return decided,
            }
        }
    }
}
