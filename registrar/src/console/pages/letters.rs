//! Dead letters: the list, one letter, and redriving or purging all that match a filter. The number of letters is
//! in the confirmation, and what was done with each is named afterwards.

use std::collections::BTreeMap;

use askama::Template;
use serde::Deserialize;

use crate::{
    console::{
        frame::{Frame, Notice},
        words::{encoded, letters},
    },
    dead_letters::{
        Action, Handled, HandledLetters, LetterDetails, ListedLetter, Selection, Which,
    },
    text::{on_lines, on_one_line, to_the_second},
};

/// Which letters, as a form or an address has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    pub(crate) id: String,
    pub(crate) code: String,
    /// Also emails that may then be sent a second time; only without an id and a code.
    pub(crate) even_if_sent: bool,
}

impl Filter {
    pub(crate) fn selection(&self) -> Selection {
        self.which().into()
    }

    fn which(&self) -> Which {
        match (self.id.trim(), self.code.trim()) {
            ("", "") if self.even_if_sent => Which::AllEvenIfSent,
            ("", "") => Which::All,
            ("", code) => Which::Reason(code.to_owned()),
            (id, _) => Which::Ids(vec![id.to_owned()]),
        }
    }

    /// The same filter in an address.
    fn query(&self) -> String {
        let even = if self.even_if_sent { "&even_if_sent=true" } else { "" };
        format!("id={}&code={}{even}", encoded(self.id.trim()), encoded(self.code.trim()))
    }

    fn words(&self) -> String {
        match self.which() {
            Which::Ids(ids) => format!("with the id {}", ids.join(", ")),
            Which::Reason(code) => format!("with the code {code}"),
            _ if self.even_if_sent => "of any code, also those that may have been sent".to_owned(),
            _ => "of any code".to_owned(),
        }
    }
}

/// The name of an action in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Redrive,
    Purge,
}

impl Verb {
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Redrive => Action::Redrive,
            Self::Purge => Action::Purge,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Purge => "purge",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Redrive => "Redrive",
            Self::Purge => "Purge",
        }
    }
}

/// The request for a confirmation.
///
/// Its fields are those of [`Filter`]: a flattened one could not read numbers from a form.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    pub(crate) action: Verb,
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) even_if_sent: bool,
}

impl Asked {
    pub(crate) fn filter(&self) -> Filter {
        let Self { id, code, even_if_sent, .. } = self.clone();
        Filter { id, code, even_if_sent }
    }
}

/// The confirmation: the filter again, and the number that the operator saw.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Confirmed {
    pub(crate) action: Verb,
    pub(crate) count: usize,
    #[serde(default)]
    id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    even_if_sent: bool,
}

impl Confirmed {
    pub(crate) fn filter(&self) -> Filter {
        let Self { id, code, even_if_sent, .. } = self.clone();
        Filter { id, code, even_if_sent }
    }
}

#[derive(Template)]
#[template(path = "console/letters.html")]
pub(crate) struct Letters {
    frame: Frame,
    filter: Filter,
    /// Every code, with the number of its letters.
    codes: Vec<(String, usize)>,
    total: String,
    rows: Vec<Row>,
    query: String,
    notices: Vec<Notice>,
}

struct Row {
    href: String,
    id: String,
    code: String,
    reason: String,
    attempts: String,
    at: String,
}

impl Letters {
    /// `all` is every letter, of any code.
    pub(crate) fn new(
        frame: Frame,
        filter: Filter,
        all: Result<Vec<ListedLetter>, Notice>,
    ) -> Self {
        let (all, notices) = match all {
            Ok(all) => (all, Vec::new()),
            Err(notice) => (Vec::new(), vec![notice]),
        };
        let mut codes = BTreeMap::new();
        for letter in &all {
            *codes.entry(letter.found.code.clone()).or_default() += 1;
        }
        let wanted = filter.code.trim();
        let shown = all.iter().filter(|letter| wanted.is_empty() || letter.found.code == wanted);
        let rows: Vec<Row> = shown.map(|letter| row(&frame.base, letter)).collect();
        Self {
            total: letters(rows.len()),
            query: filter.query(),
            codes: codes.into_iter().collect(),
            frame,
            filter,
            rows,
            notices,
        }
    }
}

fn row(base: &str, letter: &ListedLetter) -> Row {
    let found = &letter.found;
    Row {
        href: format!("{base}letter/{}", encoded(&found.id)),
        id: found.id.clone(),
        code: found.code.clone(),
        reason: found.reason.clone(),
        attempts: letter.attempts.map_or_else(|| "–".to_owned(), |attempts| attempts.to_string()),
        at: letter.kept_at.map_or_else(|| "–".to_owned(), to_the_second),
    }
}

#[derive(Template)]
#[template(path = "console/letter.html")]
pub(crate) struct Letter {
    frame: Frame,
    id: String,
    encoded: String,
    letters: Vec<Details>,
    notices: Vec<Notice>,
}

struct Details {
    message_id: String,
    code: String,
    reason: String,
    sections: Vec<Section>,
    body: String,
}

struct Section {
    title: &'static str,
    rows: Vec<(String, String)>,
}

impl Letter {
    pub(crate) fn new(frame: Frame, id: String, read: Result<Vec<LetterDetails>, Notice>) -> Self {
        let (letters, notices) = match read {
            Ok(letters) => (letters.into_iter().map(details).collect(), Vec::new()),
            Err(notice) => (Vec::new(), vec![notice]),
        };
        Self { encoded: encoded(&id), frame, id, letters, notices }
    }
}

fn details(letter: LetterDetails) -> Details {
    let section = |title, rows: BTreeMap<String, String>| Section {
        title,
        rows: rows.into_iter().map(|(name, value)| (name, on_one_line(&value))).collect(),
    };
    let mut sections = vec![
        section("Attributes of the letter", letter.attributes),
        section("On the queue", letter.queue),
    ];
    sections.extend(letter.ledger.map(|entry| section("In the ledger", entry)));
    sections.retain(|section| !section.rows.is_empty());
    Details {
        message_id: letter.message_id,
        code: on_one_line(&letter.code),
        reason: on_one_line(&letter.reason),
        sections,
        body: on_lines(&letter.body),
    }
}

#[derive(Template)]
#[template(path = "console/confirm.html")]
pub(crate) struct Confirm {
    frame: Frame,
    verb: Verb,
    filter: Filter,
    words: String,
    count: usize,
    letters: String,
    /// What would be left, with the reason.
    left: Vec<Handled>,
    /// What would be done with the others.
    changed: Vec<Handled>,
    notices: Vec<Notice>,
}

impl Confirm {
    pub(crate) fn new(frame: Frame, asked: Asked, preview: Result<Vec<Handled>, Notice>) -> Self {
        let (preview, notices) = match preview {
            Ok(preview) => (preview, Vec::new()),
            Err(notice) => (Vec::new(), vec![notice]),
        };
        let count = preview.len();
        let (left, changed) = preview.into_iter().partition(|handled| handled.left);
        Self {
            frame,
            verb: asked.action,
            words: asked.filter().words(),
            filter: asked.filter(),
            count,
            letters: letters(count),
            left,
            changed,
            notices,
        }
    }
}

#[derive(Template)]
#[template(path = "console/applied.html")]
pub(crate) struct AppliedPage {
    frame: Frame,
    verb: Verb,
    summary: String,
    left: Vec<Handled>,
    changed: Vec<Handled>,
    notices: Vec<Notice>,
}

impl AppliedPage {
    pub(crate) fn done(frame: Frame, verb: Verb, handled: HandledLetters) -> Self {
        let (left, changed): (Vec<_>, Vec<_>) =
            handled.letters.into_iter().partition(|handled| handled.left);
        let summary = format!("Done: {}. Left: {}.", letters(changed.len()), letters(left.len()));
        let notices = handled.failure.map(|text| Notice { title: "It ended early", text });
        Self { frame, verb, summary, left, changed, notices: notices.into_iter().collect() }
    }

    /// Nothing was changed.
    pub(crate) fn refused(frame: Frame, verb: Verb, notice: Notice) -> Self {
        Self {
            frame,
            verb,
            summary: "Nothing was changed.".to_owned(),
            left: Vec::new(),
            changed: Vec::new(),
            notices: vec![notice],
        }
    }
}

/// More letters match than were confirmed.
pub(crate) fn grown(confirmed: usize, now: usize) -> Notice {
    Notice {
        title: "The number has grown",
        text: format!(
            "you confirmed {}, and {} match now. Look at them, and confirm again.",
            letters(confirmed),
            letters(now)
        ),
    }
}
