//! Stripe, over the HTTP client that the AWS SDK links anyway: the calls that enrollment needs, and the
//! webhook with its signature.

pub mod breaker;
pub mod client;
#[cfg(test)]
mod fuzz;
pub mod notice;
pub mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transport;
pub mod webhook;

mod error;
mod object;

pub use client::Stripe;
pub use secret::{Secrets, SecretsSource};
