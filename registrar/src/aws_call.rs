//! Calls to AWS that fail, in words for an operator.

use std::{error::Error, fmt::Write};

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// A call that failed, and what it was for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing} failed: {why}")]
pub(crate) struct CallFailed {
    doing: &'static str,
    why: String,
}

impl CallFailed {
    pub(crate) fn new<E, R>(doing: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self { doing, why: why(&error) }
    }

    /// For an adapter's error, which says what it was doing.
    pub(crate) fn other(doing: &'static str, error: &dyn Error) -> Self {
        Self { doing, why: chain(error) }
    }
}

fn why<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.as_service_error() {
        Some(refusal) => {
            let code = refusal.code().unwrap_or("an error without a code");
            let code = if code.starts_with("AccessDenied") { "access denied" } else { code };
            match refusal.message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        None => chain(error),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
