//! `registrar dead-letters show`.

use std::{cell::Cell, collections::BTreeMap, fmt::Write as _, io::Write};

use email::ledger::{Entry, Timeline};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    Failure, Outcome,
    aws_call::CallFailed,
    text::{in_full, on_lines, on_one_line},
};

use super::{
    Out,
    letter::{Letter, is_named},
    queue::Letters,
    sweep::Run,
};

pub(crate) async fn run<Q, I, F>(
    id: &str,
    run: &Run<'_, Q, I>,
    ledger: &impl Timeline,
    out: &Out<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: Letters,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let found = Cell::new(0);
    let swept = run
        .sweep(async |letters, _| {
            // A job can have more than one: keeping a letter twice is harmless.
            for letter in letters.iter().filter(|letter| is_named(letter, id)) {
                let entry = match letter.job_id() {
                    None => None,
                    Some(job_id) => ledger
                        .find(&job_id)
                        .await
                        .map_err(|error| CallFailed::other("asking the ledger of a job", &error))?,
                };
                if found.get() > 0 {
                    out.line("")?;
                }
                found.set(found.get() + 1);
                out.line(described(letter, entry.as_ref()))?;
            }
            Ok(())
        })
        .await;
    if found.get() == 0 && swept.is_whole() {
        writeln!(err, "no dead letter has the id {}", on_one_line(id))?;
    }
    swept.write_notes(err)?;
    swept.outcome(found.get() == 0)
}

fn described(letter: &Letter, entry: Option<&Entry>) -> String {
    let mut text = format!("letter {}\n", letter.message_id());
    if letter.attributes.is_empty() {
        let _ = writeln!(text, "\n{}: {}", letter.code(), letter.reason());
    } else {
        text += &section("attributes", &letter.attributes);
    }
    text += &section("queue", &of_queue(letter));
    match entry {
        Some(entry) => text += &section("ledger", &fields(entry)),
        None => {
            text += "\nledger\n  nothing: no worker has claimed it, or it is over 90 days ago\n";
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

/// What the queue knows, with its milliseconds since 1970 as times.
fn of_queue(letter: &Letter) -> BTreeMap<String, String> {
    let time = |value: &str| {
        let milliseconds: i128 = value.parse().ok()?;
        OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).ok().map(in_full)
    };
    let readable = |(name, value): (&String, &String)| {
        let time = name.ends_with("Timestamp").then(|| time(value)).flatten();
        (name.clone(), time.unwrap_or_else(|| value.clone()))
    };
    letter.of_queue.iter().map(readable).collect()
}

fn fields(entry: &Entry) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(entry) else { return BTreeMap::new() };
    let plain = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

/// Indented, where it is JSON.
fn body(letter: &Letter) -> String {
    let pretty = serde_json::from_str::<Value>(&letter.body)
        .and_then(|json| serde_json::to_string_pretty(&json));
    on_lines(pretty.as_deref().unwrap_or(&letter.body))
}
