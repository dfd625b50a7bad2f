//! `registrar plan`: the deployment parameters for a limit.

use std::{io::Write, time::Duration};

use clap::ValueEnum;
use pacer::{SendLimit, Window};
use sizing::{Choice, Plan};

use crate::{Failure, Outcome};

/// The maximum length of the table's lines.
const MAX_WIDTH: usize = 100;

/// Choose the deployment parameters for a limit, each with its reason
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Maximum number of sends in any window
    #[arg(long, value_name = "N")]
    limit: SendLimit,
    /// Length of the window, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    window: Window,
    /// Expected latency of the provider, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60)]
    latency_ms: u64,
    /// All values as a table, or only the template's parameters on one line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Parameters,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Failure> {
    let plan = Plan::new(args.limit, args.window, Duration::from_millis(args.latency_ms))?;
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
