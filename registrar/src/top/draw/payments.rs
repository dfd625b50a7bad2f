//! The fourth view: the enrollments that are not known to be finished, most of them payments. Those that need a
//! person are first.

use ratatui::{Frame, layout::Rect, style::Stylize, text::Line};
use time::OffsetDateTime;

use crate::{
    enrollments::{Listed, Unfinished},
    text::{on_one_line, to_the_minute, to_the_second},
};

use super::{super::state::State, list, warning};

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>, area: Rect) {
    let (mut head, mut lines) = (Vec::new(), Vec::new());
    match &state.payments.latest {
        None if state.payments.failure.is_none() => head.push(Line::from("reading…").dim()),
        None => head.push(Line::from("They could not be read.").dim()),
        Some((at, found)) => {
            head.push(summary(found, *at));
            head.push(Line::from(format!("read at {}", to_the_second(*at))).dim());
            let mut found: Vec<_> = found.enrollments.iter().collect();
            found.sort_by_key(|listed| (!listed.needs_a_person(), !listed.is_overdue(*at)));
            lines.extend(found.into_iter().flat_map(|listed| entry(listed, *at)));
        }
    }
    head.push(Line::default());
    list::draw(state, head, lines, frame, area);
}

fn summary(found: &Unfinished, now: OffsetDateTime) -> Line<'static> {
    let count =
        |is: &dyn Fn(&Listed) -> bool| found.enrollments.iter().filter(|listed| is(listed)).count();
    let stuck = count(&Listed::needs_a_person);
    let overdue = count(&|listed| !listed.needs_a_person() && listed.is_overdue(now));
    let least = if found.more { "at least " } else { "" };
    let text = format!(
        "{least}{} enrollments are not finished: {stuck} need a person, {overdue} overdue",
        found.enrollments.len()
    );
    if stuck > 0 { Line::styled(text, warning()) } else { Line::from(text) }
}

/// What is wrong first, then whose enrollment it is.
fn entry(listed: &Listed, now: OffsetDateTime) -> [Line<'static>; 2] {
    let when = |at: Option<_>| at.map_or("-".to_owned(), to_the_minute);
    let mut state = on_one_line(&listed.state);
    if let Some(why) = &listed.why {
        state = format!("{state}: {}", on_one_line(why));
    }
    let mut about = format!("  next attempt {}", when(listed.next_attempt_at));
    if listed.failures > 0 {
        about = format!("{about}, {} failed", listed.failures);
    }
    if listed.is_overdue(now) {
        about = match listed.overdue_since {
            Some(since) => format!("{about}, overdue since {}", to_the_minute(since)),
            None => format!("{about}, overdue"),
        };
    }
    let state = if listed.needs_a_person() { state.yellow().bold() } else { state.bold() };
    let (course, student) = (on_one_line(&listed.course_id), on_one_line(&listed.student_id));
    [
        Line::from_iter([state, about.into()]),
        Line::from(format!("  course {course}, student {student}")).dim(),
    ]
}
