//! Settings from given parameters, as `NAME=VALUE` of `sam deploy --parameter-overrides`.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use pacer::{SendLimit, Slack, Slots, Window};

use crate::{
    DEFAULT_LATENCY, Invalid, Parameter, Plan, WorkerSettings,
    plan::{MAX_WINDOW, TIMEOUTS},
    worker_settings::{MAX_BATCH_SIZE, MAX_SLOTS, MIN_SLOTS},
};

/// The default of `SendLimit` in template.yaml.
const DEFAULT_LIMIT: u32 = 300;
/// The default of `SendWindowSeconds` in template.yaml.
const DEFAULT_WINDOW_SECONDS: u32 = 60;
/// The maximum of `SendSlackMilliseconds` in template.yaml.
const MAX_SLACK: Duration = Duration::from_mins(1);

impl WorkerSettings {
    /// The defaults of template.yaml: the plan for 300 per minute.
    ///
    /// # Errors
    ///
    /// None: the plan exists. A test compares it with the template.
    pub fn defaults() -> Result<Self, Invalid> {
        let limit = SendLimit::new(DEFAULT_LIMIT)?;
        Ok(Plan::new(limit, Window::from_secs(DEFAULT_WINDOW_SECONDS)?, DEFAULT_LATENCY)?
            .settings())
    }

    /// The same settings with another value of one parameter. It accepts what template.yaml accepts, except for numbers
    /// that are not whole.
    ///
    /// # Errors
    ///
    /// The template does not accept the value, or the number is not whole.
    pub fn with(self, parameter: Parameter, value: &str) -> Result<Self, Invalid> {
        let number = |range| number::<u32>(parameter, value, range);
        Ok(match parameter {
            Parameter::SendLimit => {
                Self { limit: SendLimit::new(number(MIN_SLOTS..=u32::MAX)?)?, ..self }
            }
            Parameter::SendWindowSeconds => {
                let max = u32::try_from(MAX_WINDOW.as_secs()).unwrap_or(u32::MAX);
                Self { window: Window::from_secs(number(1..=max)?)?, ..self }
            }
            Parameter::SendSlackMilliseconds => {
                let max = u32::try_from(MAX_SLACK.as_millis()).unwrap_or(u32::MAX);
                Self { slack: Slack::from_millis(number(1..=max)?)?, ..self }
            }
            Parameter::WorkerConcurrency => {
                Self { slots: Slots::new(number(MIN_SLOTS..=MAX_SLOTS)?)?, ..self }
            }
            Parameter::WorkerBatchSize => Self { batch_size: number(1..=MAX_BATCH_SIZE)?, ..self },
            Parameter::WorkerTimeout => {
                let seconds = value.trim().parse().ok().filter(|s| TIMEOUTS.contains(s));
                let seconds = seconds.ok_or_else(|| {
                    let allowed = TIMEOUTS.map(|seconds| seconds.to_string()).join(", ");
                    Invalid::new(parameter, format!("must be one of {allowed}"))
                })?;
                Self { timeout: Duration::from_secs(seconds), ..self }
            }
            Parameter::ExpectedLatency => {
                return Err(Invalid::new(parameter, "is not a parameter of the template"));
            }
        })
    }
}

fn number<T: FromStr + PartialOrd + Display>(
    parameter: Parameter,
    value: &str,
    range: RangeInclusive<T>,
) -> Result<T, Invalid> {
    value.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let problem = format!("must be a whole number from {} to {}", range.start(), range.end());
        Invalid::new(parameter, problem)
    })
}
