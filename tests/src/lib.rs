//! Code that the journeys share: the deployed stack, and ways to use and observe it from outside.
//!
//! A journey sends signed HTTP requests and SQS messages. It checks the responses, the emails that SES received, and
//! what is left in queues and tables. It never calls the functions' code.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a journey fails")]

pub mod alarms;
pub mod announcements;
pub mod backlog;
pub mod console;
pub mod courses;
pub mod dead_letters;
pub mod deployed_stack;
pub mod description;
pub mod email_queue;
pub mod emails;
pub mod emulator;
pub mod enrolling;
pub mod faults;
pub mod feedback;
pub mod functions;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod operator;
pub mod payments;
pub mod processes;
pub mod queues;
pub mod refusing_provider;
pub mod schedules;
pub mod tokens;
pub mod traces;
mod turns;
pub mod verdict;
pub mod wait;

pub use deployed_stack::{DeployedStack, unique_id};
pub use emails::Email;
pub use enrolling::Student;
pub use http::{HttpResponse, Signer};
pub use wait::eventually;
