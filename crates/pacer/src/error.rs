//! What can be wrong with a parameter, always with the parameter's name.

use std::fmt;

/// A parameter of a paced deployment, displayed by the name an operator sets it under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parameter {
    /// `N`: sends in any window.
    SendLimit,
    /// `W`: the window.
    SendWindowSeconds,
    /// `D`: the slack.
    SendSlackMilliseconds,
    /// `S`: how many workers run at once.
    WorkerConcurrency,
    /// `B`: messages an invocation is given.
    WorkerBatchSize,
    /// How long an invocation may last.
    WorkerTimeout,
    /// The latency that is usual at the provider.
    ExpectedLatency,
}

impl Parameter {
    /// The name, as in a template's parameters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendLimit => "SendLimit",
            Self::SendWindowSeconds => "SendWindowSeconds",
            Self::SendSlackMilliseconds => "SendSlackMilliseconds",
            Self::WorkerConcurrency => "WorkerConcurrency",
            Self::WorkerBatchSize => "WorkerBatchSize",
            Self::WorkerTimeout => "WorkerTimeout",
            Self::ExpectedLatency => "ExpectedLatency",
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value that a parameter cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {problem}")]
pub struct Invalid {
    parameter: Parameter,
    problem: String,
}

impl Invalid {
    pub(crate) fn new(parameter: Parameter, problem: impl Into<String>) -> Self {
        Self { parameter, problem: problem.into() }
    }

    /// The parameter to change.
    pub const fn parameter(&self) -> Parameter {
        self.parameter
    }

    /// What is wrong with it, without its name.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
