//! What the journeys share: a deployed stack, and the ways into and out of it that the world has too.
//!
//! A journey sends signed HTTP requests and SQS messages, and looks at the answers, at what SES
//! received, and at what is left in queues and tables. It never calls the functions' code.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a journey fails")]

pub mod backlog;
pub mod faults;
pub mod feedback;
pub mod http;
pub mod operator;
pub mod outside;
pub mod payments;
pub mod processes;
pub mod stack;
pub mod verdict;
pub mod world;

pub use http::{Answer, Signer};
pub use outside::{Email, eventually};
pub use world::{Student, World};
