//! Holds: who stopped sending, why, and who may end it.
//!
//! Registrar places an automatic hold when the provider refuses every email or is about to, and ends it
//! when the provider would accept emails again. If the provider's reports do not show the cause, the hold ends on
//! probation. An operator may hold for any reason, and only an operator, or the end that the operator has set, ends
//! that hold. Both can be in force at once. Nothing is sent while either is.
//!
//! An operator may also hold single [templates](Holds::holds_template), or [lower the limit](LoweredLimit). Neither
//! turns the event source off.
//!
//! A decision is first written to one [record](HoldRecord), and then carried out by turning the queue's
//! [event source](EventSource) off or on. After a crash in between, the next call of [`settle`]
//! finishes the work. So the record always says why nothing is sent. The event source is turned on only
//! to end a hold: if it was turned off by other means, it stays off.

mod breaker;
mod by_operator;
mod cause;
mod decision;
mod event_source;
mod lowered;
mod operations;
mod probation;
mod provider;
mod record;
mod watch;

pub use breaker::{Breaker, MAX_REJECTIONS, MAX_REJECTIONS_ON_PROBATION};
pub use by_operator::FORGOTTEN;
pub use cause::HoldCause;
pub use event_source::EventSource;
pub use lowered::LoweredLimit;
pub use operations::{
    Changed, ENDING, HoldError, end, end_expired, hold_by_operator, hold_template, lower_limit,
    place, release_by_operator, release_template, reset_limit, settle,
};
pub use probation::{FIRST_PROBATION, MAX_PROBATION, RELAPSE};
pub use provider::{ConfigurationSet, Provider, Rate, Rates, Standing};
pub use record::{HoldRecord, Holds, LastEnd, MachineHold, OperatorHold};
pub use watch::{WatchError, Watched, watch};

#[cfg(test)]
mod tests;
