//! The weather at the provider: when it counts a request, how it replies, and how soon.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

/// The provider's reply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The email is accepted.
    Accept,
    /// The provider's rate limit was exceeded; nothing was sent.
    Throttle,
    /// The provider was unavailable; nothing was sent.
    Fail,
    /// The email is accepted, and the response is an error all the same.
    AcceptAndFail,
    /// The provider refuses this email permanently; nothing was sent.
    Reject,
}

impl Reply {
    /// Whether an email was sent.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Accept | Self::AcceptAndFail)
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// When the provider counts it.
    pub counted_at: Duration,
    /// The time from the count to the response.
    pub response_after: Duration,
    /// The reply.
    pub reply: Reply,
}

/// Decides what happens to each request.
#[derive(Debug)]
pub enum Weather {
    /// Every request is counted when it arrives and accepted after this latency.
    Calm(Duration),
    /// Every fault occurs sometimes.
    Rough(Rough),
}

/// Rough weather, the same for the same seed. It has cycles: each begins calm, becomes slow, and ends in a stall.
/// Throttling, failures, rejections and silence may occur at any time.
#[derive(Debug)]
pub struct Rough {
    /// Draws for the requests.
    random: Rng,
    /// Draws for the cycles, which must not depend on the number of requests.
    cycle_random: Rng,
    cycles: Vec<Cycle>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cycle {
    /// When requests become slow.
    slow_from: Duration,
    /// The provider counts nothing during the stall. At its end it counts all requests of the stall at once, and
    /// the next cycle begins.
    stall: Range<Duration>,
}

impl Weather {
    /// The same latency for every request.
    pub fn calm(latency: Duration) -> Self {
        Self::Calm(latency)
    }

    /// Slow requests, slow responses, silence, throttling, failures, rejections and stalls.
    pub fn rough(seed: u64) -> Self {
        let mut cycle_random = Rng::with_seed(seed);
        let random = cycle_random.fork();
        Self::Rough(Rough { random, cycle_random, cycles: Vec::new() })
    }

    /// What happens to a request that is sent now.
    pub fn treat(&mut self, now: Duration) -> Treatment {
        match self {
            Self::Calm(latency) => {
                Treatment { counted_at: now, response_after: *latency, reply: Reply::Accept }
            }
            Self::Rough(rough) => rough.treat(now),
        }
    }
}

impl Rough {
    fn treat(&mut self, now: Duration) -> Treatment {
        let Cycle { slow_from, stall } = self.cycle_at(now);
        let is_slow = slow_from <= now && self.random.u8(0..3) == 0;
        let (until_counted, until_response) = match (is_slow, self.random.bool()) {
            (true, true) => (100..900, 20..40),
            (true, false) => (0..30, 100..900),
            (false, _) => (0..30, 20..40),
        };
        let counted_at = now + milliseconds(&mut self.random, until_counted);
        let response_after = match self.random.u32(0..500) {
            // Longer than the worker waits for a response.
            0 => Duration::from_secs(11),
            _ => milliseconds(&mut self.random, until_response),
        };
        let reply = match self.random.u32(0..100) {
            0..2 => Reply::Throttle,
            2..14 => Reply::Fail,
            14 => Reply::AcceptAndFail,
            15 => Reply::Reject,
            _ => Reply::Accept,
        };
        let is_stalled = stall.contains(&counted_at);
        let counted_at = if is_stalled { stall.end } else { counted_at };
        Treatment { counted_at, response_after, reply }
    }

    fn cycle_at(&mut self, now: Duration) -> Cycle {
        loop {
            if let Some(cycle) = self.cycles.iter().find(|cycle| now < cycle.stall.end) {
                return cycle.clone();
            }
            let began = self.cycles.last().map_or(Duration::ZERO, |last| last.stall.end);
            let slow_from = began + milliseconds(&mut self.cycle_random, 2_000..5_000);
            let stalled_from = slow_from + milliseconds(&mut self.cycle_random, 0..1_500);
            let stalled_for = milliseconds(&mut self.cycle_random, 1_000..3_000);
            let stall = stalled_from..stalled_from + stalled_for;
            self.cycles.push(Cycle { slow_from, stall });
        }
    }
}

fn milliseconds(random: &mut Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_during_a_stall_are_all_counted_at_its_end() {
        let Weather::Rough(mut rough) = Weather::rough(7) else {
            unreachable!("the weather is rough")
        };
        let Cycle { stall, .. } = rough.cycle_at(Duration::from_mins(1));
        for now in [stall.start, (stall.start + stall.end) / 2] {
            assert_eq!(rough.treat(now).counted_at, stall.end);
        }
        assert!(rough.cycle_at(stall.end).slow_from > stall.end);
    }

    #[test]
    fn same_seed_gives_the_same_weather() {
        let treatments = |seed| {
            let mut weather = Weather::rough(seed);
            (0..100).map(|n| weather.treat(Duration::from_millis(n * 100))).collect::<Vec<_>>()
        };
        assert_eq!(treatments(1), treatments(1));
        assert_ne!(treatments(1), treatments(2));
    }
}
