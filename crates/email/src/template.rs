//! The names of the worker's templates. The worker has their texts (`functions/email-worker/src/templates.rs`).

/// Every name. A job may name another one: it waits for a release of the worker that has it.
pub const NAMES: [&str; 2] = ["enrollment-confirmation", "enrollment-refund"];
