//! `registrar plan`: the deployment parameters for a limit, or a check of given ones.

use std::{io::Write, str::FromStr, time::Duration};

use clap::ValueEnum;
use pacer::{SendLimit, Share, Window};
use serde_json::{Map, Value, json};
use sizing::{Choice, Parameter, Plan, UnknownParameter, WorkerSettings};

use crate::{Failure, Outcome};

/// The maximum length of the table's lines.
const MAX_WIDTH: usize = 100;

/// Choose the deployment parameters for a limit, each with its reason, or check given ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Maximum number of sends in any window
    #[arg(long, value_name = "N", required_unless_present = "check")]
    limit: Option<SendLimit>,
    /// Check these parameters instead, with the template's defaults for the others
    #[arg(
        long,
        value_name = "NAME=VALUE",
        num_args = 1..,
        conflicts_with_all = ["limit", "window", "latency_ms", "format"],
    )]
    check: Vec<Given>,
    /// Length of the window, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    window: Window,
    /// Expected latency of the provider, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60)]
    latency_ms: u64,
    /// All values as a table, or only the template's parameters on one line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print one JSON object: every parameter and every value with its reason, or the result of --check
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Parameters,
}

/// One parameter, as `sam deploy --parameter-overrides` takes it.
#[derive(Debug, Clone)]
struct Given {
    parameter: Parameter,
    value: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        let parameter = name.parse().map_err(|why: UnknownParameter| format!("the name {why}"))?;
        Ok(Self { parameter, value: value.to_owned() })
    }
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Failure> {
    let Some(limit) = args.limit else { return check(&args.check, args.json, out) };
    let plan = Plan::new(limit, args.window, Duration::from_millis(args.latency_ms))?;
    if args.json {
        writeln!(out, "{}", plan_object(&plan))?;
        return Ok(Outcome::Fine);
    }
    let parameters = plan.parameter_overrides();
    match args.format {
        Format::Parameters => writeln!(out, "{parameters}")?,
        Format::Table => {
            write_table(&plan.choices(), out)?;
            writeln!(out, "\nsam deploy --parameter-overrides {parameters}")?;
        }
    }
    Ok(Outcome::Fine)
}

fn plan_object(plan: &Plan) -> Value {
    let parameters: Map<String, Value> =
        plan.parameters().into_iter().map(|(name, value)| (name, value.into())).collect();
    let choices: Vec<Value> = plan
        .choices()
        .into_iter()
        .map(|Choice { name, value, reason }| {
            json!({"name": name, "value": value, "reason": reason})
        })
        .collect();
    json!({
        "parameters": parameters,
        "parameter_overrides": plan.parameter_overrides(),
        "choices": choices,
    })
}

/// Fails if nothing could be sent with these parameters. What only wastes something is a note.
fn check(given: &[Given], json: bool, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut settings = WorkerSettings::defaults()?;
    for Given { parameter, value } in given {
        settings = settings.with(*parameter, value)?;
    }
    let share = settings.check()?;
    if json {
        writeln!(out, "{}", check_object(&settings, share))?;
        return Ok(Outcome::Fine);
    }
    for advice in settings.advice(share) {
        writeln!(out, "note: {advice}")?;
    }
    writeln!(
        out,
        "at most {} emails in any {} s: {} workers, each one email every {:?}, at most {} per invocation",
        share.total(),
        settings.window.get().as_secs(),
        settings.slots,
        share.interval(),
        settings.sends_per_invocation(share),
    )?;
    Ok(Outcome::Fine)
}

fn check_object(settings: &WorkerSettings, share: Share) -> Value {
    let sends = settings.sends_per_invocation(share);
    let notes: Vec<String> = settings.advice(share).iter().map(ToString::to_string).collect();
    json!({
        "max_sends": share.total(),
        "window_seconds": settings.window.get().as_secs(),
        "workers": settings.slots.get(),
        "interval_ms": u64::try_from(share.interval().as_millis()).unwrap_or(u64::MAX),
        "max_sends_per_invocation": u64::try_from(sends).unwrap_or(u64::MAX),
        "notes": notes,
    })
}

fn write_table(choices: &[Choice], out: &mut impl Write) -> Result<(), Failure> {
    let max_len = |text: fn(&Choice) -> &str| {
        choices.iter().map(|choice| text(choice).len()).max().unwrap_or_default()
    };
    let (names, values) = (max_len(|choice| choice.name), max_len(|choice| &choice.value));
    for Choice { name, value, reason } in choices {
        let (mut name, mut value) = (*name, value.as_str());
        for line in wrapped(reason, MAX_WIDTH.saturating_sub(names + values + 4)) {
            writeln!(out, "{name:<names$}  {value:>values$}  {line}")?;
            (name, value) = ("", "");
        }
    }
    Ok(())
}

/// Breaks the text into lines of at most `width`. A longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_never_within_one() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("extraordinary", 7), ["extraordinary"]);
    }
}
