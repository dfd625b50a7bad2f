//! What the console asks of the deployed stack, over the same calls as the commands. The pages know only this.
//!
//! A call blocks its thread: the commands' futures stay on one thread, and the server runs each call on a thread of
//! its own.

use adapters::tables::{JobFilter, JobPage};
use email::JobId;

use crate::{
    dead_letters::{Action, Applied, Handled, LetterDetails, ListedLetter, Selection},
    enrollments::Unfinished,
    outcome::Failure,
    sending::Sending,
    why::facts::{Facts, Subject},
};

pub(super) trait Calls: Send + Sync {
    /// The holds, the queue and the limit.
    fn sending(&self) -> Result<Sending, Failure>;

    /// What `why` and `timeline` know, and notes on what is missing.
    fn about(&self, subject: Subject) -> Result<(Facts, Vec<String>), Failure>;

    /// One page of the ledger's entries.
    fn jobs(&self, filter: &JobFilter, after: Option<&JobId>) -> Result<JobPage, Failure>;

    fn letters(&self, selection: &Selection) -> Result<Vec<ListedLetter>, Failure>;

    /// The letters with an id: usually one.
    fn letter(&self, id: &str) -> Result<Vec<LetterDetails>, Failure>;

    /// What an action would do. Changes nothing.
    fn preview(&self, action: Action, selection: &Selection) -> Result<Vec<Handled>, Failure>;

    /// Does it, if no more letters match than were confirmed.
    fn apply(
        &self,
        action: Action,
        selection: &Selection,
        confirmed: usize,
    ) -> Result<Applied, Failure>;

    fn unfinished(&self) -> Result<Unfinished, Failure>;

    /// Returns what to tell the operator.
    fn hold(&self, reason: &str) -> Result<String, Failure>;

    /// Returns what to tell the operator.
    fn release(&self) -> Result<String, Failure>;
}
