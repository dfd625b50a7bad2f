//! Carries out the lines of a class, several at the same time.
//!
//! A line whose call failed is repeated, which is safe: its result is final only when it is known. After a failure there
//! is a pause, and fewer lines at the same time: so a table that throttles the run gets less of it. While lines succeed,
//! there are more again.

#[cfg(test)]
mod tests;

use std::{cell::Cell, collections::VecDeque, io, time::Duration};

use enrollment::operator::class::LineResult;
use futures_util::future::join_all;
use unavailable::Unavailable;

use crate::clock;

/// Each has up to five calls, one after the other. As many as the resumer has payments at the same time.
const MAX_CONCURRENT_LINES: usize = 16;

/// Tries of one line. Then it has no result, and the lines after it go on.
const MAX_TRIES: u32 = 5;

/// Rounds in a row in which no line succeeded. Then AWS, and not a line, is taken as the cause.
const MAX_IDLE_ROUNDS: u32 = 5;

/// After a round with a failure; doubled with every idle round after the first.
const PAUSE: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Every line has its result, except those that failed each time.
    Complete,
    Interrupted,
    /// No line succeeded any more.
    Stopped(Unavailable),
}

/// Of a run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    /// Lines that failed each time, with the last error.
    pub(super) failed: Vec<(u64, String)>,
}

struct Waiting<L> {
    number: u64,
    line: L,
    tries: u32,
}

/// Carries out lines, and records the result of each as soon as it is known. Begins no line once `stop` is set.
///
/// # Errors
///
/// A result could not be recorded.
pub(super) async fn run<L>(
    lines: impl Iterator<Item = (u64, L)>,
    act: impl AsyncFn(&L) -> Result<LineResult, Unavailable>,
    mut record: impl FnMut(u64, &L, LineResult) -> io::Result<()>,
    stop: &Cell<bool>,
) -> io::Result<Ran> {
    let mut lines = lines.map(|(number, line)| Waiting { number, line, tries: 0 });
    let (mut again, mut failed) = (VecDeque::new(), Vec::new());
    let (mut allowed, mut idle_rounds) = (MAX_CONCURRENT_LINES, 0);
    let ended = loop {
        if stop.get() {
            break Ended::Interrupted;
        }
        let mut round = Vec::new();
        while round.len() < allowed {
            let Some(next) = again.pop_front().or_else(|| lines.next()) else { break };
            round.push(next);
        }
        if round.is_empty() {
            break Ended::Complete;
        }
        let size = round.len();
        let results = join_all(round.iter().map(|waiting| act(&waiting.line))).await;
        let mut errors = Vec::new();
        for (waiting, result) in round.into_iter().zip(results) {
            match result {
                Ok(result) => record(waiting.number, &waiting.line, result)?,
                Err(error) => {
                    let tries = waiting.tries + 1;
                    if tries < MAX_TRIES {
                        again.push_back(Waiting { tries, ..waiting });
                    } else {
                        failed.push((waiting.number, error.to_string()));
                    }
                    errors.push(error);
                }
            }
        }
        let are_all_failed = errors.len() == size;
        let Some(last) = errors.pop() else {
            (allowed, idle_rounds) = ((allowed + 1).min(MAX_CONCURRENT_LINES), 0);
            continue;
        };
        idle_rounds = if are_all_failed { idle_rounds + 1 } else { 0 };
        if idle_rounds == MAX_IDLE_ROUNDS {
            break Ended::Stopped(last);
        }
        allowed = (allowed / 2).max(1);
        clock::pause(PAUSE * (1 << idle_rounds.saturating_sub(1))).await;
    };
    Ok(Ran { ended, failed })
}
