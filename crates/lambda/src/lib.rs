//! Code that the Lambda functions share: environment variables, the clock, the deadline, telemetry, log
//! event names, SQS batches.

pub mod batch;
pub mod clock;
mod deadline;
pub mod env;
pub mod log_events;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use deadline::deadline;
pub use env::Environment;
