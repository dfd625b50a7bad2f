//! Visits every letter of the dead-letter queue once.

use std::{
    cell::Cell,
    io::{self, Write},
};

use futures_util::future::join_all;
use indicatif::ProgressBar;

use crate::outcome::{Failure, Outcome};

use super::{
    letter::Letter,
    queue::{DeadLetterQueue, VISIBILITY_TIMEOUT},
    received::ReceivedLetters,
};

const MAX_CONCURRENT_VISITS: usize = 8;

pub(crate) struct Sweep<'a, Q, I> {
    pub(crate) queue: &'a Q,
    pub(crate) bar: &'a ProgressBar,
    /// Returns when the operator presses Ctrl-C.
    pub(crate) interrupted: I,
}

/// How a sweep ended.
#[derive(Debug)]
#[must_use = "a failure must be reported, after what was done before it"]
pub(crate) struct SweepReport {
    result: Result<(), Failure>,
    interrupted: bool,
    given_back: bool,
}

impl SweepReport {
    /// Whether every letter that could be received was visited.
    pub(crate) fn is_complete(&self) -> bool {
        self.result.is_ok() && !self.interrupted
    }

    pub(crate) fn write_notes(&self, err: &mut impl Write) -> io::Result<()> {
        if self.interrupted {
            writeln!(err, "interrupted: the remaining letters are unchanged")?;
        }
        if !self.given_back {
            let minutes = VISIBILITY_TIMEOUT.as_secs() / 60;
            writeln!(err, "note: some letters may stay hidden for up to {minutes} minutes")?;
        }
        Ok(())
    }

    /// `left` is whether the command left letters that it should have handled.
    pub(crate) fn outcome(self, left: bool) -> Result<Outcome, Failure> {
        self.result?;
        Ok(if left || self.interrupted { Outcome::LettersLeft } else { Outcome::Fine })
    }
}

impl<Q, I, F> Sweep<'_, Q, I>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    /// Receives every letter and visits it once. A visit has up to ten letters, and several visits run
    /// concurrently. At the end, letters that were not deleted are given back.
    ///
    /// After a failure, or when the operator presses Ctrl-C, no visit begins, the visits in progress end,
    /// and the letters are given back. A second Ctrl-C ends everything immediately.
    pub(crate) async fn visit_all(
        &self,
        visit: impl AsyncFn(Vec<Letter>, &ReceivedLetters<'_, Q>) -> Result<(), Failure>,
    ) -> SweepReport {
        let received = ReceivedLetters::new(self.queue);
        let stop = Cell::new(false);
        let visits = async || {
            while !stop.get() {
                let Some(letters) = received.receive().await? else { break };
                let count = letters.len();
                visit(letters, &received).await?;
                self.bar.inc(u64::try_from(count).unwrap_or_default());
            }
            Ok(())
        };
        let visits = join_all(
            (0..MAX_CONCURRENT_VISITS)
                .map(|_| async { visits().await.inspect_err(|_: &Failure| stop.set(true)) }),
        );

        let mut visits = std::pin::pin!(visits);
        let mut interrupted = false;
        let results = tokio::select! {
            results = &mut visits => Some(results),
            () = (self.interrupted)() => {
                interrupted = true;
                stop.set(true);
                tokio::select! {
                    results = &mut visits => Some(results),
                    () = (self.interrupted)() => None,
                }
            }
        };
        let given_back = results.is_some()
            && tokio::select! {
                given_back = received.give_back() => given_back.is_ok(),
                () = (self.interrupted)() => false,
            };
        self.bar.finish_and_clear();
        SweepReport { result: results.into_iter().flatten().collect(), interrupted, given_back }
    }
}
