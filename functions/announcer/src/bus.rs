//! The port of the event bus.

use std::future::Future;

use unavailable::Unavailable;

use crate::event::Event;

/// The maximum of one call (EventBridge API Reference, `PutEvents`, `Entries`).
pub const EVENTS_PER_CALL: usize = 10;

/// The bus did not accept an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The bus's code, such as `ThrottlingException`.
    pub code: String,
}

pub trait Bus {
    /// Whether the bus exists. To a bus that does not, EventBridge accepts events and drops them.
    fn exists(&self) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Puts at most [`EVENTS_PER_CALL`] events on the bus. The result has an entry for each event, in their order. After an
    /// `Err`, each of them may have been accepted or not.
    fn put(
        &self,
        events: &[Event],
    ) -> impl Future<Output = Result<Vec<Result<(), Refused>>, Unavailable>> + Send;
}
