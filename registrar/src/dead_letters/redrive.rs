//! `registrar dead-letters redrive`: jobs go back to the email queue.
//!
//! For each letter, in this order: the ledger lets the job be claimed again, the job is put on the
//! queue, the letter is deleted. A crash after any step leaves the letter, and doing it all again is
//! harmless: the job's id is the idempotency key, and whatever the queue holds twice is sent once.

use std::{cell::RefCell, collections::HashSet, fmt, io::Write};

use email::{
    JobId,
    dead_letter::OUTCOME_UNKNOWN,
    ledger::{Reopen, Reopened, State, Timeline},
};
use futures_util::future::join_all;
use time::OffsetDateTime;

use crate::{
    Failure, Outcome,
    aws_call::CallFailed,
    text::{letters, on_one_line, to_the_minute, without_addresses},
};

use super::{
    Out,
    in_hand::InHand,
    letter::{Letter, Selection, is_named},
    queue::{Jobs, Letters},
    sweep::Run,
};

/// What becomes of a letter. In a dry run: what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its job is on the queue again, and the letter is deleted.
    Redriven {
        /// Nobody knows whether the email was sent before.
        may_be_a_second: bool,
    },
    /// The provider has accepted the email: the letter is deleted.
    SentAlready(State),
    /// It stays.
    Left(Why),
}

/// Why a letter stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The body is no job, and would only come back.
    Malformed(String),
    /// The email may have been sent, and the operator has not said that it may be sent again.
    MayHaveBeenSent,
    /// It is being tried.
    InProgress {
        /// When that ends at the latest.
        until: OffsetDateTime,
    },
    /// This run has redriven the job by another letter of it.
    AnotherLetter,
    /// All is done for its job, and the letter could not be deleted.
    NotDeleted(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => {
                write!(f, "{why}: it can never be sent, and would only come back")
            }
            Self::MayHaveBeenSent => write!(
                f,
                "it may have been sent; --id, or --reason {OUTCOME_UNKNOWN}, sends it all the same"
            ),
            Self::InProgress { until } => write!(
                f,
                "it is being tried, until {} at the latest; try again later",
                to_the_minute(*until)
            ),
            Self::AnotherLetter => {
                f.write_str("its job was redriven by another letter just now; try again later")
            }
            Self::NotDeleted(why) => write!(
                f,
                "all is done for its job, and the letter could not be deleted ({why}); \
                 redriving it again is harmless"
            ),
        }
    }
}

/// What is to be done with a letter that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan<'a> {
    /// Open the job, put it on the queue, delete the letter.
    Send { job_id: &'a JobId, may_be_a_second: bool },
    /// Delete the letter.
    Delete(State),
    /// Nothing.
    Leave(Why),
}

fn plan<'a>(letter: &'a Letter, selection: &Selection, known: Option<State>) -> Plan<'a> {
    let job_id = match &letter.job {
        Err(why) => return Plan::Leave(Why::Malformed(why.to_string())),
        Ok(job_id) => job_id,
    };
    // An older letter of a job may tell of an earlier attempt than the ledger does.
    let may_be_a_second = letter.code() == OUTCOME_UNKNOWN || known == Some(State::Unknown);
    if may_be_a_second && !selection.takes_what_may_have_been_sent() {
        return Plan::Leave(Why::MayHaveBeenSent);
    }
    match known {
        Some(state) if state.was_accepted() => Plan::Delete(state),
        _ => Plan::Send { job_id, may_be_a_second },
    }
}

/// A redrive, for one letter after another.
pub(crate) struct Redrive<'a, L, J> {
    pub(crate) selection: &'a Selection,
    /// Whether it is done, rather than told.
    pub(crate) apply: bool,
    pub(crate) ledger: &'a L,
    pub(crate) jobs: &'a J,
    /// A hopeless job may be back while the run goes on: once is enough.
    redriven: RefCell<HashSet<JobId>>,
}

impl<'a, L, J> Redrive<'a, L, J>
where
    L: Reopen + Timeline,
    J: Jobs,
{
    pub(crate) fn new(selection: &'a Selection, apply: bool, ledger: &'a L, jobs: &'a J) -> Self {
        Self { selection, apply, ledger, jobs, redriven: RefCell::default() }
    }

    /// Sees to a letter that was asked for. After an `Err` the letter is still there.
    pub(crate) async fn letter(
        &self,
        letter: &Letter,
        in_hand: &InHand<'_, impl Letters>,
    ) -> Result<Fate, Failure> {
        let known = match &letter.job {
            Err(_) => None,
            Ok(job_id) => self.state(job_id).await?,
        };
        let (job_id, may_be_a_second) = match plan(letter, self.selection, known) {
            Plan::Leave(why) => return Ok(Fate::Left(why)),
            Plan::Delete(state) => return self.delete(letter, in_hand, state).await,
            Plan::Send { job_id, may_be_a_second } => (job_id, may_be_a_second),
        };
        if !self.redriven.borrow_mut().insert(job_id.clone()) {
            return Ok(Fate::Left(Why::AnotherLetter));
        }
        if !self.apply {
            return Ok(Fate::Redriven { may_be_a_second });
        }
        match self.reopen(job_id).await? {
            Reopened::Accepted(state) => return self.delete(letter, in_hand, state).await,
            Reopened::InProgress { until } => return Ok(Fate::Left(Why::InProgress { until })),
            Reopened::Ready => {}
        }
        self.jobs.send(&letter.body).await?;
        // It is on the queue: whatever happens to the letter is no reason to say that it is not.
        let why = match in_hand.delete(&[letter.message_id()]).await {
            Ok(refused) => match refused.into_iter().next() {
                None => return Ok(Fate::Redriven { may_be_a_second }),
                Some(refused) => refused.why,
            },
            Err(error) => error.to_string(),
        };
        Ok(Fate::Left(Why::NotDeleted(why)))
    }

    async fn state(&self, job_id: &JobId) -> Result<Option<State>, CallFailed> {
        let entry = self.ledger.find(job_id).await;
        let entry = entry.map_err(|error| CallFailed::other("asking the ledger of a job", &error));
        Ok(entry?.map(|entry| entry.state))
    }

    async fn reopen(&self, job_id: &JobId) -> Result<Reopened, CallFailed> {
        let reopened = self.ledger.reopen(job_id, OffsetDateTime::now_utc()).await;
        reopened.map_err(|error| CallFailed::other("opening a job again in the ledger", &error))
    }

    async fn delete(
        &self,
        letter: &Letter,
        in_hand: &InHand<'_, impl Letters>,
        state: State,
    ) -> Result<Fate, Failure> {
        if self.apply {
            let refused = in_hand.delete(&[letter.message_id()]).await?;
            if let Some(refused) = refused.into_iter().next() {
                return Ok(Fate::Left(Why::NotDeleted(refused.why)));
            }
        }
        Ok(Fate::SentAlready(state))
    }
}

/// How many letters had which fate.
#[derive(Debug, Default)]
struct Sums {
    redriven: usize,
    second: usize,
    sent_already: usize,
    left: usize,
}

impl Sums {
    fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Redriven { may_be_a_second } => {
                self.redriven += 1;
                self.second += usize::from(*may_be_a_second);
            }
            Fate::SentAlready(_) => self.sent_already += 1,
            Fate::Left(_) => self.left += 1,
        }
    }
}

pub(crate) async fn run<Q, I, F, L, J>(
    selection: &Selection,
    apply: bool,
    run: &Run<'_, Q, I>,
    (ledger, jobs): (&L, &J),
    out: &Out<'_, impl Write>,
    err: &mut impl Write,
) -> Result<Outcome, Failure>
where
    Q: Letters,
    I: Fn() -> F,
    F: Future<Output = ()>,
    L: Reopen + Timeline,
    J: Jobs,
{
    let redrive = Redrive::new(selection, apply, ledger, jobs);
    let sums: RefCell<Sums> = RefCell::default();
    let missing = RefCell::new(selection.ids().to_vec());
    let one = async |letter: &Letter, in_hand: &InHand<'_, Q>| {
        missing.borrow_mut().retain(|id| !is_named(letter, id));
        let fate = redrive.letter(letter, in_hand).await?;
        sums.borrow_mut().count(&fate);
        out.line(format_args!("{}  {}", letter.name(), told(&fate, letter, apply)))?;
        Ok(())
    };
    let swept = run
        .sweep(async |letters, in_hand| {
            let chosen = letters.iter().filter(|letter| selection.has(letter));
            let done = join_all(chosen.map(|letter| one(letter, in_hand))).await;
            done.into_iter().collect()
        })
        .await;

    let (sums, missing) = (sums.into_inner(), missing.into_inner());
    for id in missing.iter().filter(|_| swept.is_whole()) {
        out.line(format_args!("{}  no dead letter has this id", on_one_line(id)))?;
    }
    out.line(summary(&sums, apply))?;
    let left = !missing.is_empty() || (apply && sums.left > 0);
    swept.write_notes(err)?;
    swept.outcome(left)
}

fn told(fate: &Fate, letter: &Letter, apply: bool) -> String {
    match fate {
        Fate::Redriven { may_be_a_second } => {
            let done = if apply { "put on the queue again" } else { "would go to the queue again" };
            let code = without_addresses(&on_one_line(letter.code()));
            let second = match (may_be_a_second, apply) {
                (false, _) => "",
                (true, false) => "; it MAY SEND A SECOND EMAIL: nobody knows whether it was sent",
                (true, true) => "; it may be a second email",
            };
            format!("{done} (was {code}){second}")
        }
        Fate::SentAlready(state) => {
            let done = if apply { "is deleted" } else { "would be deleted" };
            format!("sent already ({}): the letter {done}", state.name())
        }
        Fate::Left(why) => format!("left: {why}"),
    }
}

fn summary(sums: &Sums, apply: bool) -> String {
    let Sums { redriven, second, sent_already, left } = sums;
    let second = if *second > 0 {
        format!(" ({second} of them may be sent a second time)")
    } else {
        String::new()
    };
    if apply {
        format!(
            "redriven: {}{second}; deleted as sent already: {sent_already}; left: {left}",
            letters(*redriven)
        )
    } else {
        format!(
            "would redrive {}{second}, delete {sent_already} as sent already, and leave {left}; \
             nothing was changed, --apply does it",
            letters(*redriven)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::letter, *};

    #[test]
    fn what_may_have_been_sent_is_sent_again_only_when_it_is_named() {
        let all = Selection::All;
        let named = Selection::Ids(vec!["a".to_owned()]);
        let by_code = Selection::Reason(OUTCOME_UNKNOWN.to_owned());
        let by_other_code = Selection::Reason("MessageRejected".to_owned());
        let unknown = letter("m", "a", OUTCOME_UNKNOWN);
        let rejected = letter("m", "a", "MessageRejected");
        let leave = Plan::Leave(Why::MayHaveBeenSent);

        for (letter, known) in [
            (&unknown, None),
            (&unknown, Some(State::Unknown)),
            (&unknown, Some(State::Sent)),
            // An older letter of a job that has been tried again since.
            (&rejected, Some(State::Unknown)),
        ] {
            assert_eq!(plan(letter, &all, known), leave);
        }
        assert_eq!(plan(&rejected, &by_other_code, Some(State::Unknown)), leave);
        for selection in [&named, &by_code] {
            assert!(matches!(
                plan(&unknown, selection, Some(State::Unknown)),
                Plan::Send { may_be_a_second: true, .. }
            ));
        }
        assert_eq!(plan(&unknown, &named, Some(State::Bounced)), Plan::Delete(State::Bounced));
    }

    #[test]
    fn what_is_no_job_is_never_redriven() {
        for selection in [Selection::All, Selection::Ids(vec!["m".to_owned()])] {
            let mut letter = letter("m", "a", "malformed_job");
            letter.job = email::Job::parse("{}").map(|job| job.id);
            let Plan::Leave(why) = plan(&letter, &selection, None) else { panic!() };
            assert!(why.to_string().starts_with("`v` is missing: it can never be sent"), "{why}");
        }
    }
}
