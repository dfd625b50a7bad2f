//! What every check shares: the five rules as switches in how a test world uses the pacer.
//!
//! The pacer itself has no switches. A rule is taken away by lying to it, as a careless caller
//! would.

use std::time::Duration;

use send_pacer::{Attempt, Moment, Pacer, SendLimit, Share, Slack, Slots, Wait, Window};

/// Which of the five rules a world keeps.
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

    pub(crate) fn keeps(self, rule: u8) -> bool {
        self.broken != Some(rule)
    }
}

/// Whole nanoseconds, for worlds that count in them.
pub(crate) fn share(limit: u32, window: u64, slots: u32, slack: u64) -> Share {
    Share::new(
        SendLimit::new(limit).unwrap(),
        Window::new(Duration::from_nanos(window)).unwrap(),
        Slots::new(slots).unwrap(),
        Slack::new(Duration::from_nanos(slack)).unwrap(),
    )
    .unwrap()
}

/// The pacer of one invocation, used with or without rules 1, 2 and 4. Rules 3 and 5 are about what
/// happens with a permit, so they are the worlds' own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Paced {
    pacer: Pacer,
    rules: Rules,
    /// Without rule 2: the clock that the pacer is shown, which stands at the last start it
    /// scheduled, however late it was in fact. With it: the origin, so that states are equal which
    /// behave alike.
    scheduled: Moment,
}

/// An attempt, and, without rule 2, when it began by the clock that should have been shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    attempt: Attempt,
    began: Moment,
}

impl Paced {
    /// Without rule 1 the invocation claims to have begun an interval earlier.
    pub(crate) fn begin(share: Share, rules: Rules, now: Moment) -> Self {
        let earlier = Duration::from_nanos(now.as_nanos()).saturating_sub(share.interval());
        let began = if rules.keeps(1) { now } else { Moment::after_origin(earlier) };
        let scheduled = if rules.keeps(2) { Moment::ORIGIN } else { began };
        Self { pacer: Pacer::new(share, began), rules, scheduled }
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

    /// Uses up what was missed: each start is reported as of when it was due.
    fn start_as_scheduled(&mut self, now: Moment) -> Result<Attempt, Wait> {
        loop {
            match self.pacer.start(self.scheduled) {
                Err(Wait::Until(due)) if due <= now => self.scheduled = due,
                decided => return decided,
            }
        }
    }
}
