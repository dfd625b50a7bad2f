//! A list that scrolls, under lines that stay.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Paragraph,
};

use super::super::state::State;

/// Draws the lines of the list from `state.scroll` on.
pub(super) fn draw(
    state: &mut State,
    head: Vec<Line<'static>>,
    lines: Vec<Line<'static>>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let rows = [Constraint::Length(height), Constraint::Fill(1)];
    let [top, rest] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    state.limit_scroll(lines.len(), rest.height.into());
    let shown: Vec<_> = lines.into_iter().skip(state.scroll).take(rest.height.into()).collect();
    frame.render_widget(Paragraph::new(shown), rest);
}
