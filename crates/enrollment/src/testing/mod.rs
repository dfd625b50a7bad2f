//! The in-memory world for tests of these ports.
//!
//! Its tables honour conditions and versions exactly as the DynamoDB adapter does, so a lost update
//! shows. Every call is two numbered points, before its effect and after it: a task that is dropped at
//! a point has crashed there. Dependencies can be taken down, calls can fail at random, and single
//! rules can be removed ([`Missing`]) to prove that a test notices.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "only tests use it")]

mod bank;
mod dice;
mod emails;
mod index;
mod lists;
mod operators;
mod payments;
mod rows;
mod seats;
mod tables;
mod world;

pub use bank::{Bank, Refunds};
pub use dice::Dice;
pub use operators::{Deed, waits_for_operator};
pub use payments::KEY_LIFETIME;
pub use rows::JobFault;
pub use world::{Delay, Dependency, InMemory, Missing, OUTAGE, Report, World};
