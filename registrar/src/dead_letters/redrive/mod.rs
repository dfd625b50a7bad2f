//! `registrar dead-letters redrive`: puts jobs back on the email queue.
//!
//! For each letter, in this order: the job is reopened in the ledger, so that a worker can claim it; the
//! job is put on the email queue; the letter is deleted. After a crash between two steps the letter is
//! still there, and redriving it again is harmless: the job's id is its idempotency key, so a job that is
//! on the queue twice is sent once.

mod decision;
mod redriver;
mod report;
mod totals;

use std::{cell::RefCell, io::Write};

use email::ledger::{Reopen, Timeline};
use futures_util::future::join_all;

use crate::outcome::{Failure, Outcome};

pub(crate) use self::report::Report;
pub(super) use self::{
    redriver::{LetterOutcome, Redriver},
    report::description,
};

use super::{
    letter::Letter,
    queue::{DeadLetterQueue, EmailQueue},
    received::ReceivedLetters,
    selection::Selection,
    sweep::Sweep,
};

pub(crate) async fn run<Q, I, F, L, E>(
    selection: &Selection,
    sweep: &Sweep<'_, Q, I>,
    ledger_and_emails: (&L, &E),
    report: &Report<'_, '_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
    L: Reopen + Timeline,
    E: EmailQueue,
{
    let redriver = Redriver::new(&selection.which, report.applies(), ledger_and_emails);
    let missing = RefCell::new(selection.ids().to_vec());
    let redrive = async |letter: &Letter, received: &ReceivedLetters<'_, Q>| {
        missing.borrow_mut().retain(|id| !letter.has_id(id));
        match redriver.redrive(letter, received).await {
            Ok(outcome) => Ok(report.letter(letter, &outcome)?),
            Err(failure) => {
                report.letter(letter, &LetterOutcome::Failed(failure.to_string()))?;
                Err(failure)
            }
        }
    };
    let swept = sweep
        .visit_selected(selection, async |letters, received| {
            let results = join_all(letters.iter().map(|letter| redrive(letter, received))).await;
            results.into_iter().collect()
        })
        .await;

    let missing = missing.into_inner();
    if swept.is_complete() {
        report.not_found(&missing)?;
    }
    let left = report.end()?;
    swept.write_notes(err)?;
    swept.outcome(left)
}
