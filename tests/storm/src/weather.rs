//! How the provider fares: when it counts a request, what it replies, and how soon.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use crate::stand_in::Reply;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// When it is counted.
    pub counted_at: Duration,
    /// How long after that it is answered.
    pub answer_after: Duration,
    /// What is answered.
    pub reply: Reply,
}

/// What comes to pass, one request after another.
#[derive(Debug)]
pub enum Weather {
    /// Every request is counted as it comes and answered after this long.
    Calm(Duration),
    /// Everything goes wrong now and then.
    Rough(Rough),
}

/// Bad weather, the same for the same seed: spells that begin calm, turn slow and end in a stall.
/// Throttles, failures, rejections and silence may come at any time.
#[derive(Debug)]
pub struct Rough {
    /// For each request.
    random: Rng,
    /// For the spells, so that they do not depend on how many requests there are.
    seasons: Rng,
    spells: Vec<Spell>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Spell {
    /// When requests begin to be slow.
    slow_from: Duration,
    /// Nothing is counted in here, and all that came meanwhile is counted at once at the end. The
    /// next spell begins then.
    stall: Range<Duration>,
}

impl Weather {
    /// Always that latency.
    pub fn calm(latency: Duration) -> Self {
        Self::Calm(latency)
    }

    /// Slow requests, slow answers, silence, throttles, failures, rejections and stalls.
    pub fn rough(seed: u64) -> Self {
        let mut seasons = Rng::with_seed(seed);
        Self::Rough(Rough { random: seasons.fork(), seasons, spells: Vec::new() })
    }

    /// What happens to a request that comes now.
    pub fn treat(&mut self, now: Duration) -> Treatment {
        match self {
            Self::Calm(latency) => {
                Treatment { counted_at: now, answer_after: *latency, reply: Reply::Accept }
            }
            Self::Rough(rough) => rough.treat(now),
        }
    }
}

impl Rough {
    fn treat(&mut self, now: Duration) -> Treatment {
        let Spell { slow_from, stall } = self.spell(now);
        let is_slow = slow_from <= now && self.random.u8(0..3) == 0;
        let (until_counted, until_answered) = match (is_slow, self.random.bool()) {
            (true, true) => (100..900, 20..40),
            (true, false) => (0..30, 100..900),
            (false, _) => (0..30, 20..40),
        };
        let counted_at = now + milliseconds(&mut self.random, until_counted);
        let answer_after = match self.random.u32(0..500) {
            // Longer than the worker waits: it never knows.
            0 => Duration::from_secs(11),
            _ => milliseconds(&mut self.random, until_answered),
        };
        let reply = match self.random.u32(0..100) {
            0..2 => Reply::Throttle,
            2..15 => Reply::Fail,
            15 => Reply::Reject,
            _ => Reply::Accept,
        };
        let is_stalled = stall.contains(&counted_at);
        let counted_at = if is_stalled { stall.end } else { counted_at };
        Treatment { counted_at, answer_after, reply }
    }

    /// The spell of that time.
    fn spell(&mut self, now: Duration) -> Spell {
        loop {
            if let Some(spell) = self.spells.iter().find(|spell| now < spell.stall.end) {
                return spell.clone();
            }
            let began = self.spells.last().map_or(Duration::ZERO, |last| last.stall.end);
            let slow_from = began + milliseconds(&mut self.seasons, 2_000..5_000);
            let stalled_from = slow_from + milliseconds(&mut self.seasons, 0..1_500);
            let stalled_for = milliseconds(&mut self.seasons, 1_000..3_000);
            let stall = stalled_from..stalled_from + stalled_for;
            self.spells.push(Spell { slow_from, stall });
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
    fn a_stall_ends_for_all_at_once() {
        let Weather::Rough(mut rough) = Weather::rough(7) else { unreachable!("it is rough") };
        let Spell { stall, .. } = rough.spell(Duration::from_mins(1));
        for now in [stall.start, (stall.start + stall.end) / 2] {
            assert_eq!(rough.treat(now).counted_at, stall.end);
        }
        assert!(rough.spell(stall.end).slow_from > stall.end);
    }

    #[test]
    fn the_same_seed_is_the_same_weather() {
        let treatments = |seed| {
            let mut weather = Weather::rough(seed);
            (0..100).map(|n| weather.treat(Duration::from_millis(n * 100))).collect::<Vec<_>>()
        };
        assert_eq!(treatments(1), treatments(1));
        assert_ne!(treatments(1), treatments(2));
    }
}
