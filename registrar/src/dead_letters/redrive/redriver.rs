//! The steps of a redrive, for one letter.

use std::{cell::RefCell, collections::HashSet};

use email::{
    JobId,
    ledger::{Entry, Reopen, Reopened, State, Timeline},
};

use crate::{
    aws_call::CallFailed,
    clock,
    dead_letters::{
        letter::Letter,
        queue::{DeadLetterQueue, EmailQueue},
        received::ReceivedLetters,
        selection::Which,
    },
    outcome::Failure,
};

use super::decision::{Decision, Known, LeftReason, decide};

/// What was done with a letter. In a dry run: what would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LetterOutcome {
    /// The job is on the email queue, and the letter is deleted.
    Redriven {
        /// It is unknown whether the email was sent before.
        may_be_second: bool,
    },
    /// The provider has accepted the email, and the letter is deleted.
    AlreadySent(State),
    Left(LeftReason),
    /// A call failed, with this error. The letter is still on its queue.
    Failed(String),
}

pub(crate) struct Redriver<'a, L, E> {
    which: &'a Which,
    /// `false` for a dry run.
    apply: bool,
    ledger: &'a L,
    emails: &'a E,
    /// A job that fails again may be a dead letter again while the command is still running: it is redriven
    /// once.
    redriven: RefCell<HashSet<JobId>>,
}

impl<'a, L, E> Redriver<'a, L, E>
where
    L: Reopen + Timeline,
    E: EmailQueue,
{
    pub(crate) fn new(which: &'a Which, apply: bool, (ledger, emails): (&'a L, &'a E)) -> Self {
        Self { which, apply, ledger, emails, redriven: RefCell::default() }
    }

    /// Redrives a letter of the selection. After an `Err` the letter is still on its queue.
    pub(crate) async fn redrive(
        &self,
        letter: &Letter,
        received: &ReceivedLetters<'_, impl DeadLetterQueue>,
    ) -> Result<LetterOutcome, Failure> {
        let known = match &letter.job {
            Err(_) => None,
            Ok(job_id) => self.known(job_id).await?,
        };
        let (job_id, may_be_second) = match decide(letter, self.which, known, clock::now()) {
            Decision::Leave(why) => return Ok(LetterOutcome::Left(why)),
            Decision::Delete(state) => return self.delete(letter, received, state).await,
            Decision::Send { job_id, may_be_second } => (job_id, may_be_second),
        };
        if !self.redriven.borrow_mut().insert(job_id.clone()) {
            return Ok(LetterOutcome::Left(LeftReason::AnotherLetter));
        }
        if !self.apply {
            return Ok(LetterOutcome::Redriven { may_be_second });
        }
        match self.reopen(job_id).await? {
            Reopened::Accepted(state) => return self.delete(letter, received, state).await,
            Reopened::InProgress { until } => {
                return Ok(LetterOutcome::Left(LeftReason::InProgress { until }));
            }
            Reopened::Ready => {}
        }
        self.emails.send(&letter.body).await?;
        // The job is on the queue: a failed deletion must not be reported as a failed redrive.
        let why = match received.delete(&[letter.message_id()]).await {
            Ok(refused) => match refused.into_iter().next() {
                None => return Ok(LetterOutcome::Redriven { may_be_second }),
                Some(refused) => refused.why,
            },
            Err(error) => error.to_string(),
        };
        Ok(LetterOutcome::Left(LeftReason::NotDeleted(why)))
    }

    async fn known(&self, job_id: &JobId) -> Result<Option<Known>, CallFailed> {
        let entry = self.ledger.find(job_id).await;
        let entry = entry.map_err(|error| CallFailed::other("reading a job in the ledger", &error));
        let known =
            |entry: Entry| Known { state: entry.state, announced: entry.announced.is_some() };
        Ok(entry?.map(known))
    }

    async fn reopen(&self, job_id: &JobId) -> Result<Reopened, CallFailed> {
        let reopened = self.ledger.reopen(job_id, clock::now()).await;
        reopened.map_err(|error| CallFailed::other("reopening a job in the ledger", &error))
    }

    async fn delete(
        &self,
        letter: &Letter,
        received: &ReceivedLetters<'_, impl DeadLetterQueue>,
        state: State,
    ) -> Result<LetterOutcome, Failure> {
        if self.apply {
            let refused = received.delete(&[letter.message_id()]).await?;
            if let Some(refused) = refused.into_iter().next() {
                return Ok(LetterOutcome::Left(LeftReason::NotDeleted(refused.why)));
            }
        }
        Ok(LetterOutcome::AlreadySent(state))
    }
}
