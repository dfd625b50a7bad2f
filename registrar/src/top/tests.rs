//! What is on the screen, from given readings.

mod docs;
mod screen;

use std::time::Duration;

use email::hold::{HoldCause, Holds, MachineHold, OperatorHold};
use ratatui::{Terminal, backend::TestBackend};
use tokio::sync::{mpsc, watch};

use crate::{
    dead_letters::FoundLetter,
    enrollments::{Listed, Unfinished},
    live::{
        Figure, Reading,
        testing::{at, measured, reading},
    },
    sending::Depth,
};

use super::{
    draw::draw,
    message::{Action, Detail, Input, Tab, Wanted},
    show::show,
    state::State,
};

fn state(readings: impl IntoIterator<Item = Reading>) -> State {
    let mut state = State::new("registrar", "eu-central-1", Duration::from_secs(5), 2);
    for reading in readings {
        state.apply(Input::Reading(Box::new(reading)));
    }
    state
}

fn on(tab: Tab, mut state: State) -> State {
    state.apply(Input::Action(Action::Select(tab)));
    state
}

fn rows(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(buffer.area.width.into());
    let row = |cells: &[ratatui::buffer::Cell]| {
        let row: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_owned() + "\n"
    };
    rows.map(row).collect()
}

fn drawn(mut state: State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(&mut state, frame)).unwrap();
    rows(&terminal)
}

fn assert_has(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
}

/// Twenty minutes in which a course opens: students enroll in the first ones, and the emails leave at the limit.
fn opening() -> Vec<Reading> {
    let mut first = reading(1_020, 2_136.0, 1_620);
    first.measured = Some(measured(0, 17, |minute| {
        let (enrolled, ready) = match minute {
            0..3 => (0.0, 0.0),
            3..7 => (1_200.0, 900.0 * f64::from(minute - 2)),
            _ => (0.0, 3_600.0 - 198.0 * f64::from(minute - 6)),
        };
        let sent = if minute < 3 { 0.0 } else { 290.0 };
        vec![
            (Figure::Enrolled, enrolled),
            (Figure::Attempts, sent + 2.0),
            (Figure::Accepted, sent),
            (Figure::Delivered, sent),
            (Figure::Suppressed, f64::from(minute % 3)),
            (Figure::Ready, ready),
            (Figure::Hidden, 10.0),
            (Figure::Limit, 299.0),
            (Figure::Workers, 2.0),
        ]
    }));
    let later = (1..=36).map(|n| {
        #[expect(clippy::cast_precision_loss)]
        let sent = 2_136.0 + (n * 24) as f64;
        reading(1_020 + n * 5, sent, 1_620 - n * 24)
    });
    [first].into_iter().chain(later).collect()
}

fn held(operator: bool) -> Reading {
    let mut reading = reading(5, 0.0, 600);
    let sending = reading.sending.as_mut().unwrap();
    sending.event_source_on = false;
    sending.holds = if operator {
        let reason = "moving the \u{1b}[2Jdomain".to_owned();
        Holds {
            operator: Some(OperatorHold { reason, since: at(0), until: None }),
            ..Holds::default()
        }
    } else {
        let machine = Some(MachineHold::new(HoldCause::AccountSuspended, at(0)));
        Holds { machine, ..Holds::default() }
    };
    reading
}

fn failed(seconds: u64, failures: &[&str]) -> Reading {
    let failures = failures.iter().map(|&failure| failure.to_owned()).collect();
    Reading { failures, ..Reading::empty(at(seconds)) }
}

fn letter(id: &str) -> FoundLetter {
    FoundLetter {
        id: id.to_owned(),
        code: "MessageRejected".to_owned(),
        reason: "refused\u{1b}[2J by SES".to_owned(),
        at: Some(at(60)),
    }
}

fn with_letters(number: usize) -> State {
    let mut reading = reading(5, 0.0, 0);
    reading.dead_letters = Some(Depth { visible: 12, ..Depth::default() });
    let letters = (0..number).map(|n| letter(&format!("job-{n}"))).collect();
    let mut state = state([reading]);
    state.apply(Input::Detail(Detail::Letters(at(4), Ok(letters))));
    on(Tab::DeadLetters, state)
}

fn enrollment(student: &str, state: &str) -> Listed {
    Listed {
        enrollment_id: None,
        resolution: None,
        student_id: student.to_owned(),
        course_id: "rust-101".to_owned(),
        state: state.to_owned(),
        why: None,
        failures: 0,
        overdue_since: None,
        next_attempt_at: Some(at(600)),
    }
}

fn with_payments() -> State {
    let stuck = Listed { why: Some("amount_differs".to_owned()), ..enrollment("s-2", "stuck") };
    let overdue =
        Listed { failures: 3, overdue_since: Some(at(0)), ..enrollment("s-3", "refunding") };
    let enrollments = vec![enrollment("s-1\u{1b}[2J", "payment_pending"), overdue, stuck];
    let found = Unfinished { enrollments, more: true };
    let mut state = state([reading(5, 0.0, 0)]);
    state.apply(Input::Detail(Detail::Payments(at(4), Ok(found))));
    on(Tab::Payments, state)
}
