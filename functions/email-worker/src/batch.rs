//! One invocation's batch. The messages are handled independently and concurrently; those to be retried
//! are returned to the queue. The steps of one job are in [`delivery`](crate::delivery).
//!
//! All steps of a message are one future. Few of these futures have a [place](crate::places) at the same time.
//! A job is claimed before it waits for a permit, so no duplicate takes a permit and no permit waits
//! for the ledger. Nothing is spawned: if the invocation's future is dropped, every send is dropped
//! with it.

use std::{cell::Cell, collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use email::{
    dead_letter::Reason,
    job::{Job, JobId},
    mailer::Mailer,
    queue,
};
use futures_util::{FutureExt, StreamExt, future::join, stream::FuturesUnordered};
use invocation::trace::TraceHeader;
use lambda::{batch::panic_text, clock, log_events};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Instrument;

use crate::{
    closing::Closing,
    delivery::{Turn, deliver},
    in_flight::Load,
    in_progress::{BatchInProgress, HELD_FOR, Verdict},
    order,
    pace::CannotSend,
    stop,
    surplus::{self, Seniority},
    worker::{Invocation, Parts, Postpone, Postponed, Received, Worker},
};

impl<P: Parts> Worker<P> {
    /// Handles a batch, and returns the SQS message ids of the batch item failures. These messages are
    /// returned to the queue, each hidden until its retry is due. Lambda deletes all others.
    pub async fn handle(&self, invocation: &Invocation, messages: Vec<Received>) -> Vec<String> {
        self.mailer.leave_connections();
        let batch = BatchInProgress::new(self, invocation);
        let slots = invocation.pacer.share().slots().get();
        let load = Load { slots, messages: messages.len() };
        messages.iter().filter_map(|message| message.sent_at).for_each(|at| batch.note_age(at));
        stop::before(&batch).await;
        let max = invocation.max_sends();
        let groups = group_by_job(messages);
        let (mut groups, surplus) = surplus::divide(groups, max, |group| group.seniority(&batch));
        order::rarest_kind_first(&mut groups, Group::kind);
        let surplus = postponed_surplus(&batch, surplus);
        // All groups at once: each waits for one of the batch's places.
        let groups = groups.into_iter().map(|group| handle_group(&batch, group));
        let verdicts = groups.collect::<FuturesUnordered<_>>().collect::<Vec<_>>();
        // The surplus is returned now, while the rest is sent.
        let all = join(verdicts, self.return_surplus(&surplus, invocation));
        let (verdicts, ()) = stop::during(&batch, all).await;
        batch.report_age();
        let room = hold_back(&batch, load).await;
        let postponed: Vec<Postponed> = verdicts
            .into_iter()
            .flatten()
            .flat_map(|(messages, verdict)| messages.into_iter().map(move |m| (m, verdict)))
            .filter_map(|(message, verdict)| {
                let after = room.delay(verdict)?;
                Some(Postponed::not_too_often(message, after))
            })
            .collect();
        self.return_by(invocation.closing.returned, &postponed).await;
        let returned = postponed.into_iter().chain(surplus);
        returned.map(|message| message.sqs_message_id).collect()
    }

    /// Returns a batch of which nothing can be sent, and says why, so that an operator hears of it.
    pub async fn cannot_send(
        &self,
        why: &CannotSend,
        closing: Closing,
        messages: Vec<Received>,
    ) -> Vec<String> {
        tracing::error!(
            event = log_events::SENDING_IMPOSSIBLE,
            %why,
            "no email can be sent with the deployed parameters; the batch is returned"
        );
        let postponed: Vec<Postponed> =
            messages.into_iter().map(|m| Postponed::not_too_often(m, HELD_FOR)).collect();
        self.return_by(closing.returned, &postponed).await;
        postponed.into_iter().map(|message| message.sqs_message_id).collect()
    }

    async fn return_surplus(&self, surplus: &[Postponed], invocation: &Invocation) {
        if !surplus.is_empty() {
            let count = surplus.len();
            tracing::info!(count, "a batch was larger than what can be sent in time");
            self.return_by(invocation.closing.settled, surplus).await;
        }
    }

    async fn return_by(&self, end: Instant, messages: &[Postponed]) {
        if timeout_at(end, self.queue.postpone(messages)).await.is_err() {
            tracing::warn!("not all messages were returned in time; they stay hidden for longer");
        }
    }
}

/// What the queue has room for at the end of a batch.
#[derive(Debug, Clone, Copy)]
struct Room {
    held_back: Duration,
    max_delay: Duration,
}

impl Room {
    /// The delay of a message that is returned, less the time for which it was held back already.
    fn delay(self, verdict: Verdict) -> Option<Duration> {
        match verdict {
            Verdict::Acknowledge => None,
            Verdict::GiveBack(after) => Some(after.saturating_sub(self.held_back)),
            Verdict::LeftOver(after) => {
                Some(after.saturating_sub(self.held_back).min(self.max_delay))
            }
        }
    }
}

/// Stays for a while if the batch was stopped, or has messages whose template is held, so that its slot receives no other
/// one meanwhile. Nothing is sent any more, so the pacer need not know of it.
#[expect(
    clippy::disallowed_methods,
    reason = "it waits after the last send, and must wait to receive less"
)]
async fn hold_back<P: Parts>(batch: &BatchInProgress<'_, P>, load: Load) -> Room {
    let (invocation, now) = (batch.invocation, clock::instant());
    let lasted = now.saturating_duration_since(invocation.began_at.1);
    let stopped = batch.stopped().filter(|delay| !delay.is_zero());
    let Some(delay) = stopped.max(batch.held()) else {
        return Room { held_back: Duration::ZERO, max_delay: Duration::MAX };
    };
    // The longest delay of a message that is left over.
    let longest = delay + delay / 4;
    let wanted = load.min_invocation(longest).saturating_sub(lasted);
    let possible = invocation.closing.starts_end.saturating_duration_since(now);
    let held_back = wanted.min(possible).min(delay);
    if !held_back.is_zero() {
        tracing::info!(seconds = held_back.as_secs_f64(), "receiving is held back");
        sleep_until(now + held_back).await;
    }
    Room { held_back, max_delay: load.max_delay(lasted + held_back) }
}

/// The messages that the invocation cannot send in time. If the batch has stopped, they wait as the others do.
fn postponed_surplus<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    surplus: Vec<Group>,
) -> Vec<Postponed> {
    let invocation = batch.invocation;
    let (share, max) = (invocation.pacer.share(), invocation.max_sends());
    let lasts = invocation.closing.starts_end.saturating_duration_since(clock::instant());
    let groups = surplus.into_iter().enumerate();
    let messages = groups.flat_map(|(n, Group(emails))| {
        let delay = surplus::delay(n, max, share.slots().get(), lasts);
        let delay = batch.stopped().unwrap_or(delay);
        emails.into_iter().flat_map(|email| email.messages).map(move |message| (message, delay))
    });
    messages.map(|(message, delay)| Postponed::not_too_often(message, delay)).collect()
}

/// The messages with one job id, or one message that is not a job.
struct Group(Vec<Email>);

impl Group {
    /// `None` if no message of the group is a job that may be sent: others need no permit.
    fn seniority<P: Parts>(&self, batch: &BatchInProgress<'_, P>) -> Option<Seniority> {
        let needs_permit = |email: &&Email| email.parsed.as_ref().is_ok_and(|j| !batch.is_held(j));
        let jobs = self.0.iter().filter(needs_permit);
        jobs.flat_map(|email| &email.messages).map(surplus::seniority).min()
    }

    /// The kind of the first job. `None` if nothing of the group is a job.
    fn kind(&self) -> Option<&str> {
        self.0.iter().find_map(|email| email.parsed.as_ref().ok()).map(queue::group)
    }
}

/// The messages of one email. Only the first message is handled.
struct Email {
    parsed: Result<Job, Reason>,
    messages: Vec<Received>,
}

impl Email {
    /// The span with the ids, so that every log line of a job has them. The trace is the job's own: the jobs of a
    /// batch come from different requests.
    fn span(&self) -> tracing::Span {
        let job_id = self.parsed.as_ref().ok().map(|job| job.id.as_str());
        let Received { sqs_message_id, trace, .. } = &self.messages[0];
        let trace_id = trace.as_ref().map(TraceHeader::id);
        tracing::info_span!("job", job_id, sqs_message_id, trace_id)
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

/// If handling an email panics, or takes longer than the invocation has time for, its messages get the verdict that is
/// right so far. The rest of the batch is not affected.
async fn guarded<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    email: Email,
) -> (Vec<Received>, Verdict) {
    let first = &email.messages[0];
    let so_far = Cell::new(batch.later(first, first.receives));
    let step = AssertUnwindSafe(async {
        let place = Cell::new(batch.places.take().await);
        match &email.parsed {
            Ok(job) => deliver(batch, job, first, Turn { so_far: &so_far, place }).await,
            Err(reason) => match batch.wait_for_release(first, reason) {
                Some(delay) => Verdict::GiveBack(delay),
                None => batch.keep_unclaimed(first, None, reason).await,
            },
        }
    });
    let settled = batch.invocation.closing.settled;
    let verdict = match timeout_at(settled, step.catch_unwind()).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(panic)) => {
            tracing::error!(
                sqs_message_id = first.sqs_message_id,
                panic = panic_text(&*panic),
                "handling a message panicked"
            );
            so_far.get()
        }
        Err(_) => {
            tracing::error!(
                sqs_message_id = first.sqs_message_id,
                "a message was not settled in time"
            );
            so_far.get()
        }
    };
    (email.messages, verdict)
}

#[cfg(test)]
mod tests;
