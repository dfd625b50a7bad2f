//! The usual limiters as in textbooks. They decide at the sender. Time is a number of microseconds,
//! and requests come in order.

use std::collections::VecDeque;

/// A limiter that decides one send after another.
pub(crate) trait Limiter {
    /// The earliest moment, not before `now`, at which the limiter permits a send.
    fn next(&self, now: u64) -> u64;
    /// Permits a send at a moment that `next` has returned.
    fn take(&mut self, at: u64);
}

/// Counts in windows on a fixed grid, as `INCR minute:17` does in Redis.
pub(crate) struct FixedWindow {
    limit: u64,
    window: u64,
    index: u64,
    count: u64,
}

impl FixedWindow {
    pub(crate) fn new(limit: u64, window: u64) -> Self {
        Self { limit, window, index: 0, count: 0 }
    }
}

impl Limiter for FixedWindow {
    fn next(&self, now: u64) -> u64 {
        let index = now / self.window;
        let is_full = index == self.index && self.count >= self.limit;
        if is_full { (index + 1) * self.window } else { now }
    }

    fn take(&mut self, at: u64) {
        let index = at / self.window;
        if index != self.index {
            (self.index, self.count) = (index, 0);
        }
        self.count += 1;
    }
}

/// Counts from the first send until one window later, as a Redis key that expires does.
pub(crate) struct ExpiringCounter {
    limit: u64,
    window: u64,
    expires: u64,
    count: u64,
}

impl ExpiringCounter {
    pub(crate) fn new(limit: u64, window: u64) -> Self {
        Self { limit, window, expires: 0, count: 0 }
    }
}

impl Limiter for ExpiringCounter {
    fn next(&self, now: u64) -> u64 {
        if now < self.expires && self.count >= self.limit { self.expires } else { now }
    }

    fn take(&mut self, at: u64) {
        if at >= self.expires {
            (self.expires, self.count) = (at + self.window, 0);
        }
        self.count += 1;
    }
}

/// Two counters on a fixed grid. The older one is weighted by the part that the last window covers.
pub(crate) struct SlidingCounter {
    limit: u64,
    window: u64,
    index: u64,
    count: u64,
    before: u64,
}

impl SlidingCounter {
    /// The step of the search in `next`.
    const STEP: u64 = 1000;

    pub(crate) fn new(limit: u64, window: u64) -> Self {
        Self { limit, window, index: 0, count: 0, before: 0 }
    }

    /// The counts of the window that contains `at`, and of the window before.
    fn counts(&self, at: u64) -> (u64, u64) {
        match at / self.window - self.index {
            0 => (self.count, self.before),
            1 => (0, self.count),
            _ => (0, 0),
        }
    }

    fn permits(&self, at: u64) -> bool {
        let (count, before) = self.counts(at);
        let covered = self.window - at % self.window;
        // In whole numbers: before * covered / window + count < limit.
        before * covered + count * self.window < self.limit * self.window
    }
}

impl Limiter for SlidingCounter {
    fn next(&self, now: u64) -> u64 {
        let mut at = now;
        while !self.permits(at) {
            at += Self::STEP;
        }
        at
    }

    fn take(&mut self, at: u64) {
        let (count, before) = self.counts(at);
        (self.index, self.count, self.before) = (at / self.window, count + 1, before);
    }
}

/// A token bucket in the form of the generic cell rate algorithm, which is equivalent. With a burst
/// of 1, sends are evenly spaced.
pub(crate) struct TokenBucket {
    interval: u64,
    tolerance: u64,
    /// When the bucket is full again.
    full_at: u64,
}

impl TokenBucket {
    pub(crate) fn new(limit: u64, window: u64, burst: u64) -> Self {
        let interval = window.div_ceil(limit);
        Self { interval, tolerance: interval * (burst - 1), full_at: 0 }
    }
}

impl Limiter for TokenBucket {
    fn next(&self, now: u64) -> u64 {
        now.max(self.full_at.saturating_sub(self.tolerance))
    }

    fn take(&mut self, at: u64) {
        self.full_at = self.full_at.max(at) + self.interval;
    }
}

/// Remembers every send of the last window.
pub(crate) struct ExactLog {
    limit: usize,
    window: u64,
    sends: VecDeque<u64>,
}

impl ExactLog {
    pub(crate) fn new(limit: usize, window: u64) -> Self {
        Self { limit, window, sends: VecDeque::with_capacity(limit) }
    }
}

impl Limiter for ExactLog {
    fn next(&self, now: u64) -> u64 {
        if self.sends.len() < self.limit {
            return now;
        }
        self.sends.front().map_or(now, |oldest| now.max(oldest + self.window))
    }

    fn take(&mut self, at: u64) {
        if self.sends.len() == self.limit {
            self.sends.pop_front();
        }
        self.sends.push_back(at);
    }
}
