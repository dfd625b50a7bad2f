//! The ledger in memory, with the same conditions as the adapter (crates/adapters/src/tables/ledger).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::calls::{Calls, lock};
use crate::{
    dead_letter::Reason,
    feedback::{Event, Feedback, REPLY, RecordFeedback, Recorded},
    job::{ContentDigest, JobId},
    ledger::{
        Claim, Claimed, Entry, Finished, Grant, KnowsEmail, LEDGER_RETENTION, Ledger, Reopen,
        Reopened, State, Timeline, Used,
    },
};

/// The end of a claim that was released.
const LONG_AGO: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// A job's item in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub state: State,
    pub attempts: i64,
    /// Of these, the ones without a known outcome, including the attempt in progress.
    pub unanswered: i64,
    /// `None` for an email that was marked as sent without a claim.
    pub first_attempt_at: Option<OffsetDateTime>,
    pub last_attempt_at: Option<OffsetDateTime>,
    pub claim_token: Option<String>,
    pub claimed_until: Option<OffsetDateTime>,
    /// `None` for a job of a version that kept none.
    pub content: Option<ContentDigest>,
    /// The code of the last attempt that is known to have failed.
    pub last_failure: Option<String>,
    pub reopened_at: Option<OffsetDateTime>,
    /// The token of the claim whose attempt was announced and has not been settled.
    pub announced: Option<String>,
    pub sent_at: Option<OffsetDateTime>,
    pub ses_message_id: Option<String>,
    pub failed_at: Option<OffsetDateTime>,
    pub reason: Option<Reason>,
    /// The message whose dead letter was stored.
    pub failed_message: Option<String>,
    pub feedback_at: Option<OffsetDateTime>,
    pub feedback: Option<String>,
    /// Set by an event only, whose own time must not count.
    pub expires_at: Option<OffsetDateTime>,
}

impl Row {
    /// A job in this state without any claim.
    pub fn new(state: State) -> Self {
        Self {
            state,
            attempts: 0,
            unanswered: 0,
            first_attempt_at: None,
            last_attempt_at: None,
            claim_token: None,
            claimed_until: None,
            content: None,
            last_failure: None,
            reopened_at: None,
            announced: None,
            sent_at: None,
            ses_message_id: None,
            failed_at: None,
            reason: None,
            failed_message: None,
            feedback_at: None,
            feedback: None,
            expires_at: None,
        }
    }

    /// A job in this state after one attempt.
    pub fn attempted(state: State, at: OffsetDateTime) -> Self {
        let at = Some(at);
        Self { attempts: 1, first_attempt_at: at, last_attempt_at: at, ..Self::new(state) }
    }

    /// A job that another worker has claimed.
    pub fn claimed(token: &str, at: OffsetDateTime, until: OffsetDateTime) -> Self {
        Self {
            claim_token: Some(token.to_owned()),
            claimed_until: Some(until),
            ..Self::attempted(State::Sending, at)
        }
    }

    fn end_of_claim(&self) -> OffsetDateTime {
        self.claimed_until.unwrap_or(LONG_AGO)
    }

    /// Whether no claim on the job is in force.
    fn is_free(&self, now: OffsetDateTime) -> bool {
        let is_over = self.claimed_until.is_some_and(|until| until <= now);
        self.state == State::Suppressed || (self.state == State::Sending && is_over)
    }

    fn settle(&mut self, state: State) {
        self.state = state;
        (self.claim_token, self.claimed_until, self.announced) = (None, None, None);
        (self.reason, self.failed_at, self.last_failure) = (None, None, None);
        self.failed_message = None;
    }

    fn entry(&self) -> Option<Entry> {
        Some(Entry {
            state: self.state,
            attempts: self.attempts.try_into().ok()?,
            unanswered: self.unanswered.try_into().ok()?,
            first_attempt_at: self.first_attempt_at?,
            last_attempt_at: self.last_attempt_at?,
            sent_at: self.sent_at,
            ses_message_id: self.ses_message_id.clone(),
            failed_at: self.failed_at,
            reason: self.reason.as_ref().map(|reason| reason.text.clone()),
            feedback_at: self.feedback_at,
            feedback: self.feedback.clone(),
            announced: self.announced.clone(),
        })
    }
}

/// The rows, and every write with its condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<String, Row>);

impl Rows {
    pub fn get(&self, job_id: &str) -> Option<&Row> {
        self.0.get(job_id)
    }

    pub fn insert(&mut self, job_id: &str, row: Row) {
        self.0.insert(job_id.to_owned(), row);
    }

    /// Keeps only the rows for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&Row) -> bool) {
        self.0.retain(|_, row| keep(row));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.0.iter().map(|(job_id, row)| (job_id.as_str(), row))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Granted if the job is new, is free, or already has this claim.
    pub fn claim(&mut self, claim: &Claim) -> Claimed {
        let row = match self.0.get_mut(claim.job_id.as_str()) {
            Some(row) => {
                if row.content.as_ref().is_some_and(|content| *content != claim.content) {
                    return Claimed::IdReused;
                }
                if row.claim_token.as_ref() != Some(&claim.token) && !row.is_free(claim.at) {
                    return match row.state {
                        State::Failed | State::Unknown => Claimed::AlreadyFailed(Finished {
                            state: row.state,
                            code: row.reason.as_ref().map(|reason| reason.code.clone()),
                            sqs_message_id: row.failed_message.clone(),
                        }),
                        State::Sending | State::Suppressed => {
                            Claimed::InProgress { until: row.end_of_claim() }
                        }
                        _ => Claimed::AlreadySent,
                    };
                }
                row
            }
            None => self.0.entry(claim.job_id.to_string()).or_insert(Row::new(State::Sending)),
        };
        row.state = State::Sending;
        (row.reason, row.failed_at) = (None, None);
        row.claim_token = Some(claim.token.clone());
        row.content = Some(claim.content.clone());
        row.claimed_until = Some(milliseconds(claim.until));
        row.last_attempt_at = Some(claim.at);
        row.attempts += 1;
        let unanswered = row.unanswered;
        row.unanswered += 1;
        Claimed::Granted(Grant {
            attempts: row.attempts.try_into().unwrap_or(u32::MAX),
            unanswered: unanswered.try_into().unwrap_or(u32::MAX),
            first_attempt_at: *row.first_attempt_at.get_or_insert(claim.at),
            waiting_since: row.reopened_at.or(row.first_attempt_at).unwrap_or(claim.at),
            last_failure: row.last_failure.clone(),
            unsettled: row.announced.is_some(),
        })
    }

    /// `false` if the claim has ended.
    pub fn announce(&mut self, claim: &Claim) -> bool {
        let row = self.of_claim(claim);
        row.map(|row| row.announced = Some(claim.token.clone())).is_some()
    }

    /// Does nothing if the claim has ended.
    pub fn release(&mut self, claim: &Claim, used: Used<'_>) {
        if let Some(row) = self.of_claim(claim) {
            match used {
                Used::Attempted(code) => row.last_failure = Some(code.to_owned()),
                Used::NotTried => row.attempts -= 1,
            }
            row.unanswered -= 1;
            row.claimed_until = Some(LONG_AGO);
            (row.claim_token, row.announced) = (None, None);
        }
    }

    /// Does not require a claim. Does nothing after an event.
    pub fn mark_sent(&mut self, job_id: &JobId, ses_message_id: &str, at: OffsetDateTime) {
        let row = self.0.entry(job_id.to_string()).or_insert(Row::new(State::Sending));
        if State::Sent.outranks().any(|state| state == row.state) {
            row.settle(State::Sent);
            row.unanswered = 0;
            row.sent_at = Some(at);
            row.ses_message_id = Some(ses_message_id.to_owned());
        }
    }

    /// Does nothing if the claim has ended.
    pub fn give_up(&mut self, claim: &Claim, state: State, reason: &Reason, at: OffsetDateTime) {
        if let Some(row) = self.of_claim(claim) {
            row.settle(state);
            row.unanswered -= i64::from(state != State::Unknown);
            (row.reason, row.failed_at) = (Some(reason.clone()), Some(at));
            row.failed_message = Some(claim.sqs_message_id.clone());
        }
    }

    pub fn reopen(&mut self, job_id: &JobId, now: OffsetDateTime) -> Reopened {
        let Some(row) = self.0.get_mut(job_id.as_str()) else { return Reopened::Ready };
        if matches!(row.state, State::Failed | State::Unknown) || row.is_free(now) {
            row.settle(State::Sending);
            row.claimed_until = Some(LONG_AGO);
            (row.unanswered, row.reopened_at) = (0, Some(now));
            Reopened::Ready
        } else if row.state.was_accepted() {
            Reopened::Accepted(row.state)
        } else {
            Reopened::InProgress { until: row.end_of_claim() }
        }
    }

    pub fn record(&mut self, job_id: &JobId, feedback: &Feedback, now: OffsetDateTime) -> Recorded {
        let state = feedback.event.state();
        let Some(row) = self.0.get_mut(job_id.as_str()) else { return Recorded::UnknownJob };
        let was_reply = row.state == State::Bounced && row.feedback.as_deref() == Some(REPLY);
        let replaces = feedback.event.outranks().any(|outranked| outranked == row.state)
            || (was_reply && !feedback.event.may_be_reply());
        if !replaces {
            return Recorded::Nothing;
        }
        row.settle(state);
        row.unanswered = 0;
        if feedback.event != Event::Sent {
            row.feedback_at = Some(feedback.at);
        }
        row.ses_message_id.get_or_insert_with(|| feedback.ses_message_id.clone());
        row.sent_at.get_or_insert(feedback.sent_at);
        row.feedback = feedback.event.detail().map(str::to_owned);
        row.expires_at = Some(now + LEDGER_RETENTION);
        Recorded::Moved
    }

    /// The row, if this claim is still the current one.
    fn of_claim(&mut self, claim: &Claim) -> Option<&mut Row> {
        let row = self.0.get_mut(claim.job_id.as_str())?;
        let is_its = row.state == State::Sending && row.claim_token.as_ref() == Some(&claim.token);
        is_its.then_some(row)
    }
}

/// The table keeps the end of a claim in whole milliseconds.
fn milliseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000_000 * 1_000_000).unwrap_or(at)
}

/// The ledger. The key of each call is the job's id.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    rows: Mutex<Rows>,
    pub calls: Calls,
}

impl MemoryLedger {
    /// An empty ledger that shares these calls with other stores.
    pub fn with_calls(calls: Calls) -> Self {
        Self { rows: Mutex::default(), calls }
    }

    /// Reads and changes the rows directly. Does not count as a call.
    pub fn rows(&self) -> MutexGuard<'_, Rows> {
        lock(&self.rows)
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        job_id: &JobId,
        work: impl FnOnce(&mut Rows) -> T,
    ) -> Result<T, Unavailable> {
        self.calls.make(operation, job_id.as_str(), || work(&mut self.rows())).await
    }
}

impl Ledger for MemoryLedger {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        self.call("claim", &claim.job_id, |rows| rows.claim(claim)).await
    }

    async fn announce(&self, claim: &Claim) -> Result<bool, Unavailable> {
        self.call("announce", &claim.job_id, |rows| rows.announce(claim)).await
    }

    async fn release(&self, claim: &Claim, used: Used<'_>) -> Result<(), Unavailable> {
        self.call("release", &claim.job_id, |rows| rows.release(claim, used)).await
    }

    async fn mark_sent(
        &self,
        job_id: &JobId,
        ses_message_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.call("mark_sent", job_id, |rows| rows.mark_sent(job_id, ses_message_id, at)).await
    }

    async fn mark_failed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        let give_up = |rows: &mut Rows| rows.give_up(claim, State::Failed, reason, at);
        self.call("mark_failed", &claim.job_id, give_up).await
    }

    async fn mark_unknown(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        let give_up = |rows: &mut Rows| rows.give_up(claim, State::Unknown, reason, at);
        self.call("mark_unknown", &claim.job_id, give_up).await
    }

    async fn mark_suppressed(
        &self,
        claim: &Claim,
        reason: &Reason,
        at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        let give_up = |rows: &mut Rows| rows.give_up(claim, State::Suppressed, reason, at);
        self.call("mark_suppressed", &claim.job_id, give_up).await
    }
}

impl Reopen for MemoryLedger {
    async fn reopen(&self, job_id: &JobId, now: OffsetDateTime) -> Result<Reopened, Unavailable> {
        self.call("reopen", job_id, |rows| rows.reopen(job_id, now)).await
    }
}

impl RecordFeedback for MemoryLedger {
    async fn record(
        &self,
        job_id: &JobId,
        feedback: &Feedback,
        now: OffsetDateTime,
    ) -> Result<Recorded, Unavailable> {
        self.call("record", job_id, |rows| rows.record(job_id, feedback, now)).await
    }
}

impl Timeline for MemoryLedger {
    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        let row = self.call("find", job_id, |rows| rows.get(job_id.as_str()).cloned()).await?;
        let read =
            |row: Row| row.entry().ok_or_else(|| Unavailable::new("find", "a missing field"));
        row.map(read).transpose()
    }
}

impl KnowsEmail for MemoryLedger {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        self.call("knows_email", id, |rows| rows.get(id.as_str()).is_some()).await
    }
}
