//! `registrar dead-letters show`: prints everything about a letter.

use std::{cell::Cell, collections::BTreeMap, fmt::Write as _, io::Write};

use email::ledger::{Entry, Timeline};
use serde_json::Value;

use crate::{
    aws_call::CallFailed,
    outcome::{Failure, Outcome},
    text::{on_lines, on_one_line, rfc3339},
};

use super::{
    letter::{Letter, from_milliseconds},
    output::Output,
    queue::DeadLetterQueue,
    sweep::Sweep,
};

pub(crate) async fn run<Q, I, F>(
    id: &str,
    sweep: &Sweep<'_, Q, I>,
    ledger: &impl Timeline,
    out: &Output<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let found = Cell::new(0);
    let report = sweep
        .visit_all(async |letters, _| {
            // A job may have several letters: keeping a letter twice is harmless.
            for letter in letters.iter().filter(|letter| letter.has_id(id)) {
                let entry = match letter.job_id() {
                    None => None,
                    Some(job_id) => ledger.find(&job_id).await.map_err(|error| {
                        CallFailed::other("reading a job in the ledger", &error)
                    })?,
                };
                if found.get() > 0 {
                    out.line("")?;
                }
                found.set(found.get() + 1);
                out.line(description(letter, entry.as_ref()))?;
            }
            Ok(())
        })
        .await;
    if found.get() == 0 && report.is_complete() {
        writeln!(err, "no dead letter has the id {}", on_one_line(id))?;
    }
    report.write_notes(err)?;
    report.outcome(found.get() == 0)
}

fn description(letter: &Letter, entry: Option<&Entry>) -> String {
    let mut text = format!("letter {}\n", letter.message_id());
    if letter.attributes.is_empty() {
        let _ = writeln!(text, "\n{}: {}", letter.error_code(), letter.reason());
    } else {
        text += &section("attributes", &letter.attributes);
    }
    text += &section("queue", &system_attributes(letter));
    match entry {
        Some(entry) => text += &section("ledger", &fields(entry)),
        None => {
            text += "\nledger\n  no entry: no worker has claimed the job, or its entry has expired after 90 days\n";
        }
    }
    text + &format!("\nbody\n{}", body(letter))
}

fn section(title: &str, entries: &BTreeMap<String, String>) -> String {
    let names = entries.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = format!("\n{title}\n");
    for (name, value) in entries {
        let _ = writeln!(text, "  {:<names$}  {}", on_one_line(name), on_one_line(value));
    }
    text
}

/// With milliseconds since 1970 as RFC 3339.
pub(super) fn system_attributes(letter: &Letter) -> BTreeMap<String, String> {
    let readable = |(name, value): (&String, &String)| {
        let time = name.ends_with("Timestamp").then(|| from_milliseconds(value)).flatten();
        (name.clone(), time.map_or_else(|| value.clone(), rfc3339))
    };
    letter.system_attributes.iter().map(readable).collect()
}

pub(super) fn fields(entry: &Entry) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(entry) else { return BTreeMap::new() };
    let plain = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

/// Indented, if it is JSON.
pub(super) fn body(letter: &Letter) -> String {
    let pretty = serde_json::from_str::<Value>(&letter.body)
        .and_then(|json| serde_json::to_string_pretty(&json));
    on_lines(pretty.as_deref().unwrap_or(&letter.body))
}
