//! The worker and its parts, an invocation, and the messages.

use std::{
    cell::RefCell,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use email::{
    dead_letter::DeadLetters,
    guarantee::Guarantees,
    hold::{Breaker, EventSource, HoldRecord, Holds},
    ledger::{Ledger, Reopen},
    mailer::Mailer,
    retry,
    suppression::Suppressions,
};
use email_templates::Language;
use invocation::trace::TraceHeader;
use lambda::clock;
use pacer::{Share, driver::Driver};
use sizing::sends_within;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::closing::Closing;

/// The adapters that a [`Worker`] is made of.
pub trait Parts {
    /// Grants claims, and reopens jobs whose dead letters were moved back.
    type Ledger: Ledger + Reopen;
    /// Knows the suppressed recipients.
    type Suppressions: Suppressions;
    /// Sends emails.
    type Mailer: Mailer;
    /// Keeps jobs that will not be retried.
    type DeadLetters: DeadLetters;
    /// Returns messages to the queue.
    type Queue: Postpone;
    /// The record of the holds.
    type Holds: HoldRecord;
    /// The event source of this function. A hold turns it off.
    type EventSource: EventSource;
}

/// Everything that all invocations share. [`Parts`] explains the fields.
#[derive(Debug)]
pub struct Worker<P: Parts> {
    pub ledger: P::Ledger,
    pub suppressions: P::Suppressions,
    pub mailer: P::Mailer,
    pub dead_letters: P::DeadLetters,
    pub queue: P::Queue,
    pub holds: P::Holds,
    pub event_source: P::EventSource,
    pub guarantees: Guarantees,
    /// Of emails to readers of another language than the templates are written in.
    pub default_language: Language,
    /// Counts rejections in a row, also across batches.
    pub breaker: RefCell<Breaker>,
    /// The record as this environment last read it. While it cannot be read, a lowered limit and the holds of templates
    /// stay in force.
    pub last_holds: RefCell<Holds>,
}

/// One invocation.
#[derive(Debug)]
pub struct Invocation {
    /// The request id, part of every claim's token.
    pub id: String,
    /// The start, on the wall clock and on the monotonic clock.
    pub began_at: (OffsetDateTime, Instant),
    pub pacer: Driver,
    /// When each step ends at the latest.
    pub closing: Closing,
    /// When Lambda ends the invocation.
    pub deadline: OffsetDateTime,
}

impl Invocation {
    /// An invocation that began at this time, on both clocks. No attempt outlives it: after the last start there is
    /// time for the attempt's timeout and for settling it.
    pub fn begin(
        id: String,
        share: Share,
        began_at: (OffsetDateTime, Instant),
        closing: Closing,
        deadline: OffsetDateTime,
    ) -> Self {
        Self { id, began_at, pacer: Driver::start(share, closing.starts_end), closing, deadline }
    }

    /// The maximum number of emails that it can send.
    pub(crate) fn max_sends(&self) -> u128 {
        let room = self.closing.starts_end.saturating_duration_since(self.began_at.1);
        sends_within(self.pacer.share().interval(), room)
    }

    pub fn now(&self) -> OffsetDateTime {
        self.at(clock::instant())
    }

    /// The wall-clock time of an instant.
    pub fn at(&self, instant: Instant) -> OffsetDateTime {
        let (at, began) = self.began_at;
        at + instant.saturating_duration_since(began)
    }

    /// From 0 to 1, different per message and invocation, so that messages that failed together are not
    /// retried together.
    pub(crate) fn jitter(&self, message: &Received) -> f64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, &message.sqs_message_id).hash(&mut hasher);
        f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

/// A message that the queue delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub sqs_message_id: String,
    pub receipt_handle: String,
    /// A job, unless the sender made a mistake.
    pub body: String,
    /// The receive count, from 1.
    pub receives: u32,
    /// When it was put on the queue. `None` if the queue does not report it.
    pub sent_at: Option<OffsetDateTime>,
    /// `None` if the queue does not report it.
    pub first_received_at: Option<OffsetDateTime>,
    /// The trace of the request that enqueued it.
    pub trace: Option<TraceHeader>,
    /// The error code of the dead letter that this message was before somebody moved it back to the queue.
    pub was_letter: Option<String>,
}

/// A message to return to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postponed {
    pub sqs_message_id: String,
    pub receipt_handle: String,
    pub after: Duration,
}

impl Postponed {
    /// The message, hidden for this time, or for longer if it was received often.
    pub(crate) fn not_too_often(message: Received, after: Duration) -> Self {
        Self {
            after: retry::not_too_often(after, message.receives),
            sqs_message_id: message.sqs_message_id,
            receipt_handle: message.receipt_handle,
        }
    }
}

/// Returns messages to the queue.
pub trait Postpone {
    /// Sets the delay after which each message becomes visible again. The call never fails the batch: if it
    /// fails for a message, the message becomes visible when its current visibility timeout ends.
    fn postpone(&self, messages: &[Postponed]) -> impl Future<Output = ()>;
}
