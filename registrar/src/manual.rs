//! docs/cli.md: the help of every command, as Markdown.

use std::io::Write;

use clap::Command;

use crate::outcome::{Failure, Outcome};

/// In columns, whatever the terminal is.
const WIDTH: usize = 100;

pub(crate) fn write(command: Command, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut command = unchanging(command).term_width(WIDTH);
    command.build();
    writeln!(out, "# The registrar command\n")?;
    writeln!(
        out,
        "This is the output of `registrar manual`: the help of every command. A test compares them."
    )?;
    section(&mut command, out)?;
    Ok(Outcome::Fine)
}

/// Without the values of environment variables, which differ.
fn unchanging(command: Command) -> Command {
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    command.mut_subcommands(unchanging)
}

fn section(command: &mut Command, out: &mut impl Write) -> Result<(), Failure> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    writeln!(out, "\n## {name}\n\n```text")?;
    for line in help.trim_end().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "```")?;
    for subcommand in command.get_subcommands_mut() {
        if !subcommand.is_hide_set() && subcommand.get_name() != "help" {
            section(subcommand, out)?;
        }
    }
    Ok(())
}
