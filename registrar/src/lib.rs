//! The operator's command line: sizing a deployment (`plan`), and checking afterwards that its
//! sends kept the limit (`audit`).
//!
//! Exit codes: 0 for success, 1 for a limit that was not kept, 2 for input that cannot be used.

mod audit;
mod plan;
mod records;

use std::{
    fmt,
    io::{self, Read, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

pub use records::{Format, ReadError, Records};

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
}

/// What a command found, apart from what it printed.
enum Outcome {
    Fine,
    LimitBroken,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Invalid(#[from] pacer::Invalid),
    #[error("{source_name}: {error}")]
    Unreadable { source_name: String, error: ReadError },
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command over the streams it is given.
pub fn run(
    cli: &Cli,
    stdin: impl Read,
    mut stdout: impl Write,
    mut stderr: impl Write,
) -> ExitCode {
    let result = match &cli.command {
        Command::Plan(args) => plan::run(args, &mut stdout),
        Command::Audit(args) => audit::run(args, stdin, &mut stdout),
    };
    match result.and_then(|outcome| Ok(stdout.flush().map(|()| outcome)?)) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::LimitBroken) => ExitCode::from(1),
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
