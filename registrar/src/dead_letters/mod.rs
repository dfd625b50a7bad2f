//! `registrar dead-letters`: what could not be sent, and what to do about it.
//!
//! A letter is a message on the dead-letter queue. Whoever reads a queue hides what it reads from all
//! others for a while; so every command receives the whole queue, once, and gives back what it does
//! not take, also where it fails or is interrupted.

mod in_hand;
mod letter;
mod list;
mod purge;
mod queue;
mod redrive;
mod show;
mod sweep;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    io::{self, Write},
};

use indicatif::ProgressBar;

use crate::{
    Failure, Outcome, Surroundings,
    deployment::{self, Deployment},
};

use self::{
    letter::Selector,
    queue::{DeadLetterQueue, JobQueue, Letters},
    sweep::Run,
};

/// See to the emails that could not be sent: list, show, redrive, purge
///
/// Exits with 0 when it is done, with 1 if letters were left (it says which and why), with 2 if the
/// input cannot be used or AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    deployment: deployment::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// One line for each letter, and how many there are of each error code; never an address
    List(list::Args),
    /// Everything of a letter: attributes, body, and what the ledger says of the job
    ///
    /// Shows the recipient's address and the email's text.
    Show {
        /// The job's id, or the message id of the letter or of the message that the job came in
        id: String,
    },
    /// Put jobs on the email queue again; only says what it would do, unless --apply is given
    ///
    /// Redriven jobs pass the same limiter and the same claims as all others. A job that has been
    /// sent meanwhile is not sent again.
    Redrive {
        #[command(flatten)]
        selector: Selector,
        /// Do it
        #[arg(long)]
        apply: bool,
    },
    /// Delete letters for good; only says what it would do, unless --apply is given
    Purge {
        #[command(flatten)]
        selector: Selector,
        /// Do it
        #[arg(long)]
        apply: bool,
    },
}

impl Command {
    /// The bar's title.
    fn doing(&self) -> &'static str {
        match self {
            Self::List(_) | Self::Show { .. } => "reading",
            Self::Redrive { .. } => "redriving",
            Self::Purge { .. } => "purging",
        }
    }
}

pub(crate) async fn run(
    args: &Args,
    surroundings: &Surroundings,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let deployment = Deployment::find(&args.deployment, surroundings).await?;
    let queue = DeadLetterQueue::new(deployment.sqs(), deployment.dead_letter_queue_url()?);
    let count = queue.count().await?;
    if count.hidden > 0 {
        // Nobody can receive these now.
        writeln!(
            err,
            "note: about {} of the queue are in use elsewhere, for minutes at most, and are not \
             seen here",
            count.hidden
        )?;
    }
    let bar = surroundings.progress(count.visible, args.command.doing());
    let out = Out { writer: RefCell::new(out), bar: &bar };
    let run = Run { queue: &queue, bar: &bar, interrupted: || surroundings.interrupted() };
    match &args.command {
        Command::List(args) => list::run(args, &run, &out, err).await,
        Command::Show { id } => show::run(id, &run, &deployment.ledger()?, &out, err).await,
        Command::Redrive { selector, apply } => {
            let jobs = JobQueue::new(deployment.sqs(), deployment.email_queue_url()?);
            let ledger = deployment.ledger()?;
            redrive::run(&selector.selection(), *apply, &run, (&ledger, &jobs), &out, err).await
        }
        Command::Purge { selector, apply } => {
            purge::run(&selector.selection(), *apply, &run, &out, err).await
        }
    }
}

/// Standard output, which lines reach from several places at once, past a progress bar.
struct Out<'a, W> {
    writer: RefCell<W>,
    bar: &'a ProgressBar,
}

impl<W: Write> Out<'_, W> {
    fn line(&self, line: impl std::fmt::Display) -> io::Result<()> {
        self.bar.suspend(|| writeln!(self.writer.borrow_mut(), "{line}"))
    }
}
