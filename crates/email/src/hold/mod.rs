//! Holds: sending is stopped, by whom, why, and who may end it.
//!
//! Registrar itself (the machine) holds when the provider refuses everything or is about to, and ends
//! such a hold when the provider would accept emails again. An operator may hold for any reason, and
//! only an operator ends that. Both can be in force at once; nothing is sent while either is.
//!
//! A decision is first written to one [record](HoldRecord), and then carried out by turning the queue's
//! [event source](EventSource) off or on. A crash in between leaves work that the next call of
//! [`settle`] finishes, and the record always says why nothing is sent. The event source is turned on
//! only to end a hold: if it was turned off by other means, it stays off.

mod event_source;
mod operations;
mod provider;
mod record;
mod watch;

pub use event_source::EventSource;
pub use operations::{
    Changed, ENDING, HoldError, hold_by_operator, place, release, release_by_operator, settle,
};
pub use provider::{Provider, Rates, Standing};
pub use record::{HoldCause, HoldRecord, Holds, MachineHold, OperatorHold};
pub use watch::{WatchError, watch};

#[cfg(test)]
mod tests;
