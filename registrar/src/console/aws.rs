//! The calls on a deployed stack.

use std::sync::Arc;

use adapters::{
    clients,
    tables::{EmailsTable, JobFilter, JobPage, JobSearch},
};
use email::JobId;
use tokio::runtime::Handle;

use crate::{
    account::Account,
    aws_call::CallFailed,
    clock,
    dead_letters::{
        Action, Applied, DeadLetters, Handled, LetterDetails, ListedLetter, Selection,
        SqsDeadLetterQueue, SqsEmailQueue,
    },
    enrollments::{self, Unfinished},
    holds,
    outcome::Failure,
    sending::Sending,
    stack::Stack,
    why::{
        facts::{Facts, Subject},
        gather::gather,
    },
};

use super::{calls::Calls, stop::Stopping};

pub(super) struct AwsCalls {
    pub(super) stack: Arc<Stack>,
    /// Drives the connections and timeouts of the calls.
    pub(super) runtime: Handle,
    pub(super) stopping: Stopping,
}

impl AwsCalls {
    /// Ctrl-C ends a call that changes nothing.
    fn read<T, E: Into<Failure>>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                result = call => result.map_err(Into::into),
                () = self.stopping.pressed(1) => Err(Failure::Interrupted),
            }
        })
    }

    fn dead_letter_queue(&self) -> Result<SqsDeadLetterQueue, Failure> {
        Ok(SqsDeadLetterQueue::new(self.stack.sqs(), self.stack.dead_letter_queue_url()?))
    }

    fn places(&self) -> Result<(EmailsTable, SqsEmailQueue), Failure> {
        let emails = SqsEmailQueue::new(self.stack.sqs(), self.stack.email_queue_url()?);
        Ok((self.stack.ledger()?, emails))
    }
}

impl Calls for AwsCalls {
    fn sending(&self) -> Result<Sending, Failure> {
        self.read(async {
            let account = Account::read(self.stack.sdk()).await.ok();
            Sending::read(&self.stack, account.as_ref()).await
        })
    }

    fn about(&self, subject: Subject) -> Result<(Facts, Vec<String>), Failure> {
        self.read(gather(&self.stack, subject, clock::now()))
    }

    fn jobs(&self, filter: &JobFilter, after: Option<&JobId>) -> Result<JobPage, Failure> {
        let table = self.stack.output("EmailsTableName")?;
        let search = JobSearch::new(clients::dynamodb(self.stack.sdk()), table);
        self.read(async {
            let page = search.page(filter, after).await;
            page.map_err(|error| CallFailed::other("searching the ledger", &error))
        })
    }

    fn letters(&self, selection: &Selection) -> Result<Vec<ListedLetter>, Failure> {
        let queue = self.dead_letter_queue()?;
        let letters = DeadLetters { queue: &queue, interrupted: self.stopping.each_press() };
        self.runtime.block_on(letters.list(selection))
    }

    fn letter(&self, id: &str) -> Result<Vec<LetterDetails>, Failure> {
        let (queue, ledger) = (self.dead_letter_queue()?, self.stack.ledger()?);
        let letters = DeadLetters { queue: &queue, interrupted: self.stopping.each_press() };
        self.runtime.block_on(letters.details(id, &ledger))
    }

    fn preview(&self, action: Action, selection: &Selection) -> Result<Vec<Handled>, Failure> {
        let (queue, (ledger, emails)) = (self.dead_letter_queue()?, self.places()?);
        let letters = DeadLetters { queue: &queue, interrupted: self.stopping.each_press() };
        self.runtime.block_on(letters.preview(action, selection, (&ledger, &emails)))
    }

    fn apply(
        &self,
        action: Action,
        selection: &Selection,
        confirmed: usize,
    ) -> Result<Applied, Failure> {
        let (queue, (ledger, emails)) = (self.dead_letter_queue()?, self.places()?);
        let letters = DeadLetters { queue: &queue, interrupted: self.stopping.each_press() };
        self.runtime.block_on(letters.apply(action, selection, confirmed, (&ledger, &emails)))
    }

    fn unfinished(&self) -> Result<Unfinished, Failure> {
        let index = self.stack.resume_index()?;
        self.read(enrollments::unfinished(&index))
    }

    fn hold(&self, reason: &str) -> Result<String, Failure> {
        self.runtime.block_on(holds::hold_stack(&self.stack, reason, clock::now()))
    }

    fn release(&self) -> Result<String, Failure> {
        self.runtime.block_on(holds::release_stack(&self.stack, clock::now()))
    }
}
