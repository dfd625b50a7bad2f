//! `registrar dead-letters purge`: letters are deleted for good.

use std::{cell::RefCell, io::Write};

use crate::{
    Failure, Outcome,
    text::{letters, on_one_line, without_addresses},
};

use super::{
    Out,
    letter::{Selection, is_named},
    queue::Letters,
    sweep::Run,
};

#[derive(Debug, Default)]
struct Sums {
    deleted: usize,
    left: usize,
}

pub(crate) async fn run<Q, I, F>(
    selection: &Selection,
    apply: bool,
    run: &Run<'_, Q, I>,
    out: &Out<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: Letters,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    let sums: RefCell<Sums> = RefCell::default();
    let missing = RefCell::new(selection.ids().to_vec());
    let done = if apply { "deleted" } else { "would be deleted" };
    let swept = run
        .sweep(async |letters, in_hand| {
            let chosen: Vec<_> = letters.iter().filter(|letter| selection.has(letter)).collect();
            let refused = if apply {
                let ids: Vec<&str> = chosen.iter().map(|letter| letter.message_id()).collect();
                in_hand.delete(&ids).await?
            } else {
                Vec::new()
            };
            for letter in chosen {
                missing.borrow_mut().retain(|id| !is_named(letter, id));
                let refused =
                    refused.iter().find(|refused| refused.message_id == letter.message_id());
                let told = if let Some(refused) = refused {
                    sums.borrow_mut().left += 1;
                    format!("left: it could not be deleted ({})", refused.why)
                } else {
                    sums.borrow_mut().deleted += 1;
                    let code = without_addresses(&on_one_line(letter.code()));
                    format!("{done} (was {code})")
                };
                out.line(format_args!("{}  {told}", letter.name()))?;
            }
            Ok(())
        })
        .await;

    let (sums, missing) = (sums.into_inner(), missing.into_inner());
    for id in missing.iter().filter(|_| swept.is_whole()) {
        out.line(format_args!("{}  no dead letter has this id", on_one_line(id)))?;
    }
    if apply {
        out.line(format_args!(
            "deleted: {}; left: {}; the ledger keeps a job's reason for 90 days",
            letters(sums.deleted),
            sums.left
        ))?;
    } else {
        out.line(format_args!(
            "would delete {}, of whose jobs the ledger keeps the reason for 90 days; \
             nothing was changed, --apply does it",
            letters(sums.deleted)
        ))?;
    }
    swept.write_notes(err)?;
    swept.outcome(sums.left > 0 || !missing.is_empty())
}
