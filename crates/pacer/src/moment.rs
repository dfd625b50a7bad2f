//! Time as the state machine sees it: a number that the caller reads from a clock.

use std::time::Duration;

/// A point in time on one monotonic clock: whole nanoseconds since an origin that the caller
/// chooses.
///
/// Do not mix moments of different clocks. Each pacer needs one clock. Different pacers may use
/// different clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The origin.
    pub const ORIGIN: Self = Self(0);

    /// The moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `elapsed` after the origin. It saturates after 584 years.
    pub fn after_origin(elapsed: Duration) -> Self {
        Self(nanos(elapsed))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since the origin.
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Time since `earlier`, or zero if `earlier` is later than this moment.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `duration` after this one. It saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_a_number_of_nanoseconds_that_saturates() {
        let second = Duration::from_secs(1);
        let moment = Moment::after_origin(second);
        assert_eq!((moment, moment.as_nanos()), (Moment::from_nanos(1_000_000_000), 1_000_000_000));
        assert_eq!(Moment::ORIGIN.plus(second), moment);
        assert_eq!((moment.since_origin(), moment.since(Moment::ORIGIN)), (second, second));
        assert_eq!(Moment::ORIGIN.since(moment), Duration::ZERO);
        for latest in [Moment::after_origin(Duration::MAX), moment.plus(Duration::MAX)] {
            assert_eq!(latest, Moment::from_nanos(u64::MAX));
        }
    }
}
