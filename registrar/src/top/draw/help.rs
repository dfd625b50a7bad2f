//! The help, over the view.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::Line,
    widgets::{Block, Clear, Paragraph, Wrap},
};

const HELP: [&str; 15] = [
    "q, Ctrl-C    quit",
    "Tab, ← →     next or previous view",
    "1 2 3 4      overview, queue, dead letters, payments",
    "↑ ↓, Space   scroll; Home to the top",
    "p            pause: nothing is read",
    "?            this help",
    "",
    "Sends: finished minutes are this stack's, from",
    "CloudWatch. The last two or three minutes are",
    "estimated from the SES account's count of 24 hours:",
    "other senders count too, and it is too low while",
    "emails of a day ago leave the count.",
    "",
    "A gap in a line: it could not be read.",
    "Times are UTC.",
];

/// With the frame.
const WIDTH: u16 = 56;
const HEIGHT: u16 = 17;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    let text = Paragraph::new(HELP.map(Line::from).to_vec()).wrap(Wrap { trim: false });
    // Where the lines are broken, it takes the whole area.
    let area = if area.width < WIDTH {
        area
    } else {
        area.centered(Constraint::Length(WIDTH), Constraint::Max(HEIGHT))
    };
    frame.render_widget(Clear, area);
    frame.render_widget(text.block(Block::bordered().title(" help ")), area);
}
