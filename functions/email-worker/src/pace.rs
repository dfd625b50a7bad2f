//! The pace of the invocations: the share of the limit, or why nothing can be sent.

use std::{fmt, time::Duration};

use lambda::env::InvalidVariable;
use pacer::Share;
use sizing::{Invalid, WorkerSettings};

/// The minimum of `WorkerTimeout` in template.yaml.
const MIN_WORKER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no email can be sent with the deployed parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotSend(String);

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotSend {}

/// The pace of the invocations of this environment.
///
/// It exists for every value that the template accepts. A worker that exited at its start would alarm nobody: its
/// messages would become visible again, again and again.
#[derive(Debug)]
pub struct Pace {
    settings: Result<WorkerSettings, InvalidVariable>,
    account_rate: Option<f64>,
}

impl Pace {
    /// `account_rate` is in emails per second.
    pub const fn new(
        settings: Result<WorkerSettings, InvalidVariable>,
        account_rate: Option<f64>,
    ) -> Self {
        Self { settings, account_rate }
    }

    /// The share of one invocation. If the account's rate is lower than the limit, the share is that of the rate.
    ///
    /// # Errors
    ///
    /// Nothing can be sent. The error names the parameter to change.
    pub fn share(&self) -> Result<Share, CannotSend> {
        let settings = self.settings.as_ref().map_err(|why| CannotSend(why.to_string()))?;
        share(settings, self.account_rate).map_err(|why| CannotSend(why.to_string()))
    }

    /// The function's timeout: the maximum duration of an invocation.
    pub fn timeout(&self) -> Duration {
        self.settings.as_ref().map_or(MIN_WORKER_TIMEOUT, |settings| settings.timeout)
    }
}

fn share(settings: &WorkerSettings, account_rate: Option<f64>) -> Result<Share, Invalid> {
    let Some(rate) = account_rate else { return settings.check() };
    let limit = settings.limit.lowered_to_rate(rate, settings.window)?;
    WorkerSettings { limit, ..*settings }.check()
}

#[cfg(test)]
mod tests {
    use pacer::{SendLimit, Slack, Slots, Window};

    use super::*;

    /// The defaults of template.yaml.
    fn defaults() -> WorkerSettings {
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
    fn account_rate_lowers_the_limit_and_never_raises_it() {
        let quota = |rate| Pace::new(Ok(defaults()), rate).share().map(Share::quota);
        assert_eq!(quota(None), Ok(150));
        assert_eq!(quota(Some(14.0)), Ok(150));
        assert_eq!(quota(Some(1.0)), Ok(30), "a sandbox account: 60 per minute");
        assert!(quota(Some(0.02)).is_err(), "one per minute cannot be shared by two");
    }

    #[test]
    fn pace_at_which_nothing_can_be_sent_names_the_parameter() {
        let limit = SendLimit::new(1).unwrap();
        let pace = Pace::new(Ok(WorkerSettings { limit, ..defaults() }), None);
        let why = pace.share().unwrap_err().to_string();
        assert!(why.starts_with("SendLimit: 1 cannot be shared by 2 slots"), "{why}");

        let unreadable = InvalidVariable { name: "SEND_LIMIT", problem: "is invalid".to_owned() };
        let pace = Pace::new(Err(unreadable), None);
        assert!(pace.share().unwrap_err().to_string().contains("SEND_LIMIT"));
    }
}
