//! Looks after holds. Each minute it places a hold if a rate is too high, ends a hold whose cause has
//! ended, and finishes a change that a crash interrupted.

pub mod config;
pub mod deployed;
pub mod handler;
pub mod provider;
pub mod watch;

pub use config::Config;
pub use watch::Watch;
