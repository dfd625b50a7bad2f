//! Searches the dead-letter queue for other commands.

use std::{cell::RefCell, future};

use email::{Job, JobId};
use indicatif::ProgressBar;
use time::OffsetDateTime;

use crate::{
    aws_call::CallFailed,
    outcome::Failure,
    text::{on_one_line, without_addresses},
};

use super::{letter::Letter, queue::DeadLetterQueue, received::ReceivedLetters, sweep::Sweep};

/// A dead letter, without its body. No field may contain an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundLetter {
    /// The job's id, otherwise the letter's.
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) reason: String,
    /// When it was last attempted.
    pub(crate) at: Option<OffsetDateTime>,
}

/// What a letter must have to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Job(JobId),
    /// The recipient, in any letter case.
    Recipient(String),
}

impl Wanted {
    fn is(&self, letter: &Letter) -> bool {
        match self {
            Self::Job(id) => letter.has_id(id.as_str()),
            Self::Recipient(address) => Job::parse(&letter.body)
                .is_ok_and(|job| job.to.as_str().eq_ignore_ascii_case(address)),
        }
    }
}

impl From<&Letter> for FoundLetter {
    fn from(letter: &Letter) -> Self {
        let plain = |text: &str| without_addresses(&on_one_line(text));
        Self {
            id: letter.id(),
            code: plain(letter.error_code()),
            reason: plain(letter.reason()),
            at: letter.time(email::dead_letter::attribute::LAST_ATTEMPT_AT),
        }
    }
}

/// Receives every letter once, and gives all of them back.
pub(crate) async fn search(
    queue: &impl DeadLetterQueue,
    wanted: &Wanted,
) -> Result<Vec<FoundLetter>, Failure> {
    let bar = ProgressBar::hidden();
    let sweep = Sweep { queue, bar: &bar, interrupted: future::pending::<()> };
    let found = RefCell::new(Vec::new());
    let report = sweep
        .visit_all(async |letters, _| {
            let wanted = letters.iter().filter(|letter| wanted.is(letter));
            found.borrow_mut().extend(wanted.map(FoundLetter::from));
            Ok(())
        })
        .await;
    report.outcome(false)?;
    Ok(found.into_inner())
}

/// Up to ten letters, as SQS chooses them; the last attempt first. All are given back.
pub(crate) async fn sample(queue: &impl DeadLetterQueue) -> Result<Vec<FoundLetter>, CallFailed> {
    let received = ReceivedLetters::new(queue);
    let letters = received.receive().await?.unwrap_or_default();
    let mut found: Vec<_> = letters.iter().map(FoundLetter::from).collect();
    received.give_back().await?;
    found.sort_by_key(|letter| std::cmp::Reverse(letter.at));
    Ok(found)
}
