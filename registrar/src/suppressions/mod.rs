//! `registrar suppressions`: list, add and remove the recipients who get no emails.

mod rules;

use std::{io::Write, str::FromStr};

use adapters::tables::SuppressionsTable;
use email::{EmailAddress, suppression::SuppressionCause};
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    clock,
    outcome::{Failure, Outcome},
    ses_list::SesList,
    session::Session,
    stack::{self, Stack},
    text::{on_one_line, to_the_minute},
};

use self::rules::{Suppression, together};

/// List, add or remove the recipients who get no emails
///
/// SES's suppression list of the account decides; the stack has a copy of it, without addresses. SES allows
/// about one change per second. Exit code: 0, or 2 if the input is invalid or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print SES's list and the stack's copy together, oldest first
    ///
    /// The output has addresses. A recipient that is only in the copy is a digest.
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Suppress a recipient: its jobs end as suppressed, and nothing is sent
    Add {
        address: EmailAddress,
        /// Why; `list` shows it
        #[arg(long, value_name = "TEXT")]
        reason: Reason,
        /// The cause that SES records
        #[arg(long, value_enum, default_value_t = Cause::Complaint)]
        cause: Cause,
    },
    /// Send to a recipient again. Jobs that ended as suppressed must be enqueued again
    Remove { address: EmailAddress },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Cause {
    Bounce,
    Complaint,
}

impl From<Cause> for SuppressionCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Bounce => Self::Bounce,
            Cause::Complaint => Self::Complaint,
        }
    }
}

/// One line of 1 to 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one line of 1 to 500 characters")]
struct InvalidReason;

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        let fits = (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned())).ok_or(InvalidReason)
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (ses, copy) = (SesList::new(stack.sdk()), stack.suppressions()?);
    match &args.command {
        Command::List { json } => list(&ses, &copy, *json, out).await,
        Command::Add { address, reason, cause } => {
            add(&ses, &copy, (address, &reason.0, (*cause).into()), clock::now(), out).await
        }
        Command::Remove { address } => remove(&ses, &copy, address, out).await,
    }
}

async fn list(
    ses: &SesList,
    copy: &SuppressionsTable,
    json: bool,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let listed = ses.all().await?;
    let copies = copy.all().await.map_err(|error| failed("reading the copy", &error))?;
    let all = together(listed, copies);
    for each in &all {
        if json {
            let line = serde_json::to_string(each).map_err(std::io::Error::from)?;
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", line(each))?;
        }
    }
    if !json {
        writeln!(out, "{} suppressed", all.len())?;
    }
    Ok(Outcome::Fine)
}

fn line(each: &Suppression) -> String {
    let cause = match each.cause {
        SuppressionCause::Bounce => "bounce",
        SuppressionCause::Complaint => "complaint",
    };
    let reason = each.reason.as_deref().map(on_one_line).unwrap_or_default();
    let line = format!(
        "{:<17}  {cause:<9}  {:<8}  {:<9}  {}  {reason}",
        to_the_minute(each.since),
        each.origin.name(),
        each.on.name(),
        on_one_line(&each.recipient)
    );
    line.trim_end().to_owned()
}

/// SES first: a recipient that is only in the copy is removed from it by the worker.
async fn add(
    ses: &SesList,
    copy: &SuppressionsTable,
    (address, reason, cause): (&EmailAddress, &str, SuppressionCause),
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    ses.add(address, cause).await?;
    let added = copy.add(address, cause, reason, now).await;
    added.map_err(|error| failed("adding to the copy", &error))?;
    writeln!(out, "suppressed: {}", address.as_str())?;
    Ok(Outcome::Fine)
}

/// SES first: until then, nothing is delivered.
async fn remove(
    ses: &SesList,
    copy: &SuppressionsTable,
    address: &EmailAddress,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let was_listed = ses.remove(address).await?;
    copy.remove(address).await.map_err(|error| failed("removing from the copy", &error))?;
    if was_listed {
        writeln!(out, "no longer suppressed: {}", address.as_str())?;
        writeln!(out, "Its emails that ended as suppressed are sent if they are enqueued again.")?;
    } else {
        writeln!(out, "SES did not suppress {}", address.as_str())?;
    }
    Ok(Outcome::Fine)
}

fn failed(operation: &'static str, error: &Unavailable) -> CallFailed {
    CallFailed::other(operation, error)
}

#[cfg(test)]
mod tests;
