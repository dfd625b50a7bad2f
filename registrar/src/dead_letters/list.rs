//! `registrar dead-letters list`.

use std::{cell::RefCell, collections::BTreeMap, io::Write};

use email::dead_letter::attribute;
use serde::Serialize;

use crate::{
    Failure, Outcome,
    text::{letters, on_one_line, shortened, to_the_minute, width, without_addresses},
};

use super::{
    Out,
    letter::{Letter, Selection},
    queue::Letters,
    sweep::Run,
};

/// The least that a reason gets of a line, in columns, however narrow the terminal is.
const LEAST_REASON: usize = 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the letters with this error code
    #[arg(long, value_name = "CODE")]
    pub(super) reason: Option<String>,
    /// One JSON object a line, with whole reasons, instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// A letter in a list. No field may hold an address.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    message_id: String,
    error_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    first_attempt_at: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<time::OffsetDateTime>,
    reason: String,
}

impl Line {
    fn new(letter: &Letter) -> Self {
        let plain = |text: &str| without_addresses(&on_one_line(text));
        Self {
            id: letter.name(),
            message_id: letter.message_id().to_owned(),
            error_code: plain(letter.code()),
            attempts: letter.attribute(attribute::ATTEMPTS).and_then(|text| text.parse().ok()),
            first_attempt_at: letter.moment(attribute::FIRST_ATTEMPT_AT),
            last_attempt_at: letter.moment(attribute::LAST_ATTEMPT_AT),
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
            &when(self.last_attempt_at),
        ];
        let row = columns(cells);
        let rest = width.saturating_sub(row.chars().count()).max(LEAST_REASON);
        row + &shortened(&self.reason, rest)
    }
}

/// Fixed columns, because rows are written as letters come.
fn columns([id, code, attempts, first, last]: [&str; 5]) -> String {
    format!("{id:<36}  {code:<18}  {attempts:>8}  {first:<17}  {last:<17}  ")
}

pub(crate) async fn run<Q, I, F>(
    args: &Args,
    run: &Run<'_, Q, I>,
    out: &Out<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: Letters,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let selection = args.reason.clone().map_or(Selection::All, Selection::Reason);
    let counts: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let width = width();
    let swept = run
        .sweep(async |letters, _| {
            for letter in letters.iter().filter(|letter| selection.has(letter)) {
                let line = Line::new(letter);
                if args.json {
                    let line = serde_json::to_string(&line).map_err(std::io::Error::from)?;
                    out.line(line)?;
                } else {
                    if counts.borrow().is_empty() {
                        out.line(columns(["ID", "CODE", "ATTEMPTS", "FIRST", "LAST"]) + "REASON")?;
                    }
                    out.line(line.row(width))?;
                }
                *counts.borrow_mut().entry(line.error_code).or_default() += 1;
            }
            Ok(())
        })
        .await;

    let counts = counts.into_inner();
    let total = letters(counts.values().sum());
    let counts: Vec<String> =
        counts.into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    let sum = if counts.is_empty() { total } else { format!("{total}: {}", counts.join(", ")) };
    // Where standard output is for machines, this is for people.
    if args.json {
        writeln!(err, "{sum}")?;
    } else {
        out.line(sum)?;
    }
    swept.write_notes(err)?;
    swept.outcome(false)
}
