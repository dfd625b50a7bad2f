//! A value over time, with gaps.

use std::time::Duration;

use time::OffsetDateTime;

/// Points that are further apart are not connected: the command was paused, or its computer asleep.
const MAX_STEP: Duration = Duration::from_secs(150);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: OffsetDateTime,
    /// `None` is a gap.
    pub(crate) value: Option<f64>,
}

impl Point {
    pub(super) fn new(at: OffsetDateTime, value: impl Into<Option<f64>>) -> Self {
        Self { at, value: value.into() }
    }
}

/// Adds a gap where points are too far apart. The points must be in order.
pub(super) fn with_gaps(points: impl IntoIterator<Item = Point>) -> Vec<Point> {
    let mut series: Vec<Point> = Vec::new();
    for point in points {
        if let Some(last) = series.last()
            && last.value.is_some()
            && point.at - last.at > MAX_STEP
        {
            let gap = Point::new(last.at + MAX_STEP, None);
            series.push(gap);
        }
        series.push(point);
    }
    series
}
