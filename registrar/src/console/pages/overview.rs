//! The first page: what is sent, what waits, what needs a person.

use askama::Template;
use time::OffsetDateTime;

use crate::{
    console::{
        chart::{Chart, Series},
        frame::{Frame, Notice},
        words::{count, encoded, number},
    },
    live::{History, Sends},
    sending::Sending,
    status::{
        concerns::concerns,
        facts::{Api, Facts},
    },
    text::{about, on_one_line, to_the_second},
};

/// The whole page.
#[derive(Template)]
#[template(path = "console/overview.html")]
pub(crate) struct Overview {
    pub(crate) frame: Frame,
    pub(crate) view: View,
}

/// The part of it that is updated.
#[derive(Template)]
#[template(path = "console/overview_live.html")]
pub(crate) struct OverviewLive {
    pub(crate) frame: Frame,
    pub(crate) view: View,
}

/// A figure with its name.
pub(crate) struct Tile {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) detail: String,
    /// Whether it needs attention.
    pub(crate) is_bad: bool,
}

pub(crate) struct Failed {
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) at: String,
}

pub(crate) struct View {
    pub(crate) at: String,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) charts: Vec<Chart>,
    /// `None` until the status was read.
    pub(crate) concerns: Option<Vec<String>>,
    pub(crate) failures: Vec<Failed>,
    pub(crate) notes: Vec<Notice>,
}

impl View {
    /// `status` is the last one that was read, with its notes.
    pub(crate) fn new(
        base: &str,
        history: &History,
        status: Option<&(Facts, Vec<String>)>,
        problem: Option<&Notice>,
        now: OffsetDateTime,
    ) -> Self {
        let facts = status.map(|(facts, _)| facts);
        let failed = history.latest().map(|reading| &reading.failures[..]).unwrap_or_default();
        let notes = failed.iter().chain(status.map(|(_, notes)| &notes[..]).unwrap_or_default());
        let mut texts: Vec<String> = notes.map(|note| on_one_line(note)).collect();
        texts.sort();
        texts.dedup();
        let notes = texts.into_iter().map(Notice::of_note);
        Self {
            at: to_the_second(now),
            tiles: tiles(history, facts, now),
            charts: charts(history, now),
            concerns: facts.map(concerns),
            failures: facts.map(|facts| failures(base, facts)).unwrap_or_default(),
            notes: problem.cloned().into_iter().chain(notes).collect(),
        }
    }
}

fn failures(base: &str, facts: &Facts) -> Vec<Failed> {
    let failures = facts.recent_failures.iter().map(|letter| Failed {
        href: format!("{base}letter/{}", encoded(&letter.id)),
        id: letter.id.clone(),
        code: letter.code.clone(),
        reason: letter.reason.clone(),
        at: letter.at.map_or_else(|| "–".to_owned(), to_the_second),
    });
    failures.collect()
}

fn charts(history: &History, now: OffsetDateTime) -> Vec<Chart> {
    let (backlog, sends, limit) =
        (history.backlog(), history.sends_per_minute(), history.limit_per_minute());
    vec![
        Chart::new(
            ("chart-backlog", "Backlog"),
            now,
            &[Series { name: "jobs waiting", class: "accent", points: &backlog, filled: true }],
        ),
        Chart::new(
            ("chart-sends", "Sends per minute against the limit"),
            now,
            &[
                Series { name: "sends per minute", class: "accent", points: &sends, filled: false },
                Series { name: "limit per minute", class: "limit", points: &limit, filled: false },
            ],
        ),
    ]
}

fn tiles(history: &History, facts: Option<&Facts>, now: OffsetDateTime) -> Vec<Tile> {
    let mut tiles = Vec::new();
    match history.sending() {
        Some((_, sending)) => {
            tiles.push(backlog(sending));
            tiles.push(sends(history, sending));
            tiles.push(drain(sending, now));
            tiles.push(holds(sending));
        }
        None => tiles.push(Tile {
            name: "Backlog",
            value: "–".to_owned(),
            detail: "not known yet".to_owned(),
            is_bad: false,
        }),
    }
    tiles.push(dead_letters(history));
    tiles.extend(facts.map(|facts| api(&facts.api)));
    tiles
}

fn backlog(sending: &Sending) -> Tile {
    let depth = sending.depth;
    Tile {
        name: "Backlog",
        value: count(depth.total()),
        detail: format!(
            "{} ready, {} with a worker or waiting for a retry",
            count(depth.visible),
            count(depth.hidden + depth.delayed)
        ),
        is_bad: false,
    }
}

fn sends(history: &History, sending: &Sending) -> Tile {
    let pace = sending.pace;
    let at_most = format!(
        "of {} at most: {} in any {} s",
        count(pace.per_minute()),
        pace.limit,
        pace.window.get().as_secs()
    );
    let (value, source) = match history.sends_now() {
        Some(Sends::Estimated(sends)) => (number(sends), ", by SES's count of the account"),
        Some(Sends::Measured(sends)) => (number(sends), ", in the last measured minute"),
        None => ("–".to_owned(), ""),
    };
    Tile { name: "Sends per minute", value, detail: at_most + source, is_bad: false }
}

fn drain(sending: &Sending, now: OffsetDateTime) -> Tile {
    let total = sending.depth.total();
    let duration = sending.pace.duration_of(total);
    let (value, detail) = if total == 0 {
        ("empty".to_owned(), "no job waits".to_owned())
    } else if sending.is_stopped() {
        (about(duration), "after sending resumes".to_owned())
    } else {
        let at = time::Duration::try_from(duration).ok().and_then(|take| now.checked_add(take));
        (about(duration), at.map_or_else(String::new, |at| format!("by {}", to_the_second(at))))
    };
    Tile { name: "Time to drain", value, detail, is_bad: false }
}

fn holds(sending: &Sending) -> Tile {
    let holds = &sending.holds;
    let (value, detail) = if let Some(hold) = &holds.operator {
        ("held", format!("by an operator: {}", on_one_line(&hold.reason)))
    } else if let Some(hold) = &holds.machine {
        ("held", format!("automatically: {}", hold.cause))
    } else if sending.is_off_without_a_hold() {
        ("off", "the event source was turned off by other means".to_owned())
    } else {
        ("on", "no hold is in force".to_owned())
    };
    Tile { name: "Sending", value: value.to_owned(), detail, is_bad: sending.is_stopped() }
}

fn dead_letters(history: &History) -> Tile {
    let (emails, events) = (history.dead_letters(), history.feedback_dead_letters());
    let text = |depth: Option<crate::sending::Depth>| {
        depth.map_or_else(|| "–".to_owned(), |depth| count(depth.total()))
    };
    let is_bad = [emails, events].into_iter().flatten().any(|depth| depth.total() > 0);
    let detail = format!("emails; {} delivery events", text(events));
    Tile { name: "Dead letters", value: text(emails), detail, is_bad }
}

fn api(api: &Api) -> Tile {
    let (value, detail, is_bad) = match api {
        Api::Responded { status, milliseconds } => {
            (status.to_string(), format!("in {milliseconds} ms"), *status >= 400)
        }
        Api::Silent { error } => ("silent".to_owned(), on_one_line(error), true),
    };
    Tile { name: "API", value, detail, is_bad }
}
