//! The worker in an in-memory world.

mod parameters;
mod simulation;
pub(crate) mod world;
