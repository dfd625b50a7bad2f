//! A chart and the numbers behind it, ready for the template.

use std::time::Duration;

use time::OffsetDateTime;

use crate::live;

use super::{
    svg::{self, HEIGHT, Point, Scale, TimeAxis, WIDTH},
    words::number,
};

/// Rows of the table behind a chart, one per minute.
const MAX_ROWS: u32 = 15;

/// A line of a chart.
pub(super) struct Series<'a> {
    pub(super) name: &'static str,
    /// The CSS class of its colour.
    pub(super) class: &'static str,
    pub(super) points: &'a [live::Point],
    /// Whether the area below it is filled.
    pub(super) filled: bool,
}

/// What the template draws.
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// The chart in a sentence, for a screen reader.
    pub(super) description: String,
    pub(super) size: (f64, f64),
    pub(super) y_ticks: Vec<(f64, String)>,
    pub(super) x_ticks: Vec<(f64, String)>,
    pub(super) lines: Vec<Line>,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) path: String,
    /// Empty if the area is not filled.
    pub(super) area: String,
}

/// A row of the numbers behind a chart.
pub(super) struct Row {
    pub(super) when: String,
    /// A value per line, or a dash.
    pub(super) values: Vec<String>,
}

impl Chart {
    pub(super) fn new(
        (id, title): (&'static str, &'static str),
        now: OffsetDateTime,
        all: &[Series<'_>],
    ) -> Self {
        let points: Vec<Vec<Point>> =
            all.iter().map(|series| relative(series.points, now)).collect();
        let history = points.iter().flatten().filter(|point| point.value.is_some());
        let axis = TimeAxis::of(history.map(|point| point.ago).max().unwrap_or_default());
        let shown = |point: &&Point| axis.x(point.ago).is_some();
        let values = points.iter().flatten().filter(shown).filter_map(|point| point.value);
        let scale = Scale::up_to(values.fold(0.0, f64::max));
        let lines = all.iter().zip(&points).map(|(series, points)| Line {
            name: series.name,
            class: series.class,
            path: svg::line(points, axis, scale),
            area: if series.filled { svg::area(points, axis, scale) } else { String::new() },
        });
        Self {
            id,
            title,
            description: describe(all, &points),
            size: (WIDTH, HEIGHT),
            y_ticks: scale.ticks().into_iter().map(|tick| (scale.y(tick), number(tick))).collect(),
            x_ticks: axis.ticks(),
            lines: lines.collect(),
            rows: rows(&points),
        }
    }
}

fn relative(points: &[live::Point], now: OffsetDateTime) -> Vec<Point> {
    let relative = points.iter().map(|point| Point {
        // A reading that was made while the page is rendered is made now.
        ago: Duration::try_from(now - point.at).unwrap_or_default(),
        value: point.value,
    });
    relative.collect()
}

fn describe(all: &[Series<'_>], points: &[Vec<Point>]) -> String {
    let parts = all.iter().zip(points).map(|(series, points)| {
        let values = || points.iter().filter_map(|point| point.value);
        match values().next_back() {
            None => format!("{}: not known yet", series.name),
            Some(last) => {
                let highest = values().fold(0.0, f64::max);
                format!("{}: {} now, {} at most", series.name, number(last), number(highest))
            }
        }
    });
    parts.collect::<Vec<_>>().join(". ") + "."
}

/// The last value of each minute, the latest minute first.
fn rows(points: &[Vec<Point>]) -> Vec<Row> {
    let rows = (0..MAX_ROWS).map(|minute| {
        let (from, until) =
            (Duration::from_mins(minute.into()), Duration::from_mins((minute + 1).into()));
        let value = |points: &Vec<Point>| {
            let within = points.iter().filter(|point| (from..until).contains(&point.ago));
            within.filter_map(|point| point.value).next_back()
        };
        let values: Vec<Option<f64>> = points.iter().map(value).collect();
        let is_known = values.iter().any(Option::is_some);
        let when = if minute == 0 { "now".to_owned() } else { format!("{minute} min ago") };
        let texts = values.into_iter().map(|value| value.map_or("–".to_owned(), number));
        is_known.then(|| Row { when, values: texts.collect() })
    });
    rows.flatten().collect()
}
