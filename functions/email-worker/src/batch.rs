//! One invocation's batch: every message by itself, several at a time. What is for later is given
//! back. One job's way is in [`delivery`](crate::delivery).
//!
//! All of a message's steps are one future, and the invocation polls a few of them concurrently: those
//! that wait for a permit have claimed their jobs already, so a permit never goes to a duplicate and
//! never waits for the ledger. Nothing is spawned: when the invocation's future ends or is dropped, so
//! is every send.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use email::{
    dead_letter::{Attempts, Reason},
    hold::HoldRecord,
    job::{Job, JobId},
    retry,
};
use futures_util::{FutureExt, StreamExt, stream};
use lambda::batch::panic_text;
use pacer::driver::Driver;

use crate::{
    delivery::deliver,
    in_progress::{BatchInProgress, HELD_FOR, Verdict},
    worker::{Invocation, Parts, Postpone, Postponed, Received, Worker},
};

/// How many jobs are claimed ahead of the permits: enough that a claim's few milliseconds never keep
/// a permit waiting, few enough that little is left to give back.
pub(crate) const CLAIMS_AHEAD: usize = 4;

impl<P: Parts> Worker<P> {
    /// Handles a batch, and returns the SQS message ids of the batch item failures: the messages to be
    /// delivered again, each hidden until it is due. Every other message is finished.
    pub async fn handle(&self, invocation: &Invocation, messages: Vec<Received>) -> Vec<String> {
        let batch = BatchInProgress::new(self, invocation);
        if self.is_held().await {
            batch.stop(HELD_FOR);
        }
        let concurrent = CLAIMS_AHEAD.saturating_add(max_outstanding(&invocation.pacer));
        let verdicts: Vec<(Vec<Received>, Verdict)> = stream::iter(group_by_job(messages))
            .map(|group| guarded(&batch, group))
            .buffer_unordered(concurrent)
            .collect()
            .await;
        let postponed: Vec<Postponed> = verdicts
            .into_iter()
            .flat_map(|(messages, verdict)| messages.into_iter().map(move |m| (m, verdict)))
            .filter_map(|(message, verdict)| match verdict {
                Verdict::Acknowledge => None,
                Verdict::GiveBack(after) => Some(Postponed {
                    after: retry::not_too_often(after, message.receives),
                    sqs_message_id: message.sqs_message_id,
                    receipt_handle: message.receipt_handle,
                }),
            })
            .collect();
        self.queue.postpone(&postponed).await;
        postponed.into_iter().map(|message| message.sqs_message_id).collect()
    }

    /// Whether a hold is in force. Lambda takes a while to turn the event source off; until then
    /// batches still come, and are given back.
    async fn is_held(&self) -> bool {
        match self.holds.read().await {
            Ok(holds) => holds.in_force(),
            Err(error) => {
                // If this table cannot be read, a job can hardly be claimed.
                tracing::error!(%error, "the holds could not be read; the batch is tried");
                false
            }
        }
    }
}

fn max_outstanding(pacer: &Driver) -> usize {
    usize::try_from(pacer.share().max_outstanding()).unwrap_or(usize::MAX)
}

/// The messages of one job, or one message that is not a job. The first one stands for all.
struct Group {
    parsed: Result<Job, Reason>,
    messages: Vec<Received>,
}

/// Puts messages with the same job id together: the verdict on the first is the verdict on all.
fn group_by_job(messages: Vec<Received>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(messages.len());
    let mut places: HashMap<JobId, usize> = HashMap::new();
    for message in messages {
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

/// A panic gives back its own message and no other.
async fn guarded<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    group: Group,
) -> (Vec<Received>, Verdict) {
    let first = &group.messages[0];
    let step = AssertUnwindSafe(async {
        match &group.parsed {
            Ok(job) => deliver(batch, job, first).await,
            Err(reason) => keep_malformed(batch, first, reason).await,
        }
    });
    let verdict = step.catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(
            sqs_message_id = first.sqs_message_id,
            panic = panic_text(&*panic),
            "a message's handling panicked; it is given back"
        );
        batch.later(first, first.receives)
    });
    (group.messages, verdict)
}

/// A body that is not a job is kept as a dead letter at once.
async fn keep_malformed<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    message: &Received,
    reason: &Reason,
) -> Verdict {
    let last_at = batch.invocation.now();
    let first_at = message.first_received_at.unwrap_or(last_at);
    let attempts = Attempts { count: message.receives, first_at, last_at };
    match batch.keep_dead_letter(message, None, reason, attempts).await {
        Ok(()) => Verdict::Acknowledge,
        Err(()) => batch.later(message, message.receives),
    }
}

#[cfg(test)]
mod tests;
