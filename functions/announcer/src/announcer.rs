//! One invocation's batch: the records of one shard of a stream, in their order.
//!
//! ```text
//! record ──> events ──> calls of at most 10 ──> accepted ──> next call
//!    │ unreadable                  │ not accepted, twice; or no time is left
//!    └ logged, and passed over     └ the batch ends: Lambda begins again at the record of the first event that is left
//! ```
//!
//! Events of one enrollment, or of one email job, are accepted in their order: a call ends before a second event of the
//! same one, and the next call follows only when all are accepted. Events that were accepted behind one that was not are
//! sent again with it, under the same ids.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lambda::log_events;
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

use crate::{
    bus::{Bus, EVENTS_PER_CALL, Refused},
    event::{Event, Tables, events},
    record::Record,
};

/// How long it is known that the bus exists.
pub const BUS_KNOWN_FOR: Duration = Duration::from_mins(1);

/// Attempts for an event within one invocation. After them, Lambda repeats the invocation later.
pub const MAX_ATTEMPTS: u32 = 2;

/// Why nothing of a batch was announced. Lambda repeats the batch.
#[derive(Debug, thiserror::Error)]
pub enum NotAnnounced {
    #[error("the event bus does not exist")]
    NoBus,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Announces what is written to the tables.
#[derive(Debug)]
pub struct Announcer<B> {
    bus: B,
    tables: Tables,
    /// When the bus was last found.
    bus_found_at: Mutex<Option<Instant>>,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub announced: usize,
    pub unreadable: usize,
    /// The sequence number of the first record with an event that is left.
    pub first_left: Option<String>,
}

impl<B: Bus> Announcer<B> {
    pub fn new(bus: B, tables: Tables) -> Self {
        Self { bus, tables, bus_found_at: Mutex::new(None) }
    }

    /// Announces a batch. No call is begun when `clock` has reached `until`.
    ///
    /// # Errors
    ///
    /// Nothing was announced: the bus does not exist, or EventBridge does not respond.
    pub async fn announce(
        &self,
        batch: &[Record],
        until: Instant,
        clock: impl Fn() -> Instant,
    ) -> Result<Outcome, NotAnnounced> {
        let (events, unreadable) = self.events(batch);
        if events.is_empty() {
            return Ok(Outcome { unreadable, ..Outcome::default() });
        }
        self.require_bus(clock()).await?;
        let (mut announced, mut left) = (0, &events[..]);
        while !left.is_empty() && clock() < until {
            let (call, rest) = left.split_at(size_of_call(left));
            let accepted = self.put(call).await;
            announced += accepted.iter().filter(|accepted| **accepted).count();
            if let Some(first) = accepted.iter().position(|accepted| !accepted) {
                left = &left[first..];
                break;
            }
            left = rest;
        }
        let first_left = left.first().map(|event| event.sequence_number.clone());
        Ok(Outcome { announced, unreadable, first_left })
    }

    /// The events of a batch, and the number of records that cannot be read. A retry would not help those, and they must
    /// not hold up the ones behind them.
    fn events(&self, batch: &[Record]) -> (Vec<Event>, usize) {
        let (mut all, mut unreadable) = (Vec::new(), 0);
        for record in batch {
            match events(&self.tables, record) {
                Ok(events) => all.extend(events),
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(
                        event = log_events::CHANGE_UNREADABLE,
                        table = record.table(),
                        sequence_number = record.change.sequence_number,
                        %error,
                        "a change of an item is not announced"
                    );
                }
            }
        }
        (all, unreadable)
    }

    async fn require_bus(&self, now: Instant) -> Result<(), NotAnnounced> {
        let found_at = *self.bus_found_at.lock().unwrap_or_else(PoisonError::into_inner);
        if found_at.is_some_and(|at| now.duration_since(at) < BUS_KNOWN_FOR) {
            return Ok(());
        }
        if !self.bus.exists().await? {
            // The runtime logs the error's `Debug` form only.
            tracing::error!("the event bus does not exist");
            return Err(NotAnnounced::NoBus);
        }
        *self.bus_found_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    /// Puts the events of one call on the bus, and then once more those that were not accepted. Returns which were.
    async fn put(&self, call: &[Event]) -> Vec<bool> {
        let mut accepted = vec![false; call.len()];
        for attempt in 1..=MAX_ATTEMPTS {
            let missing: Vec<_> = (0..call.len()).filter(|index| !accepted[*index]).collect();
            if missing.is_empty() {
                break;
            }
            let events: Vec<_> = missing.iter().map(|index| call[*index].clone()).collect();
            match self.bus.put(&events).await {
                Ok(results) => {
                    log_refusals(attempt, &results);
                    for (index, result) in missing.into_iter().zip(results) {
                        accepted[index] = result.is_ok();
                    }
                }
                Err(error) => {
                    // The client has already repeated the call.
                    tracing::error!(event = log_events::EVENTS_REFUSED, attempt, refused = events.len(), %error, "events were not accepted");
                    break;
                }
            }
        }
        accepted
    }
}

fn log_refusals(attempt: u32, results: &[Result<(), Refused>]) {
    let codes: BTreeSet<_> =
        results.iter().filter_map(|r| r.as_ref().err()).map(|r| &*r.code).collect();
    if codes.is_empty() {
        return;
    }
    let refused = results.iter().filter(|result| result.is_err()).count();
    let code = codes.into_iter().collect::<Vec<_>>().join(" ");
    tracing::error!(
        event = log_events::EVENTS_REFUSED,
        attempt,
        refused,
        code,
        "events were not accepted"
    );
}

/// How many of the first events one call has: until the second of one subject.
fn size_of_call(events: &[Event]) -> usize {
    let mut subjects = BTreeSet::new();
    let first = events.iter().take(EVENTS_PER_CALL);
    first.take_while(|event| subjects.insert(event.subject.as_str())).count()
}

/// The instant at which no call is begun any more.
pub fn until(now: OffsetDateTime, deadline: OffsetDateTime, started_at: Instant) -> Instant {
    let left = Duration::try_from(deadline - now).unwrap_or_default();
    started_at + left.saturating_sub(LAST_PART)
}

/// The duration of one call to the bus with the repetition of the events that were not accepted
/// (`adapters::clients::CALL_TIMEOUT` each), and room for the response.
pub const LAST_PART: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
