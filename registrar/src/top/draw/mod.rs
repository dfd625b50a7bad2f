//! Draws the state. Nothing here reads a clock or calls AWS, so a state is always drawn the same.
//!
//! Texts of AWS and of students pass `text::on_one_line` first: an escape sequence must not reach the terminal.

mod chart;
mod facts;
mod help;
mod letters;
mod list;
mod overview;
mod payments;
mod queue;
mod scale;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Style, Stylize},
    text::{Line, Span},
    widgets::Paragraph,
};

use crate::text::{on_one_line, to_the_second};

use super::{message::Tab, state::State};

const KEYS: &str = "q quit  Tab 1-4 view  ↑↓ scroll  p pause  ? help";

/// Lines of failures that are shown at the same time.
const MAX_FAILURES: usize = 3;

/// With less, only a line that says so.
const MIN_WIDTH: u16 = 24;
const MIN_HEIGHT: u16 = 6;

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        let text = format!("registrar top needs {MIN_WIDTH}x{MIN_HEIGHT}");
        return frame.render_widget(text.as_str(), area);
    }
    let status = status(state);
    let height = u16::try_from(status.len()).unwrap_or(1);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(height),
    ];
    let [head, tabs, body, foot] = Layout::vertical(rows).areas(area);
    draw_head(state, frame, head);
    frame.render_widget(tab_line(state.tab, tabs.width), tabs);
    match state.tab {
        Tab::Overview => overview::draw(state, frame, body),
        Tab::Queue => queue::draw(state, frame, body),
        Tab::DeadLetters => letters::draw(state, frame, body),
        Tab::Payments => payments::draw(state, frame, body),
    }
    frame.render_widget(Paragraph::new(status), foot);
    if state.help {
        help::draw(frame, body);
    }
}

fn draw_head(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let title = format!("{} in {}", on_one_line(&state.stack), on_one_line(&state.region));
    let when = match state.history.latest() {
        _ if state.paused => "PAUSED, p resumes".to_owned(),
        None => "reading…".to_owned(),
        Some(reading) => {
            let (at, seconds) = (to_the_second(reading.at), state.interval.as_secs());
            if area.width < 70 { at } else { format!("{at}, every {seconds} s") }
        }
    };
    frame.render_widget(Line::from(title.bold()), area);
    frame.render_widget(Line::from(when).right_aligned(), area);
}

/// All titles, or on a narrow terminal only that of the selected one.
fn tab_line(selected: Tab, width: u16) -> Line<'static> {
    let full = |tab: Tab| format!(" {} {} ", tab.index() + 1, tab.title());
    let is_wide = Tab::ALL.map(|tab| full(tab).len()).iter().sum::<usize>() <= width.into();
    let spans = Tab::ALL.map(|tab| match tab == selected {
        true => Span::from(full(tab)).reversed(),
        false if is_wide => Span::from(full(tab)),
        false => Span::from(format!(" {} ", tab.index() + 1)),
    });
    Line::from_iter(spans)
}

/// What failed in the last reading and in the view that is shown; otherwise the keys.
fn status(state: &State) -> Vec<Line<'static>> {
    let detail = match state.tab {
        Tab::DeadLetters => state.letters.failure.as_ref(),
        Tab::Payments => state.payments.failure.as_ref(),
        Tab::Overview | Tab::Queue => None,
    };
    let reading = state.history.latest();
    let failures = reading.map(|reading| &*reading.failures).unwrap_or_default();
    let failures: Vec<_> = detail.into_iter().chain(failures).collect();
    if failures.is_empty() {
        return vec![Line::from(KEYS).dim()];
    }
    let more = failures.len().saturating_sub(MAX_FAILURES);
    let mut lines: Vec<_> = failures
        .into_iter()
        .take(MAX_FAILURES)
        .map(|failure| Line::styled(format!("! {}", on_one_line(failure)), warning()))
        .collect();
    if more > 0
        && let Some(last) = lines.last_mut()
    {
        last.push_span(format!(" (and {more} more)"));
    }
    lines
}

/// For what needs attention. The text says it too, for terminals and people without colours.
fn warning() -> Style {
    Style::new().yellow().bold()
}
