//! `registrar dead-letters list`: prints one line per letter.

use std::{cell::RefCell, collections::BTreeMap, io::Write};

use email::dead_letter::attribute;
use serde::Serialize;

use crate::{
    outcome::{Failure, Outcome},
    text::{letters, on_one_line, shortened, terminal_width, to_the_minute, without_addresses},
};

use super::{
    letter::Letter, output::Output, period::Bounds, queue::DeadLetterQueue, selection::Selection,
    sweep::Sweep,
};

/// In columns, also on a narrow terminal.
const MIN_REASON_WIDTH: usize = 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List only the letters with this error code
    #[arg(long, value_name = "CODE")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) bounds: Bounds,
    /// Print one JSON object per line, with full reasons, instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// A letter in a list. No field may contain an address.
#[derive(Debug, Serialize)]
struct ListedLetter {
    id: String,
    message_id: String,
    error_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    first_attempt_at: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    kept_at: Option<time::OffsetDateTime>,
    reason: String,
}

impl ListedLetter {
    fn new(letter: &Letter) -> Self {
        let plain = |text: &str| without_addresses(&on_one_line(text));
        Self {
            id: letter.id(),
            message_id: letter.message_id().to_owned(),
            error_code: plain(letter.error_code()),
            attempts: letter.attribute(attribute::ATTEMPTS).and_then(|text| text.parse().ok()),
            first_attempt_at: letter.time(attribute::FIRST_ATTEMPT_AT),
            last_attempt_at: letter.time(attribute::LAST_ATTEMPT_AT),
            kept_at: letter.kept_at(),
            reason: plain(letter.reason()),
        }
    }

    fn row(&self, width: usize) -> String {
        let when = |at: Option<_>| at.map_or("-".to_owned(), to_the_minute);
        let attempts = self.attempts.map_or("-".to_owned(), |attempts| attempts.to_string());
        let cells = [
            self.id.as_str(),
            &self.error_code,
            &attempts,
            &when(self.first_attempt_at),
            &when(self.kept_at),
        ];
        let row = columns(cells);
        let rest = width.saturating_sub(row.chars().count()).max(MIN_REASON_WIDTH);
        row + &shortened(&self.reason, rest)
    }
}

/// The columns are fixed: rows are printed while letters are still being received.
fn columns([id, code, attempts, first, kept]: [&str; 5]) -> String {
    format!("{id:<36}  {code:<18}  {attempts:>8}  {first:<17}  {kept:<17}  ")
}

pub(crate) async fn run<Q, I, F>(
    selection: &Selection,
    json: bool,
    sweep: &Sweep<'_, Q, I>,
    out: &Output<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let counts: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let width = terminal_width();
    let report = sweep
        .visit_selected(selection, async |letters, _| {
            for listed in letters.iter().map(ListedLetter::new) {
                if json {
                    let line = serde_json::to_string(&listed).map_err(std::io::Error::from)?;
                    out.line(line)?;
                } else {
                    if counts.borrow().is_empty() {
                        out.line(columns(["ID", "CODE", "ATTEMPTS", "FIRST", "KEPT"]) + "REASON")?;
                    }
                    out.line(listed.row(width))?;
                }
                *counts.borrow_mut().entry(listed.error_code).or_default() += 1;
            }
            Ok(())
        })
        .await;

    let counts = counts.into_inner();
    let total = letters(counts.values().sum());
    let counts: Vec<String> =
        counts.into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    let summary = if counts.is_empty() { total } else { format!("{total}: {}", counts.join(", ")) };
    // With --json, standard output has only JSON.
    if json {
        writeln!(err, "{summary}")?;
    } else {
        out.line(summary)?;
    }
    report.write_notes(err)?;
    report.outcome(false)
}
