//! The operator's command line: sizing a deployment (`plan`), checking afterwards that its sends kept
//! the limit (`audit`), seeing to what could not be sent (`dead-letters`), and stopping all sending for
//! a while (`hold`, `release`, `holds`).
//!
//! `plan` and `audit` know nothing of AWS. The others work on a deployed stack, which they find by its
//! name; region, credentials and endpoints are what the AWS SDK finds.
//!
//! Exit codes: 0 for success; 1 for a limit that was not kept, or for letters that were left; 2 for
//! input that cannot be used, and where AWS fails.

mod audit;
mod aws_call;
mod dead_letters;
mod deployment;
mod holds;
mod plan;
mod records;
mod surroundings;
mod text;

use std::{
    fmt,
    io::{self, Read, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{aws_call::CallFailed, surroundings::block_on};
pub use crate::{
    records::{Format, ReadError, Records},
    surroundings::Surroundings,
};

/// Operates a deployment of Registrar.
#[derive(Debug, Parser)]
#[command(name = "registrar", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Audit(audit::Args),
    DeadLetters(dead_letters::Args),
    Hold(holds::HoldArgs),
    Release(holds::ReleaseArgs),
    Holds(holds::ShowArgs),
}

/// What a command found, apart from what it printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    LimitBroken,
    LettersLeft,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Invalid(#[from] sizing::Invalid),
    #[error("{source_name}: {error}")]
    Unreadable { source_name: String, error: ReadError },
    #[error(transparent)]
    Deployment(#[from] deployment::NotFound),
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error(transparent)]
    Hold(#[from] holds::NotDone),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command over the streams it is given, in the process's own surroundings.
pub fn run(cli: &Cli, stdin: impl Read, stdout: impl Write, stderr: impl Write) -> ExitCode {
    run_in(&Surroundings::of_process(), cli, stdin, stdout, stderr)
}

/// Runs a command over the streams it is given.
///
/// Not from within an async runtime: a command that talks to AWS starts one.
pub fn run_in(
    surroundings: &Surroundings,
    cli: &Cli,
    stdin: impl Read,
    mut stdout: impl Write,
    mut stderr: impl Write,
) -> ExitCode {
    let (out, err) = (&mut stdout, &mut stderr);
    let result = match &cli.command {
        Command::Plan(args) => plan::run(args, out),
        Command::Audit(args) => audit::run(args, stdin, out),
        Command::DeadLetters(args) => block_on(dead_letters::run(args, surroundings, out, err)),
        Command::Hold(args) => block_on(holds::hold(args, surroundings, out)),
        Command::Release(args) => block_on(holds::release(args, surroundings, out)),
        Command::Holds(args) => block_on(holds::show(args, surroundings, out)),
    };
    match result.and_then(|outcome| Ok(stdout.flush().map(|()| outcome)?)) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::LimitBroken | Outcome::LettersLeft) => ExitCode::from(1),
        // Whoever read the output has seen enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report(&mut stderr, &failure);
            ExitCode::from(2)
        }
    }
}

/// There is nowhere to say that standard error cannot be written.
fn report(stderr: &mut impl Write, failure: &impl fmt::Display) {
    let _ = writeln!(stderr, "error: {failure}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_of_all_commands_are_sound() {
        Cli::command().debug_assert();
    }
}
