//! One invocation's batch: every message by itself, several at a time, and what is for later is given
//! back. What becomes of a job is [`Delivery`](crate::delivery::Delivery)'s.
//!
//! All of a message's steps are one future, and the invocation polls a few of them at once: those
//! that wait for a permit have claimed their jobs ahead of it, so a permit is never spent on a
//! duplicate or kept waiting for the ledger. Nothing is spawned: when the invocation's future ends or
//! is dropped, so is every send.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use email::{Job, JobId, dead_letter::Reason, hold::HoldRecord, retry};
use futures_util::{FutureExt, StreamExt, stream};
use lambda::batch::panic_text;
use pacer::driver::Driver;

use crate::{
    delivery::{Run, Verdict},
    worker::{Invocation, Parts, Postpone, Postponed, Received, Worker},
};

/// How many jobs are claimed ahead of the permits: enough that a claim's few milliseconds never keep
/// a permit waiting, few enough that little is to be given back.
pub(crate) const CLAIMS_AHEAD: usize = 4;

/// When jobs come back that a hold kept from being tried.
pub(crate) const HELD_FOR: Duration = Duration::from_mins(15);

impl<P: Parts> Worker<P> {
    /// Handles a batch, gives back what is for later, and answers the ids of those messages: the
    /// batch item failures. Every other message is done with.
    pub async fn handle(&self, invocation: &Invocation, batch: Vec<Received>) -> Vec<String> {
        let run = Run::new(self, invocation);
        if self.is_held().await {
            run.stop(HELD_FOR);
        }
        let at_once = CLAIMS_AHEAD.saturating_add(max_outstanding(&invocation.pacer));
        let verdicts: Vec<(Vec<Received>, Verdict)> = stream::iter(group_by_job(batch))
            .map(|group| guarded(&run, group))
            .buffer_unordered(at_once)
            .collect()
            .await;
        let postponed: Vec<Postponed> = verdicts
            .into_iter()
            .flat_map(|(messages, verdict)| messages.into_iter().map(move |m| (m, verdict)))
            .filter_map(|(message, verdict)| match verdict {
                Verdict::Acknowledge => None,
                Verdict::GiveBack(after) => Some(Postponed {
                    after: retry::not_too_often(after, message.receives),
                    message_id: message.message_id,
                    receipt_handle: message.receipt_handle,
                }),
            })
            .collect();
        self.queue.postpone(&postponed).await;
        postponed.into_iter().map(|message| message.message_id).collect()
    }

    /// Whether a hold is in force. Turning the event source off takes Lambda a while; until then
    /// batches still come, and are given back.
    async fn is_held(&self) -> bool {
        match self.holds.read().await {
            Ok(holds) => holds.in_force(),
            Err(error) => {
                // Whoever cannot read this can hardly claim a job.
                tracing::error!(%error, "the holds could not be read; the batch is tried");
                false
            }
        }
    }
}

fn max_outstanding(pacer: &Driver) -> usize {
    usize::try_from(pacer.share().max_outstanding()).unwrap_or(usize::MAX)
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

/// A panic gives back its own message and no other.
async fn guarded<P: Parts>(run: &Run<'_, P>, group: Group) -> (Vec<Received>, Verdict) {
    let first = &group.messages[0];
    let step = AssertUnwindSafe(async {
        match &group.parsed {
            Ok(job) => run.deliver(job, first).await,
            Err(reason) => run.bury_malformed(first, reason).await,
        }
    });
    let verdict = step.catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(
            message_id = first.message_id,
            panic = panic_text(&*panic),
            "a message's handling panicked; it is given back"
        );
        run.later(first, first.receives)
    });
    (group.messages, verdict)
}

#[cfg(test)]
mod tests;
