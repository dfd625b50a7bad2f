//! The values that are deployed, and whether they can work.

use std::time::Duration;

use super::{
    ATTEMPT_TIMEOUT, CLOSING_ROOM, FEWEST_SLOTS, LONGEST_TIMEOUT, MOST_MESSAGES, MOST_SLOTS,
    fitting_messages, human,
};
use crate::{Invalid, Parameter, SendLimit, Share, Slack, Slots, Window};

/// The parameters a paced worker is deployed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// `N`, `SendLimit`.
    pub limit: SendLimit,
    /// `W`, `SendWindowSeconds`.
    pub window: Window,
    /// `D`, `SendSlackMilliseconds`.
    pub slack: Slack,
    /// `S`, `WorkerConcurrency`.
    pub slots: Slots,
    /// `B`, `WorkerBatchSize`.
    pub batch_size: u32,
    /// `WorkerTimeout`.
    pub timeout: Duration,
}

impl Deployment {
    /// The share of each slot, if these values can work together; otherwise which cannot.
    ///
    /// Check the limit that was deployed, not one that the provider's own rate has lowered: a
    /// lower pace gives back what it does not get to, it does not fail.
    pub fn check(&self) -> Result<Share, Invalid> {
        in_range(
            Parameter::WorkerConcurrency,
            self.slots.get(),
            FEWEST_SLOTS,
            MOST_SLOTS,
            "what an SQS event source's maximum concurrency can be",
        )?;
        let share = Share::new(self.limit, self.window, self.slots, self.slack)?;
        self.check_slack()?;
        in_range(
            Parameter::WorkerBatchSize,
            self.batch_size,
            1,
            MOST_MESSAGES,
            "so that a batch fits into an invocation's 6 MB",
        )?;
        self.check_timeout(share)?;
        Ok(share)
    }

    fn check_slack(&self) -> Result<(), Invalid> {
        if self.slack.get() > self.window.get() {
            return Err(Invalid::new(
                Parameter::SendSlackMilliseconds,
                format!(
                    "{} is more than SendWindowSeconds ({}), which leaves less than half of the \
                     limit usable",
                    human(self.slack.get()),
                    human(self.window.get())
                ),
            ));
        }
        Ok(())
    }

    fn check_timeout(&self, share: Share) -> Result<(), Invalid> {
        if self.timeout > LONGEST_TIMEOUT {
            return Err(Invalid::new(
                Parameter::WorkerTimeout,
                format!("{} is more than Lambda's 900 s", human(self.timeout)),
            ));
        }
        let fits = fitting_messages(share.interval(), self.timeout);
        if fits == 0 {
            return Err(Invalid::new(
                Parameter::WorkerTimeout,
                format!(
                    "{} is less than one interval ({}), an attempt's timeout ({}) and {} to close",
                    human(self.timeout),
                    human(share.interval()),
                    human(ATTEMPT_TIMEOUT),
                    human(CLOSING_ROOM),
                ),
            ));
        }
        if u128::from(self.batch_size) > fits {
            return Err(Invalid::new(
                Parameter::WorkerBatchSize,
                format!(
                    "{} messages, {} apart, do not fit into WorkerTimeout ({}) with room for an \
                     attempt's timeout ({}) and {} to close: at most {fits}, or a longer timeout",
                    self.batch_size,
                    human(share.interval()),
                    human(self.timeout),
                    human(ATTEMPT_TIMEOUT),
                    human(CLOSING_ROOM),
                ),
            ));
        }
        Ok(())
    }
}

fn in_range(
    parameter: Parameter,
    value: u32,
    least: u32,
    most: u32,
    why: &str,
) -> Result<(), Invalid> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(parameter, format!("{value} is not within {least} to {most}, {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, USUAL_LATENCY};

    fn good() -> Deployment {
        let (limit, window) = (SendLimit::new(300).unwrap(), Window::from_secs(60).unwrap());
        Plan::new(limit, window, USUAL_LATENCY).unwrap().deployment()
    }

    #[test]
    fn a_deployment_that_cannot_work_is_refused_by_name() {
        let good = good();
        let slots = |slots| Slots::new(slots).unwrap();
        let seconds = Duration::from_secs;
        for (deployment, expected) in [
            (Deployment { slots: slots(1), ..good }, "WorkerConcurrency: 1 is not within 2 to"),
            (Deployment { slots: slots(1001), ..good }, "WorkerConcurrency: 1001 is not within"),
            (Deployment { slots: slots(301), ..good }, "SendLimit: 300 cannot be shared by 301"),
            (
                Deployment { slack: Slack::from_millis(60_001).unwrap(), ..good },
                "SendSlackMilliseconds: 60",
            ),
            (Deployment { batch_size: 0, ..good }, "WorkerBatchSize: 0 is not within 1 to 1000"),
            (Deployment { batch_size: 1001, ..good }, "WorkerBatchSize: 1001 is not within"),
            (Deployment { batch_size: 120, ..good }, "WorkerBatchSize: 120 messages, 401.7 ms"),
            (Deployment { timeout: seconds(901), ..good }, "WorkerTimeout: 901 s is more than"),
            (Deployment { timeout: seconds(12), ..good }, "WorkerTimeout: 12 s is less than one"),
        ] {
            let error = deployment.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_largest_batch_that_is_said_to_fit_fits() {
        let good = good();
        assert!(Deployment { batch_size: 119, ..good }.check().is_ok());
    }
}
