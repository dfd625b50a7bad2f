//! Looks after holds. Each minute it makes a hold if a rate is too high, ends a hold whose cause is
//! gone, and finishes a change that a crash left half done.

pub mod config;
pub mod provider;
pub mod watch;

pub use config::Config;
pub use watch::Watch;
