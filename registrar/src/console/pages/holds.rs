//! The holds in force, and the forms that start and end one.

use askama::Template;
use serde::Deserialize;

use crate::{
    console::frame::{Frame, Notice},
    sending::Sending,
    text::{on_one_line, on_or_off, to_the_second},
};

/// The form that starts a hold.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reason {
    pub(crate) reason: String,
}

#[derive(Template)]
#[template(path = "console/holds.html")]
pub(crate) struct Holds {
    frame: Frame,
    /// What a form has just done.
    said: Vec<String>,
    notices: Vec<Notice>,
    state: Option<State>,
}

struct State {
    holds: Vec<Held>,
    event_source: &'static str,
    is_stopped: bool,
}

struct Held {
    by: &'static str,
    since: String,
    why: String,
}

impl Holds {
    /// `said` is what a form has just done, or why it could not.
    pub(crate) fn new(
        frame: Frame,
        said: Option<Result<String, Notice>>,
        sending: Result<Sending, Notice>,
    ) -> Self {
        let mut notices = Vec::new();
        let said = said.and_then(|said| said.map_err(|notice| notices.push(notice)).ok());
        let said = said.unwrap_or_default().lines().map(on_one_line).collect();
        let state = sending.map_err(|notice| notices.push(notice)).ok();
        Self { frame, said, notices, state: state.as_ref().map(State::of) }
    }
}

impl State {
    fn of(sending: &Sending) -> Self {
        let operator = sending.holds.operator.as_ref().map(|hold| Held {
            by: "an operator",
            since: to_the_second(hold.since),
            why: on_one_line(&hold.reason),
        });
        let machine = sending.holds.machine.as_ref().map(|hold| Held {
            by: "automatic",
            since: to_the_second(hold.since),
            why: hold.cause.to_string(),
        });
        Self {
            holds: operator.into_iter().chain(machine).collect(),
            event_source: on_or_off(sending.event_source_on),
            is_stopped: sending.is_stopped(),
        }
    }
}
