//! `registrar dead-letters redrive`: puts jobs back on the email queue.
//!
//! For each letter, in this order: the job is reopened in the ledger, so that a worker can claim it; the
//! job is put on the email queue; the letter is deleted. After a crash between two steps the letter is
//! still there, and redriving it again is harmless: the job's id is its idempotency key, so a job that is
//! on the queue twice is sent once.

mod decision;
mod redriver;

use std::{cell::RefCell, io::Write};

use email::ledger::{Reopen, Timeline};
use futures_util::future::join_all;

use crate::{
    outcome::{Failure, Outcome},
    text::{letters, on_one_line, without_addresses},
};

pub(super) use self::redriver::{LetterOutcome, Redriver};

use self::decision::LeftReason;
use super::{
    letter::Letter,
    output::Output,
    queue::{DeadLetterQueue, EmailQueue},
    received::ReceivedLetters,
    selection::Selection,
    sweep::Sweep,
};

/// Numbers of letters.
#[derive(Debug, Default)]
struct Totals {
    redriven: usize,
    /// Of those redriven.
    may_be_second: usize,
    already_sent: usize,
    left: usize,
    /// Of those left.
    may_have_been_sent: usize,
}

impl Totals {
    fn count(&mut self, outcome: &LetterOutcome) {
        match outcome {
            LetterOutcome::Redriven { may_be_second } => {
                self.redriven += 1;
                self.may_be_second += usize::from(*may_be_second);
            }
            LetterOutcome::AlreadySent(_) => self.already_sent += 1,
            LetterOutcome::Left(why) => {
                self.left += 1;
                self.may_have_been_sent += usize::from(*why == LeftReason::MayHaveBeenSent);
            }
        }
    }

    fn summary(&self, apply: bool) -> String {
        let Self { redriven, may_be_second, already_sent, left, may_have_been_sent } = self;
        let second = if *may_be_second > 0 {
            format!(" ({may_be_second} of them may be sent a second time)")
        } else {
            String::new()
        };
        let unsure = if *may_have_been_sent > 0 {
            format!(" ({may_have_been_sent} of them may have been sent)")
        } else {
            String::new()
        };
        if apply {
            format!(
                "redriven: {}{second}; deleted as already sent: {already_sent}; left: {left}{unsure}",
                letters(*redriven)
            )
        } else {
            format!(
                "would redrive {}{second}, delete {already_sent} as already sent, and leave {left}{unsure}; \
                 nothing was changed, --apply makes the changes",
                letters(*redriven)
            )
        }
    }
}

pub(crate) async fn run<Q, I, F, L, E>(
    selection: &Selection,
    apply: bool,
    sweep: &Sweep<'_, Q, I>,
    ledger_and_emails: (&L, &E),
    out: &Output<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
    L: Reopen + Timeline,
    E: EmailQueue,
{
    let redriver = Redriver::new(selection, apply, ledger_and_emails);
    let totals: RefCell<Totals> = RefCell::default();
    let missing = RefCell::new(selection.ids().to_vec());
    let redrive = async |letter: &Letter, received: &ReceivedLetters<'_, Q>| {
        missing.borrow_mut().retain(|id| !letter.has_id(id));
        let outcome = redriver.redrive(letter, received).await?;
        totals.borrow_mut().count(&outcome);
        out.line(format_args!("{}  {}", letter.id(), description(&outcome, letter, apply)))?;
        Ok(())
    };
    let report = sweep
        .visit_all(async |letters, received| {
            let selected = letters.iter().filter(|letter| selection.includes(letter));
            let results = join_all(selected.map(|letter| redrive(letter, received))).await;
            results.into_iter().collect()
        })
        .await;

    let (totals, missing) = (totals.into_inner(), missing.into_inner());
    for id in missing.iter().filter(|_| report.is_complete()) {
        out.line(format_args!("{}  no dead letter has this id", on_one_line(id)))?;
    }
    out.line(totals.summary(apply))?;
    let left = !missing.is_empty() || (apply && totals.left > 0);
    report.write_notes(err)?;
    report.outcome(left)
}

pub(super) fn description(outcome: &LetterOutcome, letter: &Letter, apply: bool) -> String {
    match outcome {
        LetterOutcome::Redriven { may_be_second } => {
            let done =
                if apply { "put back on the queue" } else { "would be put back on the queue" };
            let code = without_addresses(&on_one_line(letter.error_code()));
            let second = match (may_be_second, apply) {
                (false, _) => "",
                (true, false) => "; MAY SEND A SECOND EMAIL: it is unknown whether it was sent",
                (true, true) => "; it may be a second email",
            };
            format!("{done} (was {code}){second}")
        }
        LetterOutcome::AlreadySent(state) => {
            let done = if apply { "is deleted" } else { "would be deleted" };
            format!("already sent ({}): the letter {done}", state.name())
        }
        LetterOutcome::Left(why) => format!("left: {why}"),
    }
}
