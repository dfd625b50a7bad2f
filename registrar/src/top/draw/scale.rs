//! The scales of a chart's axes.

use std::time::Duration;

use crate::live::SPAN;

/// The spans of time that a chart shows, the shortest that has all points.
const SPANS: [Duration; 4] =
    [Duration::from_mins(5), Duration::from_mins(15), Duration::from_mins(30), SPAN];

/// The minimum of an axis's top: three whole numbers as labels.
const MIN_TOP: f64 = 4.0;

/// The upper end of an axis from 0 that has four equal steps, each a round number.
pub(super) fn top(max: f64) -> f64 {
    // NaN and infinity are not measured, and would be an endless axis.
    let max = if max.is_finite() { max.max(MIN_TOP) } else { MIN_TOP };
    let step = max / 4.0;
    let magnitude = 10_f64.powf(step.log10().floor());
    let rounds = [1.0, 2.0, 2.5, 5.0, 10.0].map(|round| round * magnitude);
    let round = rounds.into_iter().find(|&round| round >= step * (1.0 - 1e-9));
    4.0 * round.unwrap_or(step)
}

/// A number in at most five characters.
pub(super) fn label(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    let Some((over, unit)) = units.into_iter().find(|(over, _)| value >= *over) else {
        return format!("{value:.0}");
    };
    let unit_size = if unit == "k" { 1e3 } else { over };
    let scaled = value / unit_size;
    if scaled >= 100.0 || (scaled - scaled.round()).abs() < 0.05 {
        format!("{scaled:.0}{unit}")
    } else {
        format!("{scaled:.1}{unit}")
    }
}

/// The span of a chart whose oldest point is this old.
pub(super) fn span(oldest: Duration) -> Duration {
    SPANS.into_iter().find(|span| *span >= oldest).unwrap_or(SPAN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axis_ends_at_a_round_number() {
        for (max, expected) in [
            (0.0, 4.0),
            (4.0, 4.0),
            (4.1, 8.0),
            (299.0, 400.0),
            (400.0, 400.0),
            (401.0, 800.0),
            (1_200.0, 2_000.0),
            (f64::NAN, 4.0),
            (f64::INFINITY, 4.0),
        ] {
            assert!((top(max) - expected).abs() < 1e-9, "{max}: {}", top(max));
        }
    }

    #[test]
    fn labels_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (2_500.0, "2500"),
            (10_000.0, "10k"),
            (12_500.0, "12.5k"),
            (250_000.0, "250k"),
            (1_500_000.0, "1.5M"),
        ] {
            assert_eq!(label(value), expected);
        }
    }

    #[test]
    fn span_has_all_points_and_is_an_hour_at_most() {
        for (minutes, expected) in [(0, 5), (5, 5), (6, 15), (31, 60), (600, 60)] {
            assert_eq!(span(Duration::from_mins(minutes)), Duration::from_mins(expected));
        }
    }

    proptest! {
        #[test]
        fn every_value_is_on_the_axis_and_uses_most_of_it(max in 0.0..1e12_f64) {
            let top = top(max);
            prop_assert!(top >= max * (1.0 - 1e-9) && top.is_finite());
            prop_assert!(top <= (max * 2.5).max(MIN_TOP), "{max} of {top}");
            prop_assert!(label(top).len() <= 5, "{}", label(top));
        }
    }
}
