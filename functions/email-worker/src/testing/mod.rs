//! The worker in an in-memory world.

mod simulation;
pub(crate) mod world;
