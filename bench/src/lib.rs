//! Runs a function's binary as Lambda does, and measures it from outside.
//!
//! A [`Session`] is one execution environment: a process that gets its events from [`RuntimeApi`], and calls
//! stand-ins through a [`Door`] per service, which speaks TLS and counts connections, requests and bytes. The
//! services are those of `tests/storm`.

pub mod authority;
pub mod callgrind;
pub mod child;
mod counted;
pub mod dependencies;
pub mod door;
pub mod events;
pub mod process;
pub mod program;
pub mod quota;
pub mod redis;
pub mod runtime_api;
pub mod session;
pub mod spread;

pub use authority::Authority;
pub use dependencies::Dependencies;
pub use door::{Door, Traffic};
pub use program::Program;
pub use quota::{Quota, Share};
pub use redis::Redis;
pub use runtime_api::RuntimeApi;
pub use session::{Answer, Session};
pub use spread::Spread;
