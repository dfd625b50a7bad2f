//! The worker's deployed settings, the check that they can send at all, and what wastes some of the limit.

use std::time::Duration;

use pacer::{SendLimit, Share, Slack, Slots, Window};

use crate::{Invalid, Parameter, human::human};

/// The timeout of one attempt to send through SES. An invocation starts its last attempt at least
/// this long before its deadline.
pub const SES_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum duration of a call to DynamoDB, SQS or Lambda, with its retries: `CALL_TIMEOUT` of
/// `crates/adapters/src/clients.rs`. The worker does not compile if the two differ.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// The time to record an outcome: two calls, one after the other. They store a dead letter and mark its job, or release
/// a claim and record a hold. The worker gives up what takes longer.
pub const SETTLING_ROOM: Duration = CALL_TIMEOUT.saturating_mul(2);

/// The time to return messages to the queue: one call, and others at the same time.
pub const RETURNING_ROOM: Duration = CALL_TIMEOUT;

/// The time to respond to Lambda.
pub const ENDING_ROOM: Duration = Duration::from_millis(500);

/// The time that an invocation needs after its last attempt. `functions/email-worker/src/closing.rs` enforces each
/// part, however slow a call is.
pub const CLOSING_ROOM: Duration =
    SETTLING_ROOM.saturating_add(RETURNING_ROOM).saturating_add(ENDING_ROOM);

/// Lambda allows batches of 10,000 messages, but a batch must also fit into an invocation's 6 MB.
pub(crate) const MAX_BATCH_SIZE: u32 = 1000;

/// SQS hides at most about 120,000 messages of a queue, and delivers none beyond (SQS Developer Guide, "Standard queue
/// quotas"). A tenth is left for messages that wait after a failure.
pub const MAX_IN_PROGRESS: u32 = 120_000 - 120_000 / 10;

/// From so many messages of its own in flight, and 10% of all, a fair queue takes a group as noisy (Amazon SQS Developer
/// Guide, "How Amazon SQS fair queues work", which calls the numbers approximate).
pub const NOISY_IN_FLIGHT: u32 = 30;

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
    /// `B`, parameter `WorkerBatchSize`: the maximum number of messages per invocation.
    pub batch_size: u32,
    /// The function's timeout, parameter `WorkerTimeout`.
    pub timeout: Duration,
}

impl WorkerSettings {
    /// Returns the share of each slot if an invocation with these settings can send at least one email.
    ///
    /// Settings that only waste some of the limit pass; [`WorkerSettings::advice`] names them. A batch that is too
    /// large for one invocation passes too: the worker returns what it cannot send in time.
    ///
    /// # Errors
    ///
    /// Nothing can be sent with these settings. The error names the parameter to change.
    pub fn check(&self) -> Result<Share, Invalid> {
        in_range(
            Parameter::WorkerConcurrency,
            self.slots.get(),
            MIN_SLOTS,
            MAX_SLOTS,
            "the range of an SQS event source's maximum concurrency",
        )?;
        in_range(
            Parameter::WorkerBatchSize,
            self.batch_size,
            1,
            MAX_BATCH_SIZE,
            "for a batch to fit into an invocation's 6 MB",
        )?;
        let share = Share::new(self.limit, self.window, self.slots, self.slack)?;
        self.check_timeout(share)?;
        Ok(share)
    }

    /// The parameters that work and waste some of the limit or of the batches, each with a better value.
    pub fn advice(&self, share: Share) -> Vec<Invalid> {
        let mut advice = Vec::new();
        if self.slack.get() > self.window.get() {
            advice.push(Invalid::new(
                Parameter::SendSlackMilliseconds,
                format!(
                    "{} is longer than SendWindowSeconds ({}), which leaves less than half of the \
                     limit usable",
                    human(self.slack.get()),
                    human(self.window.get())
                ),
            ));
        }
        let max_batch = max_sends(share.interval(), self.timeout);
        if max_batch < self.batch_size.into() {
            advice.push(Invalid::new(
                Parameter::WorkerBatchSize,
                format!(
                    "of {} messages, {} apart, an invocation of {} sends {max_batch} and returns the \
                     rest: use at most {max_batch}, or a longer WorkerTimeout",
                    self.batch_size,
                    human(share.interval()),
                    human(self.timeout),
                ),
            ));
        }
        let in_progress = u64::from(self.slots.get()) * u64::from(self.batch_size);
        if in_progress > MAX_IN_PROGRESS.into() {
            advice.push(Invalid::new(
                Parameter::WorkerBatchSize,
                format!(
                    "{} workers with {} messages each hide {in_progress}, and SQS delivers nothing beyond about \
                     120,000: use at most {}",
                    self.slots,
                    self.batch_size,
                    MAX_IN_PROGRESS / self.slots.get()
                ),
            ));
        }
        advice
    }

    /// The smallest batch size with which a backlog of one kind of email is noticed by the number of its messages in flight,
    /// so that SQS delivers other kinds first.
    pub fn fair_batch_size(&self) -> u32 {
        NOISY_IN_FLIGHT.div_ceil(self.slots.get())
    }

    /// The maximum number of emails that an invocation sends.
    pub fn sends_per_invocation(&self, share: Share) -> u128 {
        max_sends(share.interval(), self.timeout).min(self.batch_size.into())
    }

    pub(crate) fn check_timeout(&self, share: Share) -> Result<(), Invalid> {
        if self.timeout > MAX_WORKER_TIMEOUT {
            return Err(Invalid::new(
                Parameter::WorkerTimeout,
                format!("{} is longer than Lambda's maximum of 900 s", human(self.timeout)),
            ));
        }
        if max_sends(share.interval(), self.timeout) == 0 {
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
        Ok(())
    }
}

/// The maximum number of sends of an invocation that starts none later than `room` after its own start: the first
/// one is an interval after it (rule 1 of the pacer), and each other an interval after the one before.
pub const fn sends_within(interval: Duration, room: Duration) -> u128 {
    match room.as_nanos().checked_div(interval.as_nanos()) {
        Some(sends) => sends,
        None => u128::MAX,
    }
}

/// The maximum number of sends of an invocation of this duration, which ends with the last attempt's timeout and
/// [`CLOSING_ROOM`].
pub(crate) fn max_sends(interval: Duration, timeout: Duration) -> u128 {
    sends_within(interval, timeout.saturating_sub(SES_ATTEMPT_TIMEOUT + CLOSING_ROOM))
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
    fn error_about_settings_that_cannot_work_names_the_parameter() {
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
                WorkerSettings { batch_size: 0, ..working },
                "WorkerBatchSize: 0 is not from 1 to 1000",
            ),
            (WorkerSettings { batch_size: 1001, ..working }, "WorkerBatchSize: 1001 is not from"),
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
    fn settings_that_only_waste_something_pass_with_advice() {
        let working = working();
        let slack = |milliseconds| Slack::from_millis(milliseconds).unwrap();
        for (settings, expected) in [
            (working, None),
            (
                WorkerSettings { slack: slack(60_001), ..working },
                Some("SendSlackMilliseconds: 60 s is longer than SendWindowSeconds"),
            ),
            (
                WorkerSettings { batch_size: 1000, ..working },
                Some("WorkerBatchSize: of 1000 messages, 401.7 ms apart"),
            ),
            (
                WorkerSettings {
                    limit: SendLimit::new(300_000).unwrap(),
                    slots: Slots::new(200).unwrap(),
                    batch_size: 1000,
                    timeout: Duration::from_mins(5),
                    ..working
                },
                Some("WorkerBatchSize: 200 workers with 1000 messages each hide 200000"),
            ),
        ] {
            let advice = settings.advice(settings.check().unwrap());
            let first = advice.first().map(ToString::to_string);
            let as_expected = match (&first, expected) {
                (Some(advice), Some(expected)) => advice.starts_with(expected),
                (first, expected) => first.is_none() && expected.is_none(),
            };
            assert!(as_expected, "{first:?}");
        }
    }

    #[test]
    fn lower_limit_with_the_other_defaults_can_send() {
        let limit = SendLimit::new(60).unwrap();
        assert!(WorkerSettings { limit, ..working() }.check().is_ok());
    }

    #[test]
    fn fair_batches_of_all_workers_together_are_noticed() {
        for (slots, size) in [(2, 15), (4, 8), (30, 1), (1000, 1)] {
            let slots = Slots::new(slots).unwrap();
            assert_eq!(WorkerSettings { slots, ..working() }.fair_batch_size(), size);
        }
    }

    #[test]
    fn first_send_is_an_interval_after_the_start() {
        let (interval, room) = (Duration::from_secs(2), Duration::from_secs(7));
        assert_eq!(sends_within(interval, room), 3);
        assert_eq!(sends_within(interval, Duration::from_secs(6)), 3);
        assert_eq!(sends_within(interval, Duration::from_millis(1_999)), 0);
    }
}
