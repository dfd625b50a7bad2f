//! Failed calls to AWS, as messages for an operator.

use std::{error::Error, fmt::Write, time::Duration};

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub(crate) struct CallFailed {
    operation: &'static str,
    cause: String,
}

impl CallFailed {
    /// `operation` is a noun phrase, such as "finding the stack".
    pub(crate) fn new<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self { operation, cause: sdk_cause(&error) }
    }

    /// For the error of an adapter.
    pub(crate) fn other(operation: &'static str, error: &dyn Error) -> Self {
        Self { operation, cause: chain(error) }
    }

    pub(crate) fn timed_out(operation: &'static str, after: Duration) -> Self {
        Self { operation, cause: format!("no response within {} s", after.as_secs()) }
    }
}

fn sdk_cause<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.as_service_error() {
        Some(response) => {
            let code = response.code().unwrap_or("an error without a code");
            let code = if code.starts_with("AccessDenied") { "access denied" } else { code };
            match response.message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        None => chain(error),
    }
}

/// The error and its sources on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
