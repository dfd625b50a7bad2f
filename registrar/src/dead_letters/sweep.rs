//! Going through the whole dead-letter queue once.

use std::{
    cell::Cell,
    io::{self, Write},
};

use futures_util::future::join_all;
use indicatif::ProgressBar;

use crate::{Failure, Outcome};

use super::{
    in_hand::InHand,
    letter::Letter,
    queue::{HIDDEN_FOR, Letters},
};

/// How many receive and work at the same time.
const LANES: usize = 8;

/// A command's run over the queue.
pub(crate) struct Run<'a, Q, I> {
    pub(crate) queue: &'a Q,
    pub(crate) bar: &'a ProgressBar,
    /// Waits until the operator asks to stop.
    pub(crate) interrupted: I,
}

/// How a sweep ended.
#[derive(Debug)]
#[must_use = "a failure must be told, after what was done before it"]
pub(crate) struct Swept {
    result: Result<(), Failure>,
    interrupted: bool,
    not_given_back: bool,
}

impl Swept {
    /// Whether every letter that could be received was visited.
    pub(crate) fn is_whole(&self) -> bool {
        self.result.is_ok() && !self.interrupted
    }

    /// What is to be said of it, whatever its outcome.
    pub(crate) fn write_notes(&self, err: &mut impl Write) -> io::Result<()> {
        if self.interrupted {
            writeln!(err, "interrupted: letters that were not reached are as they were")?;
        }
        if self.not_given_back {
            let minutes = HIDDEN_FOR.as_secs() / 60;
            writeln!(err, "note: letters that were read may be hidden for {minutes} minutes more")?;
        }
        Ok(())
    }

    /// The outcome, where the command left letters or did not.
    pub(crate) fn outcome(self, left: bool) -> Result<Outcome, Failure> {
        self.result?;
        Ok(if left || self.interrupted { Outcome::LettersLeft } else { Outcome::Fine })
    }
}

impl<Q, I, F> Run<'_, Q, I>
where
    Q: Letters,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    /// Receives every letter, and has each visited once, up to ten at a time, several visits at once.
    /// What was not deleted is given back at the end: after a failure, and when the operator asks to
    /// stop, as well. Both let the visits finish that are under way; an operator who asks twice ends
    /// everything at once.
    pub(crate) async fn sweep(
        &self,
        visit: impl AsyncFn(Vec<Letter>, &InHand<'_, Q>) -> Result<(), Failure>,
    ) -> Swept {
        let in_hand = InHand::new(self.queue);
        let stop = Cell::new(false);
        let lane = async || {
            while !stop.get() {
                let Some(letters) = in_hand.receive().await? else { break };
                let count = letters.len();
                visit(letters, &in_hand).await?;
                self.bar.inc(u64::try_from(count).unwrap_or_default());
            }
            Ok(())
        };
        let lanes = join_all(
            (0..LANES).map(|_| async { lane().await.inspect_err(|_: &Failure| stop.set(true)) }),
        );

        let mut lanes = std::pin::pin!(lanes);
        let mut interrupted = false;
        let results = tokio::select! {
            results = &mut lanes => Some(results),
            () = (self.interrupted)() => {
                interrupted = true;
                stop.set(true);
                tokio::select! {
                    results = &mut lanes => Some(results),
                    () = (self.interrupted)() => None,
                }
            }
        };
        let given_back = results.is_some()
            && tokio::select! {
                given_back = in_hand.give_back() => given_back.is_ok(),
                () = (self.interrupted)() => false,
            };
        self.bar.finish_and_clear();
        Swept {
            result: results.into_iter().flatten().collect(),
            interrupted,
            not_given_back: !given_back,
        }
    }
}
