//! The operator's command line: choose the parameters of a deployment (`plan`), check from the log that
//! its sends kept the limit (`audit`), see how the stack is (`status`, `top`, `doctor`) and why an email or an
//! enrollment waits (`why`, `timeline`), handle the emails that could not be sent (`dead-letters`) and the
//! recipients who get none (`suppressions`), see and import courses (`course`), see and change enrollments (`enrollment`),
//! also those of a whole class (`enroll`, `unenroll`), stop and resume sending (`hold`, `release`, `holds`) or slow it
//! down (`limit`), and export or forget what is kept about a student (`export`, `forget`). `pump` is for development: the
//! event source of functions under `cargo lambda watch`.
//!
//! `plan`, `audit` and `completion` do not use AWS, and `doctor --before-deploy` needs no stack. The other
//! commands work on a deployed stack, which they find by its name. The AWS SDK finds region, credentials and
//! endpoints.
//!
//! Exit codes: 0 for success; 1 if the limit was not kept, if dead letters or lines of a file were left, or if something needs a
//! person; 2 if the input is invalid, or if a call to AWS fails.

mod account;
mod audit;
mod aws_call;
mod caller;
mod class;
mod clock;
mod console;
mod courses;
mod dead_letters;
mod doctor;
mod enrollments;
mod holds;
mod http;
mod limit;
mod live;
mod manual;
mod moment;
mod outcome;
mod period;
mod personal;
mod plan;
mod pump;
mod records;
mod sending;
mod ses_list;
mod session;
mod sheet;
mod stack;
mod status;
mod suppressions;
mod text;
mod top;
mod why;

use std::{
    fmt,
    io::{self, Read, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime;

pub(crate) use crate::outcome::{Failure, Outcome};
pub use crate::{
    records::{Format, ReadError, Records},
    session::Session,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; nobody has to act
  1  the limit was not kept (audit), dead letters (dead-letters) or lines (enroll, unenroll) were left, something needs a person (status, why, enrollment show, doctor), an export is not complete, or something has to be finished before a student is forgotten
  2  the input is invalid, an action was refused, or a call to AWS failed

Region, credentials and endpoints come from where every AWS tool takes them: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...";

/// Operate a deployment of Registrar
#[derive(Debug, Parser)]
#[command(name = "registrar", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Audit(audit::Args),
    DeadLetters(dead_letters::Args),
    Course(courses::Args),
    Enrollment(enrollments::Args),
    Enroll(class::EnrollArgs),
    Unenroll(class::UnenrollArgs),
    Export(personal::ExportArgs),
    Forget(personal::ForgetArgs),
    Suppressions(suppressions::Args),
    Hold(holds::HoldArgs),
    Release(holds::ReleaseArgs),
    Holds(holds::ShowArgs),
    Limit(limit::Args),
    Status(status::Args),
    Top(top::Args),
    Why(why::WhyArgs),
    Timeline(why::TimelineArgs),
    Doctor(doctor::Args),
    Console(console::Args),
    Pump(pump::Args),
    /// Print a script for your shell that completes commands and options
    ///
    /// For bash: `registrar completion bash > ~/.local/share/bash-completion/completions/registrar`.
    Completion {
        shell: Shell,
    },
    /// Print this help for docs/cli.md
    #[command(hide = true)]
    Manual,
}

/// Runs a command in the process's own session.
pub fn run(cli: &Cli, stdin: impl Read, stdout: impl Write, stderr: impl Write) -> ExitCode {
    run_in(&Session::of_process(), cli, stdin, stdout, stderr)
}

/// Runs a command in a session. Panics within an async runtime: a command that calls AWS starts one.
pub fn run_in(
    session: &Session,
    cli: &Cli,
    stdin: impl Read,
    mut stdout: impl Write,
    mut stderr: impl Write,
) -> ExitCode {
    let (out, err) = (&mut stdout, &mut stderr);
    let result = match &cli.command {
        Command::Plan(args) => plan::run(args, out),
        Command::Audit(args) => audit::run(args, stdin, out),
        Command::DeadLetters(args) => block_on(dead_letters::run(args, session, out, err)),
        Command::Course(args) => block_on(courses::run(args, session, out)),
        Command::Enroll(args) => block_on(class::enroll(args, session, out, err)),
        Command::Unenroll(args) => block_on(class::unenroll(args, session, out, err)),
        Command::Enrollment(args) => block_on(enrollments::run(args, session, out, err)),
        Command::Export(args) => block_on(personal::export(args, session, out, err)),
        Command::Forget(args) => block_on(Box::pin(personal::forget(args, session, out))),
        Command::Suppressions(args) => block_on(suppressions::run(args, session, out)),
        Command::Hold(args) => block_on(holds::hold(args, session, out, err)),
        Command::Release(args) => block_on(holds::release(args, session, out)),
        Command::Holds(args) => block_on(holds::show(args, session, out)),
        Command::Limit(args) => block_on(limit::run(args, session, out, err)),
        Command::Status(args) => block_on(status::run(args, session, out, err)),
        Command::Top(args) => block_on(top::run(args, session)),
        Command::Why(args) => block_on(why::why(args, session, out, err)),
        Command::Console(args) => block_on(console::run(args, session, out)),
        Command::Pump(args) => block_on(Box::pin(pump::run(args, session, out))),
        Command::Doctor(args) => block_on(doctor::run(args, session, out)),
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "registrar", out);
            Ok(Outcome::Fine)
        }
        Command::Manual => manual::write(Cli::command(), out),
        Command::Timeline(args) => block_on(why::timeline(args, session, out, err)),
    };
    match result.and_then(|outcome| Ok(stdout.flush().map(|()| outcome)?)) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(
            Outcome::LimitBroken | Outcome::LettersLeft | Outcome::LinesLeft | Outcome::NeedsPerson,
        ) => ExitCode::from(1),
        // The reader, such as `head`, has read all that it wants.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report(&mut stderr, &failure);
            ExitCode::from(2)
        }
    }
}

fn block_on(command: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// If standard error cannot be written, there is nowhere to report it.
fn report(stderr: &mut impl Write, failure: &impl fmt::Display) {
    let _ = writeln!(stderr, "error: {failure}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
