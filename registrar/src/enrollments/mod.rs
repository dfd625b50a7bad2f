//! `registrar enrollment`: the enrollments that are not finished, and those that need a person.
//!
//! They are read from the index `resume`, so no table is scanned. The index contains keys only: with the
//! state in it, each change of a state would write to the index too, for the sake of a command that is
//! rarely run. So the command reads the item of each key.

mod collect;
mod list;

use std::io::Write;

use crate::{
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

pub(crate) use self::{
    collect::{Unfinished, unfinished},
    list::Listed,
};

/// List the enrollments that are not finished, or need a person
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print one line per enrollment that is not known to be finished, the longest overdue of a shard first
    List(list::Args),
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let Command::List(list) = &args.command;
    list::run(list, &stack.resume_index()?, crate::clock::now(), out, err).await
}
