//! A world for the crash matrix: the in-memory tables, queue and ledger of the rules' own tests, and the
//! real client of Stripe over the stand-in. Every call is two points at which a task can be killed.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "only tests use it")]

mod line;
mod tasks;
mod world;

pub use line::{Broken, Line};
pub use tasks::{Task, poll, run};
pub use world::{COURSE, KEY, STUDENT, World};
