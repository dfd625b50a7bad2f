//! The third view: some dead letters, the last ones first, each with its reason.

use ratatui::{Frame, layout::Rect, style::Stylize, text::Line};

use crate::{
    dead_letters::FoundLetter,
    text::{on_one_line, to_the_minute, to_the_second},
};

use super::{super::state::State, list, warning};

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>, area: Rect) {
    let (mut head, mut lines) = (vec![number(state)], Vec::new());
    match &state.letters.latest {
        None if state.letters.failure.is_none() => head.push(Line::from("reading…").dim()),
        None => head.push(Line::from("With EmailOperatorPolicyArn, they can be received.").dim()),
        Some((at, letters)) => {
            let shown = format!("{} of them, received at {}", letters.len(), to_the_second(*at));
            head.push(Line::from(shown).dim());
            lines.extend(letters.iter().flat_map(entry));
        }
    }
    head.push(Line::default());
    list::draw(state, head, lines, frame, area);
}

fn number(state: &State) -> Line<'static> {
    let count = |depth: Option<_>| depth.map_or("?".to_owned(), |depth: u64| depth.to_string());
    let emails = state.history.dead_letters().map(crate::sending::Depth::total);
    let events = state.history.feedback_dead_letters().map(crate::sending::Depth::total);
    let text = format!(
        "{} dead emails, {} dead delivery events: `registrar dead-letters list` has all emails",
        count(emails),
        count(events)
    );
    if emails.max(events) > Some(0) { Line::styled(text, warning()) } else { Line::from(text) }
}

/// The reason first, then what is needed to look at the letter.
fn entry(letter: &FoundLetter) -> [Line<'static>; 2] {
    let at = letter.at.map_or("-".to_owned(), to_the_minute);
    let (code, reason) = (on_one_line(&letter.code), on_one_line(&letter.reason));
    [
        Line::from_iter([code.bold(), "  ".into(), reason.into()]),
        Line::from(format!("  {}  last attempt {at}", on_one_line(&letter.id))).dim(),
    ]
}
