//! The second view: the backlog, and what happened in each minute.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Stylize,
    text::Line,
};
use time::{OffsetDateTime, UtcOffset};

use crate::live::{Figure, History};

use super::{super::state::State, chart, facts::Facts, list, overview};

/// The columns, the most important first: a narrow terminal shows as many as fit.
const COLUMNS: [(&str, Figure); 9] = [
    ("ACCEPTED", Figure::Accepted),
    ("LIMIT", Figure::Limit),
    ("ENROLLED", Figure::Enrolled),
    ("READY", Figure::Ready),
    ("HIDDEN", Figure::Hidden),
    ("ATTEMPTS", Figure::Attempts),
    ("WORKERS", Figure::Workers),
    ("DELIVERED", Figure::Delivered),
    ("BOUNCED", Figure::Bounced),
];

const MINUTE_WIDTH: usize = 6;
const COLUMN_WIDTH: usize = 11;

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>, area: Rect) {
    let chart_height = if area.height >= 3 * chart::MIN_HEIGHT { area.height / 2 } else { 0 };
    let rows = [Constraint::Length(chart_height), Constraint::Fill(1)];
    let [top, rest] = Layout::vertical(rows).areas(area);
    overview::draw_backlog(&state.history, frame, top);
    let fitting = (usize::from(area.width) - MINUTE_WIDTH) / COLUMN_WIDTH;
    let columns = &COLUMNS[..fitting.min(COLUMNS.len())];
    let mut facts = Facts::new(area.width);
    facts.sends(&state.history);
    facts.step(&state.history, state.interval);
    if let Some((_, sending)) = state.history.sending() {
        facts.queue(sending);
        facts.holds(sending);
    }
    let mut head = facts.into_lines();
    let names = columns.iter().map(|(name, _)| format!("{name:>COLUMN_WIDTH$}"));
    head.push(
        Line::from(format!("{:<MINUTE_WIDTH$}", "MINUTE") + &names.collect::<String>()).dim(),
    );
    let minutes = minutes(&state.history, columns);
    list::draw(state, head, minutes, frame, rest);
}

/// The newest minute first.
fn minutes(history: &History, columns: &[(&str, Figure)]) -> Vec<Line<'static>> {
    let series: Vec<_> = columns.iter().map(|(_, figure)| history.series(*figure)).collect();
    let Some(first) = series.first() else { return Vec::new() };
    let rows = first.iter().enumerate().map(|(row, point)| {
        let values = series.iter().map(|series| series.get(row).and_then(|point| point.value));
        let values = values.map(|value| match value {
            Some(value) => format!("{value:>COLUMN_WIDTH$.0}"),
            None => format!("{:>COLUMN_WIDTH$}", "-"),
        });
        format!("{:<MINUTE_WIDTH$}", hour_and_minute(point.at)) + &values.collect::<String>()
    });
    rows.map(Line::from).rev().collect()
}

fn hour_and_minute(at: OffsetDateTime) -> String {
    let (hour, minute, _) = at.to_offset(UtcOffset::UTC).to_hms();
    format!("{hour:02}:{minute:02}")
}
