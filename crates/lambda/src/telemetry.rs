//! Logging, configured by Lambda's advanced logging controls.
//!
//! Rules: one event per line. Ids, codes and times may be fields; a body, token, name or address may not.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::Environment;

/// Starts logging to standard output. Call it once, before anything else. The format is JSON if
/// `AWS_LAMBDA_LOG_FORMAT` is `JSON`. The level is that of `AWS_LAMBDA_LOG_LEVEL`, otherwise of `RUST_LOG`, which may have
/// one per target, otherwise `INFO`.
///
/// The runtime opens a span per invocation, with `requestId` and `xrayTraceId`.
// lambda_runtime has such a function too, with a filter that links a whole engine of regular expressions.
pub fn start() {
    let environment = Environment::process();
    let lines = fmt::layer().with_target(false).without_time();
    let registry = tracing_subscriber::registry().with(levels(&environment));
    if variable(&environment, "AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") {
        registry.with(lines.json()).init();
    } else {
        registry.with(lines).init();
    }
}

/// An unknown level counts as missing: a function must not fail for its log.
fn levels(environment: &Environment<'_>) -> Targets {
    let all = |level| Targets::new().with_default(level);
    let of_lambda = match variable(environment, "AWS_LAMBDA_LOG_LEVEL").as_str() {
        // The most severe level of Lambda (Lambda Developer Guide, "Log-level filtering"). `tracing` has none above ERROR.
        "FATAL" => Some(LevelFilter::ERROR),
        "" => None,
        level => level.parse().ok(),
    };
    let of_rust = || match variable(environment, "RUST_LOG").as_str() {
        "" => None,
        levels => levels.parse().ok(),
    };
    of_lambda.map(all).or_else(of_rust).unwrap_or_else(|| all(LevelFilter::INFO))
}

fn variable(environment: &Environment<'_>, name: &'static str) -> String {
    environment.optional(name).ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn levels_of(lambda: &str, rust_log: &str) -> Targets {
        levels(&Environment::new(&|name| {
            Some(if name == "RUST_LOG" { rust_log } else { lambda }.to_owned())
        }))
    }

    #[test]
    fn level_of_lambda_goes_before_that_of_rust() {
        for (lambda, rust_log, level) in [
            ("DEBUG", "error", LevelFilter::DEBUG),
            ("FATAL", "", LevelFilter::ERROR),
            ("", "warn", LevelFilter::WARN),
            ("LOUD", "warn", LevelFilter::WARN),
        ] {
            let levels = levels_of(lambda, rust_log);
            assert_eq!(levels.default_level(), Some(level), "{lambda} {rust_log}");
        }
    }

    #[test]
    fn target_may_have_a_level_of_its_own() {
        let levels = levels_of("", "warn,enroll=debug");
        assert!(levels.would_enable("enroll", &Level::DEBUG));
        assert!(!levels.would_enable("hyper", &Level::INFO));
    }

    #[test]
    fn unknown_or_missing_level_is_info() {
        for (lambda, rust_log) in [("", ""), ("LOUD", ""), ("", "enroll=loud")] {
            let levels = levels_of(lambda, rust_log);
            assert_eq!(levels.default_level(), Some(LevelFilter::INFO), "{lambda} {rust_log}");
        }
    }
}
