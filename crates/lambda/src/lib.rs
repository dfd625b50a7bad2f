//! What every Lambda function shares: environment variables, telemetry, the deadline, SQS batches.

pub mod batch;
mod deadline;
pub mod env;
pub mod telemetry;

pub use deadline::deadline;
pub use env::Environment;
