//! The first view: sends against the limit, the backlog, and the figures of now and of the last hour.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Block, Paragraph},
};

use crate::live::History;

use super::{
    super::state::State,
    chart::{self, Series},
    facts::{self, Facts},
};

/// The width of the figures, beside the charts.
const PANEL_WIDTH: u16 = 37;

/// On a narrower terminal, the figures are above the charts.
const MIN_WIDTH_FOR_BOTH: u16 = 70;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let history = &state.history;
    if area.width >= MIN_WIDTH_FOR_BOTH {
        let columns = [Constraint::Fill(1), Constraint::Length(PANEL_WIDTH)];
        let [charts, panel] = Layout::horizontal(columns).areas(area);
        draw_charts(history, frame, charts);
        draw_panel(state, frame, panel);
    } else {
        let now = now(state, area.width);
        let rows = [Constraint::Max(height(&now)), Constraint::Fill(1)];
        let [panel, charts] = Layout::vertical(rows).areas(area);
        frame.render_widget(Paragraph::new(now), panel);
        draw_charts(history, frame, charts);
    }
}

fn draw_charts(history: &History, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 2 * chart::MIN_HEIGHT {
        return draw_sends(history, frame, area);
    }
    let rows = [Constraint::Fill(3), Constraint::Fill(2)];
    let [sends, backlog] = Layout::vertical(rows).areas(area);
    draw_sends(history, frame, sends);
    draw_backlog(history, frame, backlog);
}

fn draw_sends(history: &History, frame: &mut Frame<'_>, area: Rect) {
    let Some(latest) = history.latest() else { return };
    let limit = Series::dotted(history.limit_per_minute());
    let series = [Series::solid(history.sends_per_minute()), limit];
    chart::draw("sends per minute, limit dotted", &series, latest.at, frame, area);
}

/// The jobs on the queue.
pub(super) fn draw_backlog(history: &History, frame: &mut Frame<'_>, area: Rect) {
    let Some(latest) = history.latest() else { return };
    let series = [Series::solid(history.backlog())];
    chart::draw("backlog", &series, latest.at, frame, area);
}

fn draw_panel(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let now = now(state, area.width.saturating_sub(2));
    let rows = [Constraint::Length(height(&now).saturating_add(2)), Constraint::Fill(1)];
    let [top, rest] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(now).block(Block::bordered().title(" now ")), top);
    if rest.height > 2 {
        let last_hour = Paragraph::new(facts::last_hour(&state.history));
        frame.render_widget(last_hour.block(Block::bordered().title(" last hour ")), rest);
    }
}

fn now(state: &State, width: u16) -> Vec<Line<'static>> {
    let mut facts = Facts::new(width);
    facts.now(&state.history, state.slots);
    facts.into_lines()
}

fn height(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}
