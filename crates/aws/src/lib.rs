//! What the functions share of AWS: configuration, telemetry, and the adapters that more than one of
//! them needs. An adapter that one function alone uses lives in that function.

pub mod batch;
pub mod clients;
mod deadline;
pub mod env;
pub mod event_source;
pub mod queue;
pub mod stripe_secret;
pub mod tables;
pub mod telemetry;
pub mod world;

pub use deadline::deadline;
pub use env::Environment;
pub use world::{World, WorldConfig};
