//! Numbers of letters.

use serde::Serialize;

use crate::text::letters;

use super::{decision::LeftReason, redriver::LetterOutcome};

#[derive(Debug, Default, Serialize)]
pub(super) struct Totals {
    redriven: usize,
    /// Of those redriven.
    may_be_second: usize,
    already_sent: usize,
    pub(super) left: usize,
    /// Of those left.
    may_have_been_sent: usize,
    failed: usize,
    /// Ids that no letter has.
    pub(super) not_found: usize,
}

impl Totals {
    pub(super) fn count(&mut self, outcome: &LetterOutcome) {
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
            LetterOutcome::Failed(_) => self.failed += 1,
        }
    }

    pub(super) fn summary(&self, apply: bool) -> String {
        let Self { redriven, already_sent, left, failed, .. } = self;
        let among = |count: usize, what: &str| match count {
            0 => String::new(),
            count => format!(" ({count} of them may {what})"),
        };
        let second = among(self.may_be_second, "be sent a second time");
        let unsure = among(self.may_have_been_sent, "have been sent");
        let failed = if *failed > 0 { format!("; failed: {failed}") } else { String::new() };
        if apply {
            format!(
                "redriven: {}{second}; deleted as already sent: {already_sent}; left: {left}{unsure}{failed}",
                letters(*redriven)
            )
        } else {
            format!(
                "would redrive {}{second}, delete {already_sent} as already sent, and leave {left}{unsure}{failed}; \
                 nothing was changed, --apply makes the changes",
                letters(*redriven)
            )
        }
    }
}
