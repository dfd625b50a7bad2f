//! The worker in an in-memory world.

mod parameters;
mod simulation;
mod slow_calls;
mod usage;
pub(crate) mod world;
