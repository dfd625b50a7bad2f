//! The email worker's own `main` in real processes, against stand-ins for the services that it calls.
//!
//! [`Fleet`] runs real worker processes, one per slot. [`World`] is everything that they can reach: Lambda's
//! runtime API, SQS, DynamoDB and SES, in memory and on loopback. `tests/storm.rs` kills workers and checks what
//! arrived at the provider; the benchmarks in `bench` measure how fast it arrived.

pub mod backlog;
pub mod clock;
pub mod fleet;
pub mod http;
mod lock;
pub mod oracle;
pub mod program;
pub mod stand_in;
pub mod weather;

pub use clock::Clock;
pub use fleet::Fleet;
pub use program::Program;
pub use stand_in::World;
