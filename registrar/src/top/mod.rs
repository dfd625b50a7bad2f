//! `registrar top`: the deployed stack, live in the terminal.
//!
//! `feed` reads, `state` keeps, `draw` draws, `terminal` and `keys` are the terminal's two directions, and
//! `show` connects them. Only `feed` calls AWS, and only `terminal` and `keys` use the terminal.

mod draw;
mod feed;
mod keys;
mod message;
mod show;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::{
    live::LiveStack,
    outcome::{Failure, Outcome},
    session::{Session, terminated},
    stack::{self, Stack},
};

pub(crate) use self::terminal::TerminalError;

use self::{keys::read_keys, message::Input, state::State, terminal::Screen};

/// Show the stack live in the terminal: sends against the limit, backlog, dead letters and payments
///
/// It draws on the terminal, and writes nothing to standard output. Keys: q ends it, Tab or 1 to 4 selects a
/// view, the arrows scroll, p pauses, ? shows help. Sends of finished minutes are this stack's, from CloudWatch;
/// those of the last minutes are estimated from the SES account's count, so other senders count too.
///
/// For scripts, and without a terminal: `registrar status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Seconds between two readings, 2 to 60
    // SES allows one `GetAccount` per second, and hold-watch makes some of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=60))]
    interval: u64,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<Outcome, Failure> {
    if !session.has_terminal() {
        return Err(TerminalError::none().into());
    }
    let terminal = terminal::find()?;
    let stack = Stack::find(&args.stack, session).await?;
    let live = LiveStack::new(&stack)?;
    let details = feed::Details::new(&stack)?;
    let interval = Duration::from_secs(args.interval);
    let slots = stack.parsed("WorkerConcurrency")?;
    let state = State::new(stack.name(), stack.region(), interval, slots);
    let (wanted, wants) = watch::channel(state.wanted());
    let (inputs, received) = mpsc::unbounded_channel::<Input>();

    let mut screen = Screen::enter(terminal)?;
    read_keys(inputs.clone())?;
    let readings = Box::pin(feed::readings(live, interval, wants.clone(), inputs.clone()));
    let details = Box::pin(details.feed(wants, inputs));
    tokio::select! {
        shown = show::show(screen.terminal(), state, received, wanted) => shown?,
        () = readings => {}
        () = details => {}
        ended = terminated() => ended?,
    }
    Ok(Outcome::Fine)
}
