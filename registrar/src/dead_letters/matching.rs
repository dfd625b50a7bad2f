//! All letters that match a selection, for the console: to list them, to see one, and to redrive or purge them
//! after their number was confirmed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
};

use email::{
    dead_letter::attribute,
    ledger::{Reopen, Timeline},
};
use indicatif::ProgressBar;
use time::OffsetDateTime;

use crate::{
    aws_call::CallFailed,
    outcome::Failure,
    text::{on_one_line, without_addresses},
};

use super::{
    letter::Letter,
    queue::{DeadLetterQueue, EmailQueue},
    received::ReceivedLetters,
    redrive::{LetterOutcome, Redriver, description},
    search::FoundLetter,
    selection::Selection,
    show,
    sweep::{Sweep, SweepReport},
};

/// A letter in a list. No field may contain an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedLetter {
    pub(crate) found: FoundLetter,
    pub(crate) attempts: Option<u32>,
    /// When it became a dead letter.
    pub(crate) kept_at: Option<OffsetDateTime>,
}

impl From<&Letter> for ListedLetter {
    fn from(letter: &Letter) -> Self {
        let attempts = letter.attribute(attribute::ATTEMPTS);
        Self {
            found: letter.into(),
            attempts: attempts.and_then(|text| text.parse().ok()),
            kept_at: letter.kept_at(),
        }
    }
}

/// Everything about a letter, with the recipient's address and the email's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetterDetails {
    pub(crate) message_id: String,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// SQS's own attributes.
    pub(crate) queue: BTreeMap<String, String>,
    /// `None` if no worker has claimed the job, or if its entry has expired.
    pub(crate) ledger: Option<BTreeMap<String, String>>,
    pub(crate) body: String,
}

/// What is done with all letters of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Redrive,
    Purge,
}

/// What was done with a letter, or would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handled {
    pub(crate) id: String,
    pub(crate) text: String,
    /// The letter is still on the queue, or would be.
    pub(crate) left: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HandledLetters {
    pub(crate) letters: Vec<Handled>,
    /// Why the action ended early: letters that are not listed are unchanged.
    pub(crate) failure: Option<String>,
}

/// The result of a confirmed action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    Done(HandledLetters),
    /// More letters match than were confirmed. Nothing was changed.
    Grown {
        now: usize,
    },
}

/// The queue of dead letters, and what interrupts a visit to it.
pub(crate) struct DeadLetters<'a, Q, I> {
    pub(crate) queue: &'a Q,
    /// Called again after the first interrupt: see [`Sweep::interrupted`].
    pub(crate) interrupted: I,
}

impl<Q, I, F> DeadLetters<'_, Q, I>
where
    Q: DeadLetterQueue,
    I: Fn() -> F,
    F: Future<Output = ()>,
{
    async fn visit_all(
        &self,
        visit: impl AsyncFn(Vec<Letter>, &ReceivedLetters<'_, Q>) -> Result<(), Failure>,
    ) -> SweepReport {
        let bar = ProgressBar::hidden();
        Sweep { queue: self.queue, bar: &bar, interrupted: || (self.interrupted)() }
            .visit_all(visit)
            .await
    }

    /// Every letter, the latest first.
    pub(crate) async fn list(&self, selection: &Selection) -> Result<Vec<ListedLetter>, Failure> {
        let listed = RefCell::new(Vec::new());
        let report = self
            .visit_all(async |letters, _| {
                let selected = letters.iter().filter(|letter| selection.includes(letter));
                listed.borrow_mut().extend(selected.map(ListedLetter::from));
                Ok(())
            })
            .await;
        complete(report)?;
        let mut listed = listed.into_inner();
        listed.sort_by(|one, other| {
            let by = |letter: &ListedLetter| (letter.kept_at, letter.found.id.clone());
            by(other).cmp(&by(one))
        });
        Ok(listed)
    }

    /// The letters with an id: of the job, of the letter, or of the message that the job came in.
    pub(crate) async fn details(
        &self,
        id: &str,
        ledger: &impl Timeline,
    ) -> Result<Vec<LetterDetails>, Failure> {
        let found = RefCell::new(Vec::new());
        let report = self
            .visit_all(async |letters, _| {
                for letter in letters.iter().filter(|letter| letter.has_id(id)) {
                    let entry = match letter.job_id() {
                        None => None,
                        Some(job_id) => ledger.find(&job_id).await.map_err(|error| {
                            CallFailed::other("reading a job in the ledger", &error)
                        })?,
                    };
                    found.borrow_mut().push(LetterDetails {
                        message_id: letter.message_id().to_owned(),
                        code: letter.error_code().to_owned(),
                        reason: letter.reason().to_owned(),
                        attributes: letter.attributes.clone(),
                        queue: show::system_attributes(letter),
                        ledger: entry.as_ref().map(show::fields),
                        body: show::body(letter),
                    });
                }
                Ok(())
            })
            .await;
        complete(report)?;
        Ok(found.into_inner())
    }

    /// What the action would do with each letter.
    pub(crate) async fn preview(
        &self,
        action: Action,
        selection: &Selection,
        places: (&(impl Reopen + Timeline), &impl EmailQueue),
    ) -> Result<Vec<Handled>, Failure> {
        let (letters, report) = self.act(action, selection, None, places).await;
        complete(report)?;
        Ok(letters)
    }

    /// Redrives or purges what matches, if that is not more than was confirmed. A letter that arrives in the
    /// meantime is left alone.
    pub(crate) async fn apply(
        &self,
        action: Action,
        selection: &Selection,
        confirmed: usize,
        places: (&(impl Reopen + Timeline), &impl EmailQueue),
    ) -> Result<Applied, Failure> {
        let matching = RefCell::new(HashSet::new());
        let report = self
            .visit_all(async |letters, _| {
                let selected = letters.iter().filter(|letter| selection.includes(letter));
                matching.borrow_mut().extend(selected.map(|letter| letter.message_id().to_owned()));
                Ok(())
            })
            .await;
        complete(report)?;
        let matching = matching.into_inner();
        if matching.len() > confirmed {
            return Ok(Applied::Grown { now: matching.len() });
        }
        let (letters, report) = self.act(action, selection, Some(&matching), places).await;
        let failure = match complete(report) {
            Ok(()) => None,
            Err(failure) => Some(failure.to_string()),
        };
        Ok(Applied::Done(HandledLetters { letters, failure }))
    }

    /// With `only`, changes those of the selection that are in it; otherwise changes nothing.
    async fn act(
        &self,
        action: Action,
        selection: &Selection,
        only: Option<&HashSet<String>>,
        places: (&(impl Reopen + Timeline), &impl EmailQueue),
    ) -> (Vec<Handled>, SweepReport) {
        let apply = only.is_some();
        let redriver = Redriver::new(&selection.which, apply, places);
        let handled = RefCell::new(Vec::new());
        let included = |letter: &&Letter| {
            selection.includes(letter) && only.is_none_or(|only| only.contains(letter.message_id()))
        };
        let report = self
            .visit_all(async |letters, received| {
                for letter in letters.iter().filter(included) {
                    let outcome = match action {
                        Action::Redrive => {
                            let outcome = redriver.redrive(letter, received).await;
                            outcome.map(|outcome| {
                                let left = matches!(outcome, LetterOutcome::Left(_));
                                (description(&outcome, letter, apply), left)
                            })
                        }
                        Action::Purge => purged(letter, received, apply).await,
                    };
                    let (text, left) = match &outcome {
                        Ok((text, left)) => (text.clone(), *left),
                        Err(failure) => (format!("failed: {}", plain(&failure.to_string())), true),
                    };
                    handled.borrow_mut().push(Handled { id: letter.id(), text, left });
                    outcome?;
                }
                Ok(())
            })
            .await;
        let mut handled: Vec<Handled> = handled.into_inner();
        handled.sort_by(|one, other| (!one.left, &one.id).cmp(&(!other.left, &other.id)));
        (handled, report)
    }
}

async fn purged(
    letter: &Letter,
    received: &ReceivedLetters<'_, impl DeadLetterQueue>,
    apply: bool,
) -> Result<(String, bool), Failure> {
    let code = plain(letter.error_code());
    if !apply {
        return Ok((format!("would be deleted (was {code})"), false));
    }
    let refused = received.delete(&[letter.message_id()]).await?;
    Ok(match refused.into_iter().next() {
        Some(refused) => (format!("left: it could not be deleted ({})", refused.why), true),
        None => (format!("deleted (was {code})"), false),
    })
}

fn plain(text: &str) -> String {
    without_addresses(&on_one_line(text))
}

/// An interrupt is a failure too: what was not visited is unknown.
fn complete(report: SweepReport) -> Result<(), Failure> {
    let is_complete = report.is_complete();
    report.outcome(false)?;
    if is_complete { Ok(()) } else { Err(Failure::Interrupted) }
}
