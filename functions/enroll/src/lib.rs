//! The enroll function: the platform's HTTP API, and so the critical path. It never waits for email.

pub mod config;
pub mod course_cache;
pub mod deployed;
pub mod handler;
pub mod http;

pub use config::Config;
pub use http::router;
