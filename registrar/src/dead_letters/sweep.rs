//! Visits the letters of the dead-letter queue, each once.

use std::{
    cell::{Cell, RefCell},
    io::{self, Write},
    num::NonZeroUsize,
};

use futures_util::future::join_all;
use indicatif::ProgressBar;

use crate::{
    outcome::{Failure, Outcome},
    text::letters,
};

use super::{
    letter::Letter,
    oldest::Oldest,
    queue::{DeadLetterQueue, MAX_ENTRIES_PER_CALL, VISIBILITY_TIMEOUT},
    received::ReceivedLetters,
    selection::Selection,
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
    /// Letters of the selection that were not visited, because it has a maximum.
    beyond_max: usize,
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
        if self.beyond_max > 0 {
            let beyond = letters(self.beyond_max);
            writeln!(
                err,
                "note: {beyond} beyond --limit, none of them older, were left unchanged"
            )?;
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
        self.run(async |received, stop| self.receive_all(received, stop, &visit).await).await
    }

    /// Like [`visit_all`](Self::visit_all), but visits only letters of the selection. If the selection has a
    /// maximum, the whole queue is received before the first visit, because SQS gives no order.
    pub(crate) async fn visit_selected(
        &self,
        selection: &Selection,
        visit: impl AsyncFn(Vec<Letter>, &ReceivedLetters<'_, Q>) -> Result<(), Failure>,
    ) -> SweepReport {
        match selection.max {
            Some(max) => self.visit_oldest(selection, max, visit).await,
            None => {
                self.visit_all(async |letters: Vec<Letter>, received: &ReceivedLetters<'_, Q>| {
                    let selected = letters.into_iter().filter(|letter| selection.includes(letter));
                    visit(selected.collect(), received).await
                })
                .await
            }
        }
    }

    async fn visit_oldest(
        &self,
        selection: &Selection,
        max: NonZeroUsize,
        visit: impl AsyncFn(Vec<Letter>, &ReceivedLetters<'_, Q>) -> Result<(), Failure>,
    ) -> SweepReport {
        let oldest = RefCell::new(Oldest::new(max));
        let beyond_max = Cell::new(0);
        let add = async |letters: Vec<Letter>, _: &ReceivedLetters<'_, Q>| {
            let selected = letters.into_iter().filter(|letter| selection.includes(letter));
            selected.for_each(|letter| oldest.borrow_mut().add(letter));
            Ok(())
        };
        let report = self
            .run(async |received, stop| {
                self.receive_all(received, stop, &add).await?;
                let oldest = oldest.replace(Oldest::new(max));
                beyond_max.set(oldest.dropped());
                let letters = RefCell::new(oldest.into_letters());
                concurrently(stop, async || {
                    while !stop.get() {
                        let next: Vec<_> =
                            letters.borrow_mut().by_ref().take(MAX_ENTRIES_PER_CALL).collect();
                        if next.is_empty() {
                            break;
                        }
                        received.keep_hidden().await?;
                        visit(next, received).await?;
                    }
                    Ok(())
                })
                .await
            })
            .await;
        SweepReport { beyond_max: beyond_max.get(), ..report }
    }

    async fn receive_all(
        &self,
        received: &ReceivedLetters<'_, Q>,
        stop: &Cell<bool>,
        visit: &impl AsyncFn(Vec<Letter>, &ReceivedLetters<'_, Q>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        concurrently(stop, async || {
            while !stop.get() {
                let Some(letters) = received.receive().await? else { break };
                let count = letters.len();
                visit(letters, received).await?;
                self.bar.inc(u64::try_from(count).unwrap_or_default());
            }
            Ok(())
        })
        .await
    }

    /// Runs the work until it ends or the operator interrupts it, and gives back the letters.
    async fn run(
        &self,
        work: impl AsyncFn(&ReceivedLetters<'_, Q>, &Cell<bool>) -> Result<(), Failure>,
    ) -> SweepReport {
        let received = ReceivedLetters::new(self.queue);
        let stop = Cell::new(false);
        let mut work = std::pin::pin!(work(&received, &stop));
        let mut interrupted = false;
        let result = tokio::select! {
            result = &mut work => Some(result),
            () = (self.interrupted)() => {
                interrupted = true;
                stop.set(true);
                tokio::select! {
                    result = &mut work => Some(result),
                    () = (self.interrupted)() => None,
                }
            }
        };
        let given_back = result.is_some()
            && tokio::select! {
                given_back = received.give_back() => given_back.is_ok(),
                () = (self.interrupted)() => false,
            };
        self.bar.finish_and_clear();
        let result = result.unwrap_or(Ok(()));
        SweepReport { result, interrupted, given_back, beyond_max: 0 }
    }
}

/// Runs the work several times at once. When one of them fails, it tells the others to stop.
async fn concurrently(
    stop: &Cell<bool>,
    work: impl AsyncFn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let work = async || work().await.inspect_err(|_| stop.set(true));
    let results = join_all((0..MAX_CONCURRENT_VISITS).map(|_| work())).await;
    results.into_iter().collect()
}
