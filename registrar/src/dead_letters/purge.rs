//! `registrar dead-letters purge`: deletes letters permanently.

use std::{cell::RefCell, io::Write};

use crate::{
    outcome::{Failure, Outcome},
    text::{letters, on_one_line, without_addresses},
};

use super::{
    letter::Letter, output::Output, queue::DeadLetterQueue, selection::Selection, sweep::Sweep,
};

#[derive(Debug, Default)]
struct Totals {
    deleted: usize,
    left: usize,
}

pub(crate) async fn run<Q, I, F>(
    selection: &Selection,
    apply: bool,
    sweep: &Sweep<'_, Q, I>,
    out: &Output<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let totals: RefCell<Totals> = RefCell::default();
    let missing = RefCell::new(selection.ids().to_vec());
    let done = if apply { "deleted" } else { "would be deleted" };
    let report = sweep
        .visit_selected(selection, async |selected, received| {
            let refused = if apply {
                let ids: Vec<&str> = selected.iter().map(Letter::message_id).collect();
                received.delete(&ids).await?
            } else {
                Vec::new()
            };
            for letter in selected {
                missing.borrow_mut().retain(|id| !letter.has_id(id));
                let refused =
                    refused.iter().find(|refused| refused.message_id == letter.message_id());
                let result = if let Some(refused) = refused {
                    totals.borrow_mut().left += 1;
                    format!("left: it could not be deleted ({})", refused.why)
                } else {
                    totals.borrow_mut().deleted += 1;
                    let code = without_addresses(&on_one_line(letter.error_code()));
                    format!("{done} (was {code})")
                };
                out.line(format_args!("{}  {result}", letter.id()))?;
            }
            Ok(())
        })
        .await;

    let (totals, missing) = (totals.into_inner(), missing.into_inner());
    for id in missing.iter().filter(|_| report.is_complete()) {
        out.line(format_args!("{}  no dead letter has this id", on_one_line(id)))?;
    }
    if apply {
        out.line(format_args!(
            "deleted: {}; left: {}; the ledger keeps a job's reason for 90 days",
            letters(totals.deleted),
            totals.left
        ))?;
    } else {
        out.line(format_args!(
            "would delete {}; the ledger keeps a job's reason for 90 days; nothing was changed, \
             --apply makes the changes",
            letters(totals.deleted)
        ))?;
    }
    report.write_notes(err)?;
    report.outcome(totals.left > 0 || !missing.is_empty())
}
