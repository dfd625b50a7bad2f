//! Logging, configured by Lambda's advanced logging controls.
//!
//! Rules: one event per line. Ids, codes and times may be fields; a body, token, name or address may not.

/// Starts logging to standard output. Call it once, before anything else. The format is JSON if
/// `AWS_LAMBDA_LOG_FORMAT` is `JSON`. The level is that of `AWS_LAMBDA_LOG_LEVEL`, otherwise of `RUST_LOG`,
/// otherwise `INFO`.
///
/// The runtime opens a span per invocation, with `requestId` and `xrayTraceId`.
pub fn start() {
    lambda_runtime::tracing::init_default_subscriber();
}
