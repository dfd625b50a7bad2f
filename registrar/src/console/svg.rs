//! Charts over time, as the numbers of an SVG: scales, ticks and paths. The template has the markup.

use std::{fmt::Write, time::Duration};

/// The drawing's size, in its own units. CSS fits it to the page.
pub(super) const WIDTH: f64 = 480.0;
pub(super) const HEIGHT: f64 = 190.0;
/// The place of the axes' labels.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Lengths of the time axis.
const SPANS: [Duration; 5] = [
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(30),
    Duration::from_mins(60),
];
const TIME_TICKS: u32 = 4;

/// A vertical axis from 0 to a round number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    max: f64,
    step: f64,
}

impl Scale {
    /// The axis for values up to `value`. Its steps are 1, 2 or 5 times a power of ten, and at least 1.
    pub(super) fn up_to(value: f64) -> Self {
        let value = if value.is_finite() { value.max(1.0) } else { 1.0 };
        let power = 10_f64.powf((value / 4.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let enough = steps.into_iter().find(|step| step * 4.0 >= value);
        let step = enough.unwrap_or(10.0 * power).max(1.0);
        Self { max: (value / step).ceil() * step, step }
    }

    /// From 0 to the end of the axis.
    pub(super) fn ticks(self) -> Vec<f64> {
        let mut ticks = vec![0.0];
        while let Some(last) = ticks.last()
            && last + self.step / 2.0 < self.max
        {
            ticks.push(last + self.step);
        }
        ticks
    }

    /// The vertical position of a value, within the drawing also for values beyond the axis.
    pub(super) fn y(self, value: f64) -> f64 {
        let share = (value / self.max).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }
}

/// A horizontal axis that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeAxis {
    span: Duration,
}

impl TimeAxis {
    /// The shortest axis that has all of `history`, or the longest.
    pub(super) fn of(history: Duration) -> Self {
        let [.., longest] = SPANS;
        let span = SPANS.into_iter().find(|span| *span >= history).unwrap_or(longest);
        Self { span }
    }

    /// The horizontal position of a moment. `None` if it is before the axis begins.
    pub(super) fn x(self, ago: Duration) -> Option<f64> {
        if ago > self.span {
            return None;
        }
        let share = ago.as_secs_f64() / self.span.as_secs_f64();
        Some(WIDTH - RIGHT - share * (WIDTH - RIGHT - LEFT))
    }

    /// Positions with labels, the oldest first.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        let ticks = (0..=TIME_TICKS).rev().filter_map(|tick| {
            let ago = self.span * tick / TIME_TICKS;
            Some((self.x(ago)?, label(ago)))
        });
        ticks.collect()
    }
}

fn label(ago: Duration) -> String {
    match ago.as_secs() {
        0 => "now".to_owned(),
        seconds if seconds % 60 == 0 => format!("−{} min", seconds / 60),
        seconds if seconds < 120 => format!("−{seconds} s"),
        seconds => {
            let (minutes, tenths) = (seconds / 60, seconds % 60 / 6);
            format!("−{minutes}.{tenths} min")
        }
    }
}

/// A value at a moment. `None` if it could not be read: the line has a gap there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) ago: Duration,
    pub(super) value: Option<f64>,
}

/// The runs of points without a gap, as positions.
fn runs(points: &[Point], axis: TimeAxis, scale: Scale) -> Vec<Vec<(f64, f64)>> {
    let mut runs = vec![Vec::new()];
    for point in points {
        match (point.value, axis.x(point.ago)) {
            (Some(value), Some(x)) => {
                if let Some(run) = runs.last_mut() {
                    run.push((x, scale.y(value)));
                }
            }
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// The path of a line. A point alone is a dot.
pub(super) fn line(points: &[Point], axis: TimeAxis, scale: Scale) -> String {
    let mut path = String::new();
    for run in runs(points, axis, scale) {
        for (number, (x, y)) in run.iter().enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        if run.len() == 1 {
            path.push_str("h0.1");
        }
    }
    path
}

/// The path of the area below a line.
pub(super) fn area(points: &[Point], axis: TimeAxis, scale: Scale) -> String {
    let (mut path, base) = (String::new(), scale.y(0.0));
    for run in runs(points, axis, scale) {
        let [(first, _), .., (last, _)] = run[..] else { continue };
        let _ = write!(path, "M{first:.1} {base:.1}");
        for (x, y) in &run {
            let _ = write!(path, "L{x:.1} {y:.1}");
        }
        let _ = write!(path, "L{last:.1} {base:.1}Z");
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn axis_has_every_value_and_a_few_round_ticks(value in 0.0..1e9_f64) {
            let scale = Scale::up_to(value);
            prop_assert!(scale.max >= value);
            prop_assert!(scale.max <= (value * 2.5).max(4.0), "{scale:?} for {value}");
            let ticks = scale.ticks();
            prop_assert!((2..=6).contains(&ticks.len()), "{ticks:?}");
            prop_assert!((ticks[ticks.len() - 1] - scale.max).abs() < scale.max * 1e-9);
            prop_assert!(ticks.iter().all(|tick| tick.fract() == 0.0), "{ticks:?}");
        }

        #[test]
        fn higher_values_are_drawn_higher_and_nothing_is_drawn_outside(
            max in 0.0..1e6_f64, one in -1e7..1e7_f64, other in -1e7..1e7_f64, seconds in 0..10_000_u64,
        ) {
            let scale = Scale::up_to(max);
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(scale.y(high) <= scale.y(low));
            prop_assert!((TOP..=HEIGHT - BOTTOM).contains(&scale.y(one)));
            let axis = TimeAxis::of(Duration::from_secs(seconds));
            if let Some(x) = axis.x(Duration::from_secs(seconds)) {
                prop_assert!((LEFT..=WIDTH - RIGHT).contains(&x));
                let later = axis.x(Duration::from_secs(seconds / 2)).unwrap();
                prop_assert!(later >= x);
            } else {
                prop_assert!(seconds > 3_600);
            }
        }

        #[test]
        fn path_has_a_position_per_value_and_a_run_per_gap(
            values in prop::collection::vec(prop::option::of(0.0..100.0_f64), 0..50),
        ) {
            let count = values.len();
            let points: Vec<Point> = values
                .iter()
                .enumerate()
                .map(|(n, &value)| Point { ago: Duration::from_secs((count - n) as u64), value })
                .collect();
            let (axis, scale) = (TimeAxis::of(Duration::from_mins(1)), Scale::up_to(100.0));
            let path = line(&points, axis, scale);
            let read = values.iter().filter(|value| value.is_some()).count();
            let begins = values
                .iter()
                .enumerate()
                .filter(|&(n, value)| value.is_some() && (n == 0 || values[n - 1].is_none()))
                .count();
            prop_assert_eq!(path.matches(['M', 'L']).count(), read);
            prop_assert_eq!(path.matches('M').count(), begins);
            prop_assert!(!path.contains("NaN") && !path.contains("inf"));
        }
    }

    #[test]
    fn axes_have_labels_that_people_read() {
        let ticks = Scale::up_to(299.0).ticks();
        assert_eq!(ticks, [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(Scale::up_to(0.0).ticks(), [0.0, 1.0]);
        let labels = |seconds| {
            let ticks = TimeAxis::of(Duration::from_secs(seconds)).ticks();
            ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(90), ["−2 min", "−90 s", "−1 min", "−30 s", "now"]);
        assert_eq!(labels(3_599), ["−60 min", "−45 min", "−30 min", "−15 min", "now"]);
        assert_eq!(labels(301)[1], "−11.2 min");
    }

    #[test]
    fn area_is_closed_on_the_axis_and_a_lone_point_has_none() {
        let at = |seconds, value| Point { ago: Duration::from_secs(seconds), value };
        let (axis, scale) = (TimeAxis::of(Duration::from_mins(2)), Scale::up_to(4.0));
        let points = [at(90, Some(1.0)), at(60, None), at(30, Some(4.0)), at(0, Some(2.0))];
        let path = area(&points, axis, scale);
        assert_eq!((path.matches('M').count(), path.matches('Z').count()), (1, 1));
        assert!(path.ends_with("L472.0 166.0Z"), "{path}");
        assert!(line(&points, axis, scale).contains("h0.1"));
    }
}
