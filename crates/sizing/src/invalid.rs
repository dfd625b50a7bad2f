//! Parameters that cannot be deployed, named as in template.yaml.

use std::{fmt, str::FromStr};

use pacer::Quantity;

/// A deployment parameter of the email worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parameter {
    /// `N`: the maximum number of sends in any window.
    SendLimit,
    /// `W`: the window, in seconds.
    SendWindowSeconds,
    /// `D`: the slack, in milliseconds.
    SendSlackMilliseconds,
    /// `S`: the slots, one per concurrent worker.
    WorkerConcurrency,
    /// `B`: the maximum number of messages per invocation.
    WorkerBatchSize,
    /// The function's timeout, in seconds.
    WorkerTimeout,
    /// The provider's expected latency. An input of a plan, not a parameter of the template.
    ExpectedLatency,
}

impl Parameter {
    /// The parameters of template.yaml.
    pub const OF_TEMPLATE: [Self; 6] = [
        Self::SendLimit,
        Self::SendWindowSeconds,
        Self::SendSlackMilliseconds,
        Self::WorkerConcurrency,
        Self::WorkerBatchSize,
        Self::WorkerTimeout,
    ];

    /// The name in template.yaml.
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

/// Parses the name of a parameter of template.yaml.
impl FromStr for Parameter {
    type Err = UnknownParameter;

    fn from_str(name: &str) -> Result<Self, UnknownParameter> {
        let known = Self::OF_TEMPLATE.into_iter().find(|parameter| parameter.name() == name);
        known.ok_or(UnknownParameter)
    }
}

/// A name that is not one of the parameters of the email worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be SendLimit, SendWindowSeconds, SendSlackMilliseconds, WorkerConcurrency, WorkerBatchSize or WorkerTimeout"
)]
pub struct UnknownParameter;

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Maps each of the pacer's quantities to the parameter that sets it.
impl From<Quantity> for Parameter {
    fn from(quantity: Quantity) -> Self {
        match quantity {
            Quantity::Limit => Self::SendLimit,
            Quantity::Window => Self::SendWindowSeconds,
            Quantity::Slots => Self::WorkerConcurrency,
            Quantity::Slack => Self::SendSlackMilliseconds,
        }
    }
}

/// A parameter with a value that it cannot have.
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

    /// What is wrong with the value, without the parameter's name.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl From<pacer::Invalid> for Invalid {
    fn from(invalid: pacer::Invalid) -> Self {
        Self::new(invalid.quantity().into(), invalid.problem())
    }
}

#[cfg(test)]
mod tests {
    use pacer::{SendLimit, Share, Slack, Slots, Window};

    use super::*;

    #[test]
    fn errors_of_the_pacer_name_the_template_parameter() {
        let share = |limit, seconds, slots, slack| -> Result<Share, Invalid> {
            Ok(Share::new(
                SendLimit::new(limit)?,
                Window::from_secs(seconds)?,
                Slots::new(slots)?,
                Slack::from_millis(slack)?,
            )?)
        };
        for (result, parameter) in [
            (share(0, 60, 2, 250), Parameter::SendLimit),
            (share(1, 60, 2, 250), Parameter::SendLimit),
            (share(300, 0, 2, 250), Parameter::SendWindowSeconds),
            (share(300, 60, 0, 250), Parameter::WorkerConcurrency),
        ] {
            assert_eq!(result.unwrap_err().parameter(), parameter);
        }
        let slack = Slack::new(std::time::Duration::MAX).unwrap_err();
        assert_eq!(Invalid::from(slack).parameter(), Parameter::SendSlackMilliseconds);
    }
}
