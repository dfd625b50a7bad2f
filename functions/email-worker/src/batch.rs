//! One invocation's batch: claim, wait for a permit, send, settle; message by message, several at a
//! time, each by itself.
//!
//! ```text
//! body ──parse──> job ──claim──> claimed ──permit──> attempt ──> accepted            acknowledge
//!   └ malformed     └ sent or failed already            ├──────> rejected            dead letter, acknowledge
//!     dead letter,    acknowledge                       ├──────> transient,ambiguous give back, later
//!     acknowledge   └ claimed by another, give back     └──────> throttled, held     give all back, later
//! ```
//!
//! All of a message's steps are one future, and the invocation polls a few of them at once: those
//! that wait for a permit have claimed their jobs ahead of it, so a permit is never spent on a
//! duplicate or kept waiting for the ledger. Nothing is spawned: when the invocation's future ends or
//! is dropped, so is every send.

use std::{
    any::Any, cell::Cell, collections::HashMap, future::Future, panic::AssertUnwindSafe,
    time::Duration,
};

use email::{
    Job, JobId, Message,
    dead_letter::{DeadLetter, DeadLetters, Reason},
    job::Content,
    ledger::{Claim, Claimed, Ledger, Used},
    mailer::{Hold, Mailer, Outcome},
    retry,
};
use futures_util::{FutureExt, StreamExt, stream};
use pacer::driver::{Driver, Permit};
use time::OffsetDateTime;

use crate::templates;

/// How many jobs are claimed ahead of the permits: enough that a claim's few milliseconds never keep
/// a permit waiting, few enough that little is to be given back.
const CLAIMS_AHEAD: usize = 4;

/// How long after its invocation's deadline a claim ends: more than clocks differ.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);

/// When a job is looked at again at the latest that another worker has claimed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// When jobs come back after the account was found to be held.
const HELD_FOR: Duration = Duration::from_mins(15);

/// One message of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The queue's id of the message.
    pub message_id: String,
    /// What the queue knows this receipt by.
    pub receipt_handle: String,
    /// The body, which should be a job.
    pub body: String,
    /// How often the message has been received, from 1.
    pub receives: u32,
}

/// A message to be seen again after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponed {
    /// The queue's id of the message.
    pub message_id: String,
    /// What the queue knows this receipt by.
    pub receipt_handle: String,
    /// After how long it is to be seen again.
    pub after: Duration,
}

/// Gives messages back to the queue.
pub trait Postpone {
    /// Sets when the messages are seen again. Where that fails, a message comes back when its
    /// visibility timeout ends: nothing depends on it.
    fn postpone(&self, messages: &[Postponed]) -> impl Future<Output = ()>;
}

/// What an invocation works with.
#[derive(Debug)]
pub struct Worker<L, M, D, P> {
    /// Claims.
    pub ledger: L,
    /// Sends.
    pub mailer: M,
    /// Keeps what can never be sent.
    pub dead_letters: D,
    /// Gives back what is for later.
    pub queue: P,
}

/// What is an invocation's own.
#[derive(Debug)]
pub struct Invocation {
    /// Its id; names its claims.
    pub id: String,
    /// Its pace.
    pub pacer: Driver,
    /// When it is over at the latest.
    pub deadline: OffsetDateTime,
    /// From 0 to 1: how much of the jitter its delays take.
    pub jitter: f64,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is done with: the queue deletes it.
    Acknowledge,
    /// It is to be seen again after a while.
    GiveBack(Duration),
}

impl<L, M, D, P> Worker<L, M, D, P>
where
    L: Ledger,
    M: Mailer,
    D: DeadLetters,
    P: Postpone,
{
    /// Handles a batch, gives back what is for later, and answers the ids of those messages: the
    /// batch item failures. Every other message is done with.
    pub async fn handle(&self, invocation: &Invocation, batch: Vec<Received>) -> Vec<String> {
        let run = Run { worker: self, invocation, stopped: Cell::new(None) };
        let at_once = CLAIMS_AHEAD.saturating_add(most_outstanding(&invocation.pacer));
        let verdicts: Vec<(Vec<Received>, Verdict)> = stream::iter(group_by_job(batch))
            .map(|group| run.guarded(group))
            .buffer_unordered(at_once)
            .collect()
            .await;
        let postponed: Vec<Postponed> = verdicts
            .into_iter()
            .flat_map(|(messages, verdict)| messages.into_iter().map(move |m| (m, verdict)))
            .filter_map(|(message, verdict)| match verdict {
                Verdict::Acknowledge => None,
                Verdict::GiveBack(after) => Some(Postponed {
                    message_id: message.message_id,
                    receipt_handle: message.receipt_handle,
                    after,
                }),
            })
            .collect();
        self.queue.postpone(&postponed).await;
        postponed.into_iter().map(|message| message.message_id).collect()
    }
}

fn most_outstanding(pacer: &Driver) -> usize {
    usize::try_from(pacer.share().most_outstanding()).unwrap_or(usize::MAX)
}

/// The messages of one job, or one message that is none. The first one stands for all.
struct Group {
    parsed: Result<Job, Reason>,
    messages: Vec<Received>,
}

/// Puts messages with the same job id together: what becomes of the first becomes of all.
fn group_by_job(batch: Vec<Received>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(batch.len());
    let mut places: HashMap<JobId, usize> = HashMap::new();
    for message in batch {
        let parsed = Job::parse(&message.body).map_err(|why| Reason::from(&why));
        if let Ok(job) = &parsed {
            if let Some(&place) = places.get(&job.id) {
                groups[place].messages.push(message);
                continue;
            }
            places.insert(job.id.clone(), groups.len());
        }
        groups.push(Group { parsed, messages: vec![message] });
    }
    groups
}

/// A batch under way.
struct Run<'a, L, M, D, P> {
    worker: &'a Worker<L, M, D, P>,
    invocation: &'a Invocation,
    /// Set once nothing more is to be sent: after how long the rest is to be seen again.
    stopped: Cell<Option<Duration>>,
}

impl<L, M, D, P> Run<'_, L, M, D, P>
where
    L: Ledger,
    M: Mailer,
    D: DeadLetters,
    P: Postpone,
{
    /// A panic gives back its own message and no other.
    async fn guarded(&self, group: Group) -> (Vec<Received>, Verdict) {
        let first = &group.messages[0];
        let step = AssertUnwindSafe(self.step(&group.parsed, first));
        let verdict = step.catch_unwind().await.unwrap_or_else(|panic| {
            tracing::error!(
                message_id = first.message_id,
                panic = panic_text(&*panic),
                "a message's handling panicked; it is given back"
            );
            self.later(first.receives)
        });
        (group.messages, verdict)
    }

    async fn step(&self, parsed: &Result<Job, Reason>, message: &Received) -> Verdict {
        match parsed {
            Ok(job) => self.deliver(job, message).await,
            Err(reason) => match self.bury(message, None, reason).await {
                Ok(()) => Verdict::Acknowledge,
                Err(()) => self.later(message.receives),
            },
        }
    }

    async fn deliver(&self, job: &Job, message: &Received) -> Verdict {
        if let Some(after) = self.stopped.get() {
            return Verdict::GiveBack(after);
        }
        let now = OffsetDateTime::now_utc();
        let claim = Claim {
            job_id: job.id.clone(),
            token: format!("{}/{}", self.invocation.id, message.message_id),
            at: now,
            until: self.invocation.deadline + CLAIM_MARGIN,
        };
        match self.worker.ledger.claim(&claim).await {
            Ok(Claimed::Granted { attempts }) => self.send(job, message, &claim, attempts).await,
            Ok(Claimed::AlreadySent | Claimed::AlreadyFailed) => Verdict::Acknowledge,
            // Most claims end long before they would by themselves.
            Ok(Claimed::InProgress { until }) => {
                Verdict::GiveBack(time_to(until, now).min(LOOK_AGAIN_AFTER))
            }
            Err(error) => {
                tracing::error!(job_id = %job.id, %error, "a job could not be claimed; it is given back");
                self.later(message.receives)
            }
        }
    }

    /// Sends a job whose claim was granted.
    async fn send(&self, job: &Job, message: &Received, claim: &Claim, attempts: u32) -> Verdict {
        let rendered;
        let email = match &job.content {
            Content::Message(email) => email,
            Content::Template { name, data } => match templates::render(name, data) {
                Ok(email) => {
                    rendered = email;
                    &rendered
                }
                Err(reason) => return self.reject(job, message, claim, attempts, &reason).await,
            },
        };
        let Ok(permit) = self.invocation.pacer.permit().await else {
            // Out of time, unless an outcome has stopped the batch: then its delay is set.
            let after = self.stopped.get().unwrap_or_default();
            self.stopped.set(Some(after));
            self.release(claim, Used::NotTried).await;
            return Verdict::GiveBack(after);
        };
        let outcome = self.attempt(job, email, permit).await;
        self.settle(job, message, claim, attempts, outcome).await
    }

    /// One permit, one attempt.
    async fn attempt(&self, job: &Job, email: &Message, permit: Permit<'_>) -> Outcome {
        let started_at = OffsetDateTime::now_utc() - permit.started_at().elapsed();
        let outcome = self.worker.mailer.send(&job.id, &job.to, email).await;
        drop(permit);
        // What `registrar audit` reads: times in microseconds since 1970.
        tracing::info!(
            event = "send_attempt",
            job_id = %job.id,
            started_at_us = microseconds(started_at),
            ended_at_us = microseconds(OffsetDateTime::now_utc()),
            outcome = outcome.name(),
        );
        outcome
    }

    async fn settle(
        &self,
        job: &Job,
        message: &Received,
        claim: &Claim,
        attempts: u32,
        outcome: Outcome,
    ) -> Verdict {
        match outcome {
            Outcome::Accepted { message_id } => {
                let now = OffsetDateTime::now_utc();
                if let Err(error) = self.worker.ledger.mark_sent(&job.id, &message_id, now).await {
                    tracing::error!(job_id = %job.id, message_id, %error, "a sent email was not marked as sent");
                }
                // Even then: its redelivery could only send the email again.
                Verdict::Acknowledge
            }
            Outcome::Throttled => self.stop(claim, retry::FIRST_DELAY).await,
            Outcome::Held(why) => {
                log_hold(why);
                self.stop(claim, HELD_FOR).await
            }
            Outcome::Transient { code } => {
                tracing::warn!(job_id = %job.id, code, attempts, "an attempt failed and will be made again");
                self.release(claim, Used::Attempted).await;
                self.later(attempts)
            }
            // It may have been sent: nobody may try before the claim ends.
            Outcome::Ambiguous => {
                tracing::warn!(job_id = %job.id, attempts, "an attempt had no answer; the job waits for its claim's end");
                Verdict::GiveBack(time_to(claim.until, OffsetDateTime::now_utc()))
            }
            Outcome::Rejected(reason) => self.reject(job, message, claim, attempts, &reason).await,
        }
    }

    /// Stops sending for this batch; this job and all that are left come back after the delay.
    async fn stop(&self, claim: &Claim, delay: Duration) -> Verdict {
        self.invocation.pacer.close();
        let after = self.jittered(delay);
        self.stopped.set(Some(after));
        self.release(claim, Used::Attempted).await;
        Verdict::GiveBack(after)
    }

    /// Keeps the dead letter first: a crash before the ledger's write keeps it twice, never not.
    async fn reject(
        &self,
        job: &Job,
        message: &Received,
        claim: &Claim,
        attempts: u32,
        reason: &Reason,
    ) -> Verdict {
        if self.bury(message, Some(&job.id), reason).await.is_err() {
            self.release(claim, Used::Attempted).await;
            return self.later(attempts);
        }
        let now = OffsetDateTime::now_utc();
        if let Err(error) = self.worker.ledger.mark_failed(&job.id, reason, now).await {
            tracing::error!(job_id = %job.id, %error, "a dead letter was not marked as failed");
        }
        Verdict::Acknowledge
    }

    async fn bury(
        &self,
        message: &Received,
        job_id: Option<&JobId>,
        reason: &Reason,
    ) -> Result<(), ()> {
        let Received { message_id, body, .. } = message;
        let letter = DeadLetter { body, message_id, job_id, reason };
        match self.worker.dead_letters.keep(letter).await {
            Ok(()) => {
                tracing::warn!(
                    message_id,
                    code = reason.code,
                    "a job can never be sent and is kept as a dead letter"
                );
                Ok(())
            }
            Err(error) => {
                tracing::error!(message_id, code = reason.code, %error, "a dead letter could not be kept; it is given back");
                Err(())
            }
        }
    }

    async fn release(&self, claim: &Claim, used: Used) {
        if let Err(error) = self.worker.ledger.release(claim, used).await {
            tracing::warn!(job_id = %claim.job_id, %error, "a claim was not released; it ends by itself");
        }
    }

    fn later(&self, attempts: u32) -> Verdict {
        Verdict::GiveBack(retry::delay(attempts, self.invocation.jitter))
    }

    fn jittered(&self, delay: Duration) -> Duration {
        delay.mul_f64(1.0 + self.invocation.jitter.clamp(0.0, 1.0) / 4.0)
    }
}

fn log_hold(why: Hold) {
    tracing::error!(reason = ?why, "the account may not send for now; the batch is given back");
}

fn time_to(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(then - now).unwrap_or_default()
}

fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests;
