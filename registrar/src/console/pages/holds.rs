//! The holds in force, and the forms that start and end one.

use askama::Template;
use email::hold::OperatorHold;
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
    /// Whether a hold of all sending is in force.
    in_force: bool,
    event_source: &'static str,
    is_stopped: bool,
}

struct Held {
    what: String,
    since: String,
    until: String,
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
        let holds = &sending.holds;
        let until = |until: Option<_>| {
            until.map_or_else(|| "an operator ends it".to_owned(), to_the_second)
        };
        let by_operator = |what: String, hold: &OperatorHold| Held {
            what,
            since: to_the_second(hold.since),
            until: until(hold.until),
            why: on_one_line(&hold.reason),
        };
        let all = |hold| by_operator("all sending, by an operator".to_owned(), hold);
        let machine = holds.machine.as_ref().map(|hold| Held {
            what: "all sending, automatically".to_owned(),
            since: to_the_second(hold.since),
            until: "the cause is gone".to_owned(),
            why: hold.cause.to_string(),
        });
        let templates = holds.templates.iter().map(|(name, hold)| {
            by_operator(format!("jobs of {}, by an operator", on_one_line(name)), hold)
        });
        let lowered = holds.lowered.as_ref().map(|lowered| Held {
            what: format!("sends above {} in {} s", lowered.limit, lowered.window_seconds),
            since: to_the_second(lowered.since),
            until: until(lowered.until),
            why: on_one_line(&lowered.reason),
        });
        let operator = holds.operator.as_ref().map(all);
        Self {
            holds: operator.into_iter().chain(machine).chain(templates).chain(lowered).collect(),
            in_force: holds.in_force(),
            event_source: on_or_off(sending.event_source_on),
            is_stopped: sending.is_stopped(),
        }
    }
}
