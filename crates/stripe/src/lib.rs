//! Stripe, over the HTTP client that the AWS SDK links anyway: the five calls that enrollment needs,
//! and the webhook with its signature.

pub mod client;
pub mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod webhook;

mod object;
mod transport;

pub use client::Stripe;
pub use secret::{Secrets, SecretsSource};
