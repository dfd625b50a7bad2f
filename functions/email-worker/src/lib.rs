//! The email worker: takes jobs from the SQS queue and sends them through SES, within the send limit.

pub mod batch;
pub mod closing;
pub mod config;
pub mod dead_letter_queue;
mod delivery;
pub mod deployed;
mod finished;
pub mod handler;
mod in_flight;
mod in_progress;
mod lowered;
mod measures;
mod order;
pub mod pace;
mod places;
mod sent;
pub mod ses;
mod stop;
pub mod suppression;
mod surplus;
#[cfg(test)]
mod testing;
pub mod visibility;
pub mod worker;

pub use config::Config;
pub use worker::Worker;
