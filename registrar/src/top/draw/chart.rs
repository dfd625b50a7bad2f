//! Lines over time.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Stylize},
    symbols::Marker,
    widgets::{Axis, Block, Chart, Dataset, GraphType},
};
use time::OffsetDateTime;

use crate::live::Point;

use super::scale;

/// The frame, the axis and its labels need three rows and nine columns.
pub(super) const MIN_HEIGHT: u16 = 6;
const MIN_WIDTH: u16 = 20;

/// Columns from one dot of a dotted line to the next, so that a line below it is seen between them.
const DOTTED: f64 = 4.0;

/// A line with its gaps.
pub(super) struct Series {
    points: Vec<Point>,
    drawing: Drawing,
}

/// Lines differ by more than their colour, for terminals without colours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawing {
    Solid,
    Dotted,
}

impl Series {
    pub(super) fn solid(points: Vec<Point>) -> Self {
        Self { points, drawing: Drawing::Solid }
    }

    pub(super) fn dotted(points: Vec<Point>) -> Self {
        Self { points, drawing: Drawing::Dotted }
    }

    /// The unbroken parts, in seconds before `now`.
    fn parts(&self, now: OffsetDateTime) -> Vec<Vec<(f64, f64)>> {
        let parts = self.points.split(|point| point.value.is_none());
        let seconds = |at: OffsetDateTime| (at - now).as_seconds_f64();
        let part = |points: &[Point]| {
            points.iter().filter_map(|point| Some((seconds(point.at), point.value?))).collect()
        };
        parts.filter(|part| !part.is_empty()).map(part).collect()
    }
}

/// Points on a line at every multiple of a step, and its first one if there is no other.
fn dots(line: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    let on_segment = |ends: &[(f64, f64)]| {
        let [(x1, y1), (x2, y2)] = *ends else { return Vec::new() };
        let multiples = std::iter::successors(Some((x1 / step).ceil() * step), |x| Some(x + step));
        let inside = multiples.take_while(|&x| x < x2);
        inside.map(|x| (x, y1 + (y2 - y1) * (x - x1) / (x2 - x1))).collect()
    };
    let mut dots: Vec<_> = line.windows(2).flat_map(on_segment).collect();
    if dots.is_empty() {
        dots.extend(line.first());
    }
    dots
}

/// Draws the series up to `now`, with the later ones on top. Without room, nothing.
pub(super) fn draw(
    title: &str,
    series: &[Series],
    now: OffsetDateTime,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        return;
    }
    let mut parts: Vec<_> = series
        .iter()
        .flat_map(|series| series.parts(now).into_iter().map(|part| (series.drawing, part)))
        .collect();
    let points = || parts.iter().flat_map(|(_, points)| points);
    let oldest = points().map(|(x, _)| -x).fold(0.0, f64::max);
    let span = scale::span(Duration::from_secs_f64(oldest));
    let top = scale::top(points().map(|(_, y)| *y).fold(0.0, f64::max));
    let step = span.as_secs_f64() * DOTTED / f64::from(area.width);
    for (_, line) in parts.iter_mut().filter(|(drawing, _)| *drawing == Drawing::Dotted) {
        *line = dots(line, step);
    }
    let datasets = parts.iter().map(|(drawing, points)| {
        let dataset = Dataset::default().data(points);
        match drawing {
            Drawing::Solid => {
                dataset.marker(Marker::Braille).graph_type(GraphType::Line).style(Color::Cyan)
            }
            Drawing::Dotted => {
                dataset.marker(Marker::Dot).graph_type(GraphType::Scatter).style(Color::Red)
            }
        }
    });
    let minutes = span.as_secs() / 60;
    let half = if minutes.is_multiple_of(2) {
        (minutes / 2).to_string()
    } else {
        format!("{}.5", minutes / 2)
    };
    let time = [format!("-{minutes} min"), format!("-{half}"), "now".to_owned()];
    let values = [scale::label(0.0), scale::label(top / 2.0), scale::label(top)];
    let chart = Chart::new(datasets.collect())
        .block(Block::bordered().title(format!(" {title} ")))
        .legend_position(None)
        .x_axis(Axis::default().bounds([-span.as_secs_f64(), 0.0]).labels(time).dim())
        .y_axis(Axis::default().bounds([0.0, top]).labels(values).dim());
    frame.render_widget(chart, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::at;

    #[test]
    fn gap_divides_a_line() {
        let value = |value| move |seconds| Point { at: at(seconds), value };
        let points =
            vec![value(Some(1.0))(0), value(None)(5), value(None)(10), value(Some(2.0))(15)];
        let parts = Series::solid(points).parts(at(20));
        assert_eq!(parts, [[(-20.0, 1.0)], [(-5.0, 2.0)]]);
    }

    #[test]
    fn dots_are_on_the_line_at_every_step_and_stay_where_they_are_as_time_passes() {
        let line = [(-10.0, 4.0), (-2.0, 4.0), (0.0, 8.0)];
        assert_eq!(dots(&line, 4.0), [(-8.0, 4.0), (-4.0, 4.0)]);
        assert_eq!(dots(&line, 1.0).last(), Some(&(-1.0, 6.0)));
        assert_eq!(dots(&[(-3.0, 5.0)], 4.0), [(-3.0, 5.0)], "a single point");
        assert_eq!(dots(&[], 4.0), []);
    }
}
