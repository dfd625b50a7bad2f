//! The enroll function: the platform's HTTP API, and so the critical path. It never waits for email.

pub mod course_cache;
pub mod http;

pub use http::router;
