//! The worker's deployed settings, and the check that they can work together.

use std::time::Duration;

use pacer::{SendLimit, Share, Slack, Slots, Window};

use crate::{Invalid, Parameter, human::human};

/// The timeout of one send attempt at SES. An invocation starts its last attempt early enough for
/// it.
pub const SES_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that an invocation needs after its last attempt to record the outcome and return.
pub const CLOSING_ROOM: Duration = Duration::from_secs(2);

/// Lambda allows batches of 10,000 messages, but a batch must also fit into an invocation's 6 MB.
pub(crate) const MAX_BATCH_SIZE: u32 = 1000;

/// Lambda's bounds on an event source's maximum concurrency.
pub(crate) const MIN_SLOTS: u32 = 2;
pub(crate) const MAX_SLOTS: u32 = 1000;

/// Lambda's maximum for a function's timeout.
pub(crate) const MAX_WORKER_TIMEOUT: Duration = Duration::from_mins(15);

/// The settings of the email worker, as deployed by template.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `N`, parameter `SendLimit`.
    pub limit: SendLimit,
    /// `W`, parameter `SendWindowSeconds`.
    pub window: Window,
    /// `D`, parameter `SendSlackMilliseconds`.
    pub slack: Slack,
    /// `S`, parameter `WorkerConcurrency`.
    pub slots: Slots,
    /// `B`, parameter `WorkerBatchSize`: the most messages per invocation.
    pub batch_size: u32,
    /// The function's timeout, parameter `WorkerTimeout`.
    pub timeout: Duration,
}

impl WorkerSettings {
    /// The share of each slot, if these settings can work together.
    ///
    /// Check the deployed limit, not one that is lowered to the provider's rate: at a lower rate
    /// the worker returns the messages that it cannot send in time, which is not an error.
    ///
    /// # Errors
    ///
    /// The settings cannot work together. The error names the parameter to change.
    pub fn check(&self) -> Result<Share, Invalid> {
        in_range(
            Parameter::WorkerConcurrency,
            self.slots.get(),
            MIN_SLOTS,
            MAX_SLOTS,
            "the range of an SQS event source's maximum concurrency",
        )?;
        let share = Share::new(self.limit, self.window, self.slots, self.slack)?;
        self.check_slack()?;
        in_range(
            Parameter::WorkerBatchSize,
            self.batch_size,
            1,
            MAX_BATCH_SIZE,
            "for a batch to fit into an invocation's 6 MB",
        )?;
        self.check_timeout(share)?;
        Ok(share)
    }

    fn check_slack(&self) -> Result<(), Invalid> {
        if self.slack.get() > self.window.get() {
            return Err(Invalid::new(
                Parameter::SendSlackMilliseconds,
                format!(
                    "{} is longer than SendWindowSeconds ({}), which leaves less than half of the \
                     limit usable",
                    human(self.slack.get()),
                    human(self.window.get())
                ),
            ));
        }
        Ok(())
    }

    fn check_timeout(&self, share: Share) -> Result<(), Invalid> {
        if self.timeout > MAX_WORKER_TIMEOUT {
            return Err(Invalid::new(
                Parameter::WorkerTimeout,
                format!("{} is longer than Lambda's maximum of 900 s", human(self.timeout)),
            ));
        }
        let max_batch = max_messages(share.interval(), self.timeout);
        if max_batch == 0 {
            return Err(Invalid::new(
                Parameter::WorkerTimeout,
                format!(
                    "{} is shorter than one interval ({}), an attempt's timeout ({}) and {} to \
                     close",
                    human(self.timeout),
                    human(share.interval()),
                    human(SES_ATTEMPT_TIMEOUT),
                    human(CLOSING_ROOM),
                ),
            ));
        }
        if u128::from(self.batch_size) > max_batch {
            return Err(Invalid::new(
                Parameter::WorkerBatchSize,
                format!(
                    "{} messages, {} apart, do not fit into WorkerTimeout ({}) with an attempt's \
                     timeout ({}) and {} to close: use at most {max_batch}, or a longer timeout",
                    self.batch_size,
                    human(share.interval()),
                    human(self.timeout),
                    human(SES_ATTEMPT_TIMEOUT),
                    human(CLOSING_ROOM),
                ),
            ));
        }
        Ok(())
    }
}

/// How many messages an invocation can send within the timeout, including the last attempt's
/// timeout and [`CLOSING_ROOM`].
pub(crate) fn max_messages(interval: Duration, timeout: Duration) -> u128 {
    let room = timeout.saturating_sub(SES_ATTEMPT_TIMEOUT + CLOSING_ROOM);
    room.as_nanos() / interval.as_nanos()
}

fn in_range(
    parameter: Parameter,
    value: u32,
    min: u32,
    max: u32,
    why: &str,
) -> Result<(), Invalid> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(parameter, format!("{value} is not from {min} to {max}, {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The defaults of template.yaml.
    fn working() -> WorkerSettings {
        WorkerSettings {
            limit: SendLimit::new(300).unwrap(),
            window: Window::from_secs(60).unwrap(),
            slack: Slack::from_millis(250).unwrap(),
            slots: Slots::new(2).unwrap(),
            batch_size: 100,
            timeout: Duration::from_mins(1),
        }
    }

    #[test]
    fn settings_that_cannot_work_name_the_parameter() {
        let working = working();
        let slots = |slots| Slots::new(slots).unwrap();
        let seconds = Duration::from_secs;
        for (settings, expected) in [
            (
                WorkerSettings { slots: slots(1), ..working },
                "WorkerConcurrency: 1 is not from 2 to",
            ),
            (
                WorkerSettings { slots: slots(1001), ..working },
                "WorkerConcurrency: 1001 is not from",
            ),
            (
                WorkerSettings { slots: slots(301), ..working },
                "SendLimit: 300 cannot be shared by 301",
            ),
            (
                WorkerSettings { slack: Slack::from_millis(60_001).unwrap(), ..working },
                "SendSlackMilliseconds: 60",
            ),
            (
                WorkerSettings { batch_size: 0, ..working },
                "WorkerBatchSize: 0 is not from 1 to 1000",
            ),
            (WorkerSettings { batch_size: 1001, ..working }, "WorkerBatchSize: 1001 is not from"),
            (
                WorkerSettings { batch_size: 120, ..working },
                "WorkerBatchSize: 120 messages, 401.7 ms",
            ),
            (
                WorkerSettings { timeout: seconds(901), ..working },
                "WorkerTimeout: 901 s is longer than",
            ),
            (
                WorkerSettings { timeout: seconds(12), ..working },
                "WorkerTimeout: 12 s is shorter than one",
            ),
        ] {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn largest_batch_named_by_the_error_passes_the_check() {
        let working = working();
        assert!(WorkerSettings { batch_size: 119, ..working }.check().is_ok());
    }
}
