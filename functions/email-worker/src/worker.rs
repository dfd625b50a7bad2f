//! What an invocation works with, and what is its own.

use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use email::{
    dead_letter::DeadLetters,
    guarantee::Guarantees,
    hold::{EventSource, HoldRecord},
    ledger::Ledger,
    mailer::Mailer,
    suppression::Suppressions,
};
use pacer::driver::Driver;
use time::OffsetDateTime;
use tokio::time::Instant;

/// The adapters that a [`Worker`] is made of.
pub trait Parts {
    /// Claims.
    type Ledger: Ledger;
    /// Knows to whom nothing is sent any more.
    type Suppressions: Suppressions;
    /// Sends.
    type Mailer: Mailer;
    /// Keeps what is not tried any more.
    type DeadLetters: DeadLetters;
    /// Gives back what is for later.
    type Queue: Postpone;
    /// Says whether anything is to be sent, and why not.
    type Holds: HoldRecord;
    /// Feeds this function, unless it is turned off.
    type EventSource: EventSource;
}

/// What every invocation works with.
#[derive(Debug)]
#[expect(missing_docs, reason = "`Parts` says what each is")]
pub struct Worker<P: Parts> {
    pub ledger: P::Ledger,
    pub suppressions: P::Suppressions,
    pub mailer: P::Mailer,
    pub dead_letters: P::DeadLetters,
    pub queue: P::Queue,
    pub holds: P::Holds,
    pub event_source: P::EventSource,
    /// What an attempt without an answer means, for each template.
    pub guarantees: Guarantees,
}

/// What is an invocation's own.
#[derive(Debug)]
pub struct Invocation {
    /// Its id; names its claims.
    pub id: String,
    /// When it began, as clocks on walls show it and as time passes.
    pub began_at: (OffsetDateTime, Instant),
    /// Its pace.
    pub pacer: Driver,
    /// When it is over at the latest.
    pub deadline: OffsetDateTime,
}

impl Invocation {
    /// The time.
    pub fn now(&self) -> OffsetDateTime {
        self.at(Instant::now())
    }

    /// What the clock on the wall shows then.
    pub fn at(&self, instant: Instant) -> OffsetDateTime {
        let (at, began) = self.began_at;
        at + instant.saturating_duration_since(began)
    }

    /// From 0 to 1: how much of the jitter a message's delay takes. It differs for each message and
    /// each invocation, so that what failed together does not come back together.
    pub(crate) fn jitter(&self, message: &Received) -> f64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, &message.message_id).hash(&mut hasher);
        f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

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
    /// When it was first received; `None` where the queue does not say.
    pub first_received_at: Option<OffsetDateTime>,
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
