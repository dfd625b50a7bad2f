//! What a redrive prints: per letter a line or a JSON object, and the totals.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use serde_json::{Value, json};

use crate::{
    dead_letters::{letter::Letter, output::Output},
    text::{on_one_line, without_addresses},
};

use super::{redriver::LetterOutcome, totals::Totals};

pub(crate) struct Report<'a, 'o, W> {
    out: &'a Output<'o, W>,
    /// `false` for a dry run.
    apply: bool,
    json: bool,
    totals: RefCell<Totals>,
    /// For people: lines about the letters that were left or failed. They follow the others, so that no letter is
    /// overlooked among thousands.
    unfinished: RefCell<Vec<String>>,
}

impl<'a, 'o, W: Write> Report<'a, 'o, W> {
    pub(crate) fn new(out: &'a Output<'o, W>, apply: bool, json: bool) -> Self {
        Self { out, apply, json, totals: RefCell::default(), unfinished: RefCell::default() }
    }

    pub(super) fn applies(&self) -> bool {
        self.apply
    }

    pub(super) fn letter(&self, letter: &Letter, outcome: &LetterOutcome) -> io::Result<()> {
        self.totals.borrow_mut().count(outcome);
        if self.json {
            return self.out.line(object(letter, outcome));
        }
        let line = format!("{}  {}", letter.id(), description(outcome, letter, self.apply));
        match outcome {
            LetterOutcome::Redriven { .. } | LetterOutcome::AlreadySent(_) => self.out.line(line),
            LetterOutcome::Left(_) | LetterOutcome::Failed(_) => {
                self.unfinished.borrow_mut().push(line);
                Ok(())
            }
        }
    }

    /// Ids of the selection that no letter has.
    pub(super) fn not_found(&self, ids: &[String]) -> io::Result<()> {
        self.totals.borrow_mut().not_found += ids.len();
        for id in ids.iter().map(|id| on_one_line(id)) {
            if self.json {
                self.out.line(json!({"id": id, "result": "not_found"}))?;
            } else {
                self.unfinished.borrow_mut().push(format!("{id}  no dead letter has this id"));
            }
        }
        Ok(())
    }

    /// The last lines. Returns whether letters were left.
    pub(super) fn end(&self) -> io::Result<bool> {
        let totals = self.totals.borrow();
        if self.json {
            let mut summary = json!(&*totals);
            summary["applied"] = self.apply.into();
            self.out.line(json!({"summary": summary}))?;
        } else {
            let unfinished = self.unfinished.take();
            if !unfinished.is_empty() {
                self.out.line("\nleft or failed:")?;
            }
            for line in unfinished {
                self.out.line(line)?;
            }
            self.out.line(totals.summary(self.apply))?;
        }
        Ok(totals.not_found > 0 || (self.apply && totals.left > 0))
    }
}

fn object(letter: &Letter, outcome: &LetterOutcome) -> Value {
    let mut object = json!({
        "id": letter.id(),
        "message_id": letter.message_id(),
        "error_code": plain(letter.error_code()),
    });
    match outcome {
        LetterOutcome::Redriven { may_be_second } => {
            object["result"] = "redriven".into();
            object["may_be_second"] = (*may_be_second).into();
        }
        LetterOutcome::AlreadySent(state) => {
            object["result"] = "already_sent".into();
            object["state"] = state.name().into();
        }
        LetterOutcome::Left(why) => {
            object["result"] = "left".into();
            object["left_because"] = why.code().into();
            object["reason"] = why.to_string().into();
        }
        LetterOutcome::Failed(error) => {
            object["result"] = "failed".into();
            object["reason"] = plain(error).into();
        }
    }
    object
}

pub(crate) fn description(outcome: &LetterOutcome, letter: &Letter, apply: bool) -> String {
    match outcome {
        LetterOutcome::Redriven { may_be_second } => {
            let done =
                if apply { "put back on the queue" } else { "would be put back on the queue" };
            let code = plain(letter.error_code());
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
        LetterOutcome::Failed(error) => format!(
            "failed: {}; it is still a dead letter, and redriving it again is harmless",
            plain(error)
        ),
    }
}

/// The provider's and SQS's texts may have addresses and line breaks.
fn plain(text: &str) -> String {
    without_addresses(&on_one_line(text))
}
