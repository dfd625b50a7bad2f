//! Logging, as Lambda's advanced logging controls ask for it.
//!
//! Rules: one event a line; a body, a token, a name or an address is never a field; ids are.

/// Starts logging to standard output: JSON where `AWS_LAMBDA_LOG_FORMAT` says so, at the level of
/// `AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`, else `INFO`. Call it once, first.
pub fn start() {
    lambda_runtime::tracing::init_default_subscriber();
}
