//! The email worker: takes jobs from the SQS queue and sends them through SES, never faster than the
//! send limit allows.

pub mod batch;
pub mod config;
pub mod dead_letter_queue;
pub mod handler;
pub mod ses;
pub mod templates;
pub mod visibility;

pub use batch::Worker;
pub use config::Config;
