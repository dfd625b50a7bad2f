//! `registrar status`: the deployed stack on one screen.

pub(crate) mod concerns;
pub(crate) mod facts;
pub(crate) mod gather;
mod report;
#[cfg(test)]
mod tests;

use std::io::Write;

use crate::{
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

pub(crate) use self::report::holds;

use self::{concerns::concerns, gather::gather};

/// Show the API, queue, limit and its use, holds, dead letters, enrollments and alarms on one screen
///
/// Exit code: 0 if nobody has to act; 1 if something needs a person, which the last lines name; 2 if a call
/// to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Base address of the API, if it has a custom domain
    #[arg(long, value_name = "URL", env = "REGISTRAR_API_URL")]
    api_url: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (facts, notes) = Box::pin(gather(&stack, args.api_url.as_deref(), clock::now())).await?;
    let concerns = concerns(&facts);
    if args.json {
        writeln!(out, "{}", report::json(&facts, &concerns, &notes))?;
    } else {
        report::write_screen(&facts, &concerns, out)?;
        for note in &notes {
            writeln!(err, "note: {note}")?;
        }
    }
    Ok(if concerns.is_empty() { Outcome::Fine } else { Outcome::NeedsPerson })
}
