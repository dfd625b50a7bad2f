//! The reconciler: every day, compares Stripe's payments with the table of enrollments. It changes nothing.

pub mod config;
pub mod deployed;
pub mod handler;
pub mod request;
pub mod run;

pub use config::Config;
pub use request::Request;
pub use run::{Books, Report};
