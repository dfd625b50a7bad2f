//! `registrar plan`: what to deploy for a limit.

use std::{io::Write, time::Duration};

use clap::ValueEnum;
use pacer::{SendLimit, Window};
use sizing::{Choice, Plan};

use crate::{Failure, Outcome};

/// Where the table's lines are broken.
const WIDTH: usize = 100;

/// Size a deployment for a limit: every parameter, with its reason
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Sends that any window may hold
    #[arg(long, value_name = "N")]
    limit: SendLimit,
    /// Length of the window, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    window: Window,
    /// How long the provider usually takes to answer, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60)]
    latency_ms: u64,
    /// The whole plan, or only the template's parameters on one line
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
    let widest = |text: fn(&Choice) -> &str| {
        choices.iter().map(|choice| text(choice).len()).max().unwrap_or_default()
    };
    let (names, values) = (widest(|choice| choice.name), widest(|choice| &choice.value));
    for Choice { name, value, reason } in choices {
        let (mut name, mut value) = (*name, value.as_str());
        for line in wrapped(reason, WIDTH.saturating_sub(names + values + 4)) {
            writeln!(out, "{name:<names$}  {value:>values$}  {line}")?;
            (name, value) = ("", "");
        }
    }
    Ok(())
}

/// The text in lines of at most `width`, unless a word is longer.
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
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("extraordinary", 7), ["extraordinary"]);
    }
}
