//! Holds: who stopped sending, why, and who may end it.
//!
//! Registrar places an automatic hold when the provider refuses every email or is about to, and ends it
//! when the provider would accept emails again. If the provider's reports do not show the cause, the hold ends on
//! probation. An operator may hold for any reason, and only an operator ends that hold. Both can be in force at
//! once. Nothing is sent while either is.
//!
//! A decision is first written to one [record](HoldRecord), and then carried out by turning the queue's
//! [event source](EventSource) off or on. After a crash in between, the next call of [`settle`]
//! finishes the work. So the record always says why nothing is sent. The event source is turned on only
//! to end a hold: if it was turned off by other means, it stays off.

mod breaker;
mod cause;
mod decision;
mod event_source;
mod operations;
mod probation;
mod provider;
mod record;
mod watch;

pub use breaker::{Breaker, MAX_REJECTIONS, MAX_REJECTIONS_ON_PROBATION};
pub use cause::HoldCause;
pub use event_source::EventSource;
pub use operations::{
    Changed, ENDING, HoldError, end, hold_by_operator, place, release_by_operator, settle,
};
pub use probation::{FIRST_PROBATION, MAX_PROBATION, RELAPSE};
pub use provider::{ConfigurationSet, Provider, Rate, Rates, Standing};
pub use record::{HoldRecord, Holds, LastEnd, MachineHold, OperatorHold};
pub use watch::{WatchError, Watched, watch};

#[cfg(test)]
mod tests;
