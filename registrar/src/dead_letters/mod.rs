//! `registrar dead-letters`: list, show, redrive and purge the jobs that could not be sent.
//!
//! A letter is a message on the dead-letter queue. A received message is hidden from other consumers for
//! a while. So every command receives the whole queue once, and gives back the letters that it does not
//! delete, also after a failure or an interrupt.

mod concerned;
mod letter;
mod list;
mod matching;
mod oldest;
mod output;
mod period;
mod purge;
mod queue;
mod received;
mod redrive;
mod search;
mod selection;
mod show;
mod sqs;
mod sweep;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, io::Write};

use time::OffsetDateTime;

use crate::{
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

#[cfg(test)]
pub(crate) use self::letter::Receipt;
pub(crate) use self::{
    concerned::{Concerned, Then, concerned},
    letter::Letter,
    matching::{
        Action, Applied, DeadLetters, Handled, HandledLetters, LetterDetails, ListedLetter,
    },
    period::EmptyPeriod,
    queue::DeadLetterQueue,
    search::{FoundLetter, Wanted},
    selection::{Selection, Which},
    sqs::{SqsDeadLetterQueue, SqsEmailQueue},
};

use self::{output::Output, period::Bounds, selection::Selector, sweep::Sweep};

/// List, show, redrive or purge the emails that could not be sent
///
/// The exit code is 0 for success, 1 if letters were left (the output says which and why), and 2 if the
/// input is invalid or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print one line per letter, and the number of letters per error code; addresses are masked
    List(list::Args),
    /// Print a letter with its attributes, its body, and the job's entry in the ledger
    ///
    /// The output contains the recipient's address and the email's text.
    Show {
        /// The id of the job, of the letter, or of the message that the job came in
        id: String,
    },
    /// Put jobs back on the email queue; without --apply, only print what would be done
    ///
    /// The limit and the claims apply to a redriven job as to any other. A job that has been sent in the
    /// meantime is not sent again. A job whose own deadline has passed is left, unless it is selected by
    /// --id. The output names the letters that were left or failed at its end, each with the reason.
    Redrive {
        #[command(flatten)]
        selector: Selector,
        #[command(flatten)]
        bounds: Bounds,
        /// With --all: also emails that may have been sent, and may then be sent a second time
        #[arg(long, requires = "all")]
        even_if_sent: bool,
        /// Make the changes
        #[arg(long)]
        apply: bool,
        /// Print one JSON object per letter, as it is handled, and one with the totals as `summary`
        #[arg(long)]
        json: bool,
    },
    /// Delete letters permanently; without --apply, only print what would be done
    Purge {
        #[command(flatten)]
        selector: Selector,
        #[command(flatten)]
        bounds: Bounds,
        /// Make the changes
        #[arg(long)]
        apply: bool,
    },
}

impl Command {
    fn progress_title(&self) -> &'static str {
        match self {
            Self::List(_) | Self::Show { .. } => "reading",
            Self::Redrive { .. } => "redriving",
            Self::Purge { .. } => "purging",
        }
    }

    fn selection(&self, now: OffsetDateTime) -> Result<Selection, EmptyPeriod> {
        let (which, bounds) = match self {
            Self::List(args) => {
                (args.reason.clone().map_or(Which::All, Which::Reason), &args.bounds)
            }
            Self::Show { id } => return Ok(Which::Ids(vec![id.clone()]).into()),
            Self::Redrive { bounds, even_if_sent: true, .. } => (Which::AllEvenIfSent, bounds),
            Self::Redrive { selector, bounds, .. } | Self::Purge { selector, bounds, .. } => {
                (selector.which(), bounds)
            }
        };
        Ok(Selection { which, kept: bounds.period(now)?, max: bounds.max() })
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let selection = args.command.selection(clock::now())?;
    let stack = Stack::find(&args.stack, session).await?;
    let queue = SqsDeadLetterQueue::new(stack.sqs(), stack.dead_letter_queue_url()?);
    let count = queue.count().await?;
    if count.hidden > 0 {
        writeln!(
            err,
            "note: about {} letters were received elsewhere and are hidden; they are not included \
             here, and are visible again within minutes",
            count.hidden
        )?;
    }
    let bar = session.progress_bar(count.visible, args.command.progress_title());
    let out = Output { writer: RefCell::new(out), bar: &bar };
    let sweep = Sweep { queue: &queue, bar: &bar, interrupted: || session.interrupted() };
    match &args.command {
        Command::List(args) => list::run(&selection, args.json, &sweep, &out, err).await,
        Command::Show { id } => show::run(id, &sweep, &stack.ledger()?, &out, err).await,
        Command::Redrive { apply, json, .. } => {
            let emails = SqsEmailQueue::new(stack.sqs(), stack.email_queue_url()?);
            let ledger = stack.ledger()?;
            let report = redrive::Report::new(&out, *apply, *json);
            redrive::run(&selection, &sweep, (&ledger, &emails), &report, err).await
        }
        Command::Purge { apply, .. } => purge::run(&selection, *apply, &sweep, &out, err).await,
    }
}

/// Searches the dead letters for another command. Needs `sqs:ReceiveMessage` and
/// `sqs:ChangeMessageVisibility`.
pub(crate) async fn search_dead_letters(
    client: aws_sdk_sqs::Client,
    url: String,
    wanted: &Wanted,
) -> Result<Vec<FoundLetter>, Failure> {
    search::search(&SqsDeadLetterQueue::new(client, url), wanted).await
}

/// Some dead letters, for another command. Needs the same.
pub(crate) async fn recent_dead_letters(
    client: aws_sdk_sqs::Client,
    url: String,
) -> Result<Vec<FoundLetter>, crate::aws_call::CallFailed> {
    search::sample(&SqsDeadLetterQueue::new(client, url)).await
}
