//! The email worker: takes jobs from the SQS queue and sends them through SES, never faster than the
//! send limit allows.

pub mod batch;
pub mod config;
pub mod dead_letter_queue;
mod delivery;
pub mod deployed;
pub mod handler;
#[cfg(test)]
mod memory;
pub mod ses;
#[cfg(test)]
mod simulation;
pub mod suppression;
pub mod templates;
pub mod visibility;
pub mod worker;

pub use config::Config;
pub use worker::Worker;
