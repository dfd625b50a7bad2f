//! One invocation's batch. The messages are handled independently and concurrently; those to be retried
//! are returned to the queue. The steps of one job are in [`delivery`](crate::delivery).
//!
//! All steps of a message are one future, and the invocation polls a few of these futures concurrently.
//! A job is claimed before it waits for a permit, so no duplicate takes a permit and no permit waits
//! for the ledger. Nothing is spawned: if the invocation's future is dropped, every send is dropped
//! with it.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use email::{
    dead_letter::Reason,
    hold::HoldRecord,
    job::{Job, JobId},
    mailer::Mailer,
    retry,
};
use futures_util::{FutureExt, StreamExt, stream};
use lambda::batch::panic_text;
use pacer::driver::Driver;
use tracing::Instrument;

use crate::{
    delivery::deliver,
    in_progress::{BatchInProgress, HELD_FOR, Verdict},
    worker::{Invocation, Parts, Postpone, Postponed, Received, Worker},
};

/// How many jobs are claimed ahead of their permits. Enough that no permit waits for the few
/// milliseconds of a claim, and few enough that little must be returned when the batch stops.
pub(crate) const CLAIMS_AHEAD: usize = 4;

impl<P: Parts> Worker<P> {
    /// Handles a batch, and returns the SQS message ids of the batch item failures. These messages are
    /// returned to the queue, each hidden until its retry is due. Lambda deletes all others.
    pub async fn handle(&self, invocation: &Invocation, messages: Vec<Received>) -> Vec<String> {
        self.mailer.leave_connections();
        let batch = BatchInProgress::new(self, invocation);
        if self.is_held().await {
            batch.stop(HELD_FOR);
        }
        let concurrent = CLAIMS_AHEAD.saturating_add(max_outstanding(&invocation.pacer));
        let verdicts: Vec<Vec<(Vec<Received>, Verdict)>> = stream::iter(group_by_job(messages))
            .map(|group| handle_group(&batch, group))
            .buffer_unordered(concurrent)
            .collect()
            .await;
        let postponed: Vec<Postponed> = verdicts
            .into_iter()
            .flatten()
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

    /// Whether a hold is in force. Lambda takes a while to turn the event source off. Until then it
    /// still delivers batches, and the worker returns them.
    async fn is_held(&self) -> bool {
        match self.holds.read().await {
            Ok(holds) => holds.in_force(),
            Err(error) => {
                // If DynamoDB is down, the claims most likely fail too, and then nothing is sent.
                tracing::error!(%error, "the holds could not be read; the batch is handled");
                false
            }
        }
    }
}

fn max_outstanding(pacer: &Driver) -> usize {
    usize::try_from(pacer.share().max_outstanding()).unwrap_or(usize::MAX)
}

/// The messages with one job id, or one message that is not a job.
struct Group(Vec<Email>);

/// The messages of one email. Only the first message is handled.
struct Email {
    parsed: Result<Job, Reason>,
    messages: Vec<Received>,
}

impl Email {
    /// The span with the ids, so that every log line of a job has them.
    fn span(&self) -> tracing::Span {
        let job_id = self.parsed.as_ref().ok().map(|job| job.id.as_str());
        tracing::info_span!("job", job_id, sqs_message_id = self.messages[0].sqs_message_id)
    }
}

/// Groups the messages by job id, in their order, and within a group by email. The verdict on the first
/// message of an email applies to all of its messages.
fn group_by_job(messages: Vec<Received>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(messages.len());
    let mut places: HashMap<JobId, usize> = HashMap::new();
    for message in messages {
        let parsed = Job::parse(&message.body).map_err(|why| Reason::from(&why));
        let Ok(job) = &parsed else {
            groups.push(Group(vec![Email { parsed, messages: vec![message] }]));
            continue;
        };
        let place = *places.entry(job.id.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group(Vec::new()));
        }
        let Group(emails) = &mut groups[place];
        match emails.iter_mut().find(|email| email.parsed == parsed) {
            Some(email) => email.messages.push(message),
            None => emails.push(Email { parsed, messages: vec![message] }),
        }
    }
    groups
}

/// Handles the emails of a group one after the other, so that the first one claims their id.
async fn handle_group<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    Group(emails): Group,
) -> Vec<(Vec<Received>, Verdict)> {
    let mut verdicts = Vec::with_capacity(emails.len());
    for email in emails {
        let span = email.span();
        verdicts.push(guarded(batch, email).instrument(span).await);
    }
    verdicts
}

/// If handling an email panics, its messages are returned. The rest of the batch is not affected.
async fn guarded<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    email: Email,
) -> (Vec<Received>, Verdict) {
    let first = &email.messages[0];
    let step = AssertUnwindSafe(async {
        match &email.parsed {
            Ok(job) => deliver(batch, job, first).await,
            Err(reason) => batch.keep_unclaimed(first, None, reason).await,
        }
    });
    let verdict = step.catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(
            sqs_message_id = first.sqs_message_id,
            panic = panic_text(&*panic),
            "handling a message panicked; it is returned to the queue"
        );
        batch.later(first, first.receives)
    });
    (email.messages, verdict)
}

#[cfg(test)]
mod tests;
