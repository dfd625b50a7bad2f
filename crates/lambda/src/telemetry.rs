//! Logging, by Lambda's advanced logging controls.
//!
//! Rules: one event per line. Ids, codes and times may be fields; a body, token, name or address may not.

/// Starts logging to standard output: JSON if `AWS_LAMBDA_LOG_FORMAT` says so, at the level of
/// `AWS_LAMBDA_LOG_LEVEL`, otherwise of `RUST_LOG`, otherwise `INFO`. Call it first, and once.
///
/// The runtime opens a span per invocation, with `requestId` and `xrayTraceId`.
pub fn start() {
    lambda_runtime::tracing::init_default_subscriber();
}
