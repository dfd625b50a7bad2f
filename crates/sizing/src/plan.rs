//! The choice of the worker's settings for a limit.

use std::{cmp::Ordering, time::Duration};

use pacer::{SendLimit, Share, Slack, Slots, Window};

use crate::{
    Invalid, Parameter,
    human::human,
    table::warm_write_units,
    worker_settings::{
        CLOSING_ROOM, MAX_BATCH_SIZE, MAX_IN_PROGRESS, MAX_SLOTS, MAX_WORKER_TIMEOUT, MIN_SLOTS,
        SES_ATTEMPT_TIMEOUT, WorkerSettings, max_sends,
    },
};

/// The provider's expected latency if no measurement is available.
pub const DEFAULT_LATENCY: Duration = Duration::from_millis(60);

/// The idle time of a slot between two invocations in a backlog.
pub const HANDOVER: Duration = Duration::from_millis(50);

/// The duration of a batch: long enough that [`HANDOVER`] costs little of the limit.
pub(crate) const TARGET_BATCH_DURATION: Duration = Duration::from_secs(40);

/// At this interval, [`MAX_BATCH_SIZE`] messages take [`TARGET_BATCH_DURATION`], and starts that
/// are late by tens of microseconds cost less than half a percent of the limit.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_millis(40);

/// One more slot is worth running if it gains at least this much of the limit.
pub(crate) const MIN_GAIN_PER_SLOT_PERCENT: f64 = 0.5;

/// Slacks are multiples of this.
const SLACK_STEP: Duration = Duration::from_millis(25);

/// The allowed values of `WorkerTimeout` in template.yaml, in seconds. The template lists them
/// because the queue's visibility timeout depends on them and CloudFormation cannot multiply.
pub(crate) const TIMEOUTS: [u64; 9] = [30, 60, 90, 120, 180, 240, 300, 600, 900];

/// The maximum of `SendWindowSeconds` in template.yaml.
pub(crate) const MAX_WINDOW: Duration = Duration::from_hours(24);

/// Not part of the worker's settings.
pub(crate) const EMAILS_TABLE_WRITE_UNITS: &str = "EmailsTableWriteUnits";

/// For a larger batch, Lambda requires a batching window of at least one second.
const MAX_BATCH_SIZE_WITHOUT_WINDOW: u32 = 10;

/// AWS recommends a visibility timeout of six function timeouts.
pub(crate) const VISIBILITY_TIMEOUT_FACTOR: u32 = 6;

/// The part of the limit that a plan can use in a backlog at the expected latency, as the product
/// of three factors, each at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usable {
    /// `S * q / N`: what remains after rounding each slot's share down to whole sends.
    pub sharing: f64,
    /// `W / (W + D)`: what remains after the slack.
    pub slack: f64,
    /// What remains after the idle time between two invocations of a slot.
    pub handover: f64,
}

impl Usable {
    /// The product of the factors, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        self.sharing * self.slack * self.handover
    }
}

/// The settings to deploy for a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    settings: WorkerSettings,
    share: Share,
    latency: Duration,
}

impl Plan {
    /// The plan for `limit` sends in any `window`, to a provider that usually responds within
    /// `latency`.
    ///
    /// # Errors
    ///
    /// No settings keep this limit. The error names the parameter to change.
    pub fn new(limit: SendLimit, window: Window, latency: Duration) -> Result<Self, Invalid> {
        if window.get().subsec_nanos() != 0 || window.get() > MAX_WINDOW {
            let problem = "must be whole seconds, and at most 86400";
            return Err(Invalid::new(Parameter::SendWindowSeconds, problem));
        }
        let slack = slack_for(window, latency)?;
        let slots = slots_for(limit, window, slack)?;
        let share = Share::new(limit, window, slots, slack)?;
        let batch_size = batch_for(share.interval(), slots);
        let timeout = timeout_for(share.interval(), batch_size);
        let settings = WorkerSettings { limit, window, slack, slots, batch_size, timeout };
        settings.check()?;
        Ok(Self { settings, share, latency })
    }

    /// The settings to deploy.
    pub const fn settings(&self) -> WorkerSettings {
        self.settings
    }

    /// Each slot's share of the limit.
    pub const fn share(&self) -> Share {
        self.share
    }

    /// The provider's expected latency.
    pub const fn latency(&self) -> Duration {
        self.latency
    }

    /// The event source's maximum batching window. Lambda requires at least one second for batches
    /// of more than 10 messages.
    pub const fn batching_window(&self) -> Duration {
        Duration::from_secs((self.settings.batch_size > MAX_BATCH_SIZE_WITHOUT_WINDOW) as u64)
    }

    /// The queue's visibility timeout.
    pub const fn visibility_timeout(&self) -> Duration {
        self.settings.timeout.saturating_mul(VISIBILITY_TIMEOUT_FACTOR)
    }

    /// The part of the limit that can be used in a backlog, at the expected latency.
    pub fn usable(&self) -> Usable {
        let (window, slack) = (self.settings.window.get(), self.settings.slack.get());
        let batch = self.batch_duration();
        Usable {
            sharing: sharing_fraction(self.settings.limit, self.settings.slots),
            slack: ratio(window, window + slack),
            handover: ratio(batch, batch + self.latency + HANDOVER),
        }
    }

    /// The template's parameters, each with its name and value.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let WorkerSettings { limit, window, slack, slots, batch_size, timeout } = self.settings;
        let parameters = [
            (Parameter::SendLimit, limit.to_string()),
            (Parameter::SendWindowSeconds, window.get().as_secs().to_string()),
            (Parameter::SendSlackMilliseconds, slack.get().as_millis().to_string()),
            (Parameter::WorkerConcurrency, slots.to_string()),
            (Parameter::WorkerBatchSize, batch_size.to_string()),
            (Parameter::WorkerTimeout, timeout.as_secs().to_string()),
        ]
        .map(|(parameter, value)| (parameter.to_string(), value));
        let units = warm_write_units(limit, window)
            .map(|units| (EMAILS_TABLE_WRITE_UNITS.to_owned(), units.to_string()));
        parameters.into_iter().chain(units).collect()
    }

    /// The template's parameters as the argument of `sam deploy --parameter-overrides`.
    pub fn parameter_overrides(&self) -> String {
        let parameters = self.parameters().into_iter();
        parameters.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn batch_duration(&self) -> Duration {
        self.share.interval() * self.settings.batch_size
    }
}

/// Four times the latency, which leaves room for responses that are slow but normal. In a short
/// window, this much slack would cost more than the rare pauses that it avoids. So the slack is at
/// most 1% of the window, but at least twice the latency.
fn slack_for(window: Window, latency: Duration) -> Result<Slack, Invalid> {
    if latency.is_zero() || latency >= SES_ATTEMPT_TIMEOUT {
        let problem = format!("must be above zero and below {}", human(SES_ATTEMPT_TIMEOUT));
        return Err(Invalid::new(Parameter::ExpectedLatency, problem));
    }
    let wanted = (latency * 4).min(window.get() / 100).max(latency * 2);
    let slack = round_up(wanted, SLACK_STEP);
    if slack > window.get() {
        let problem = format!(
            "{} is too long for a window of {}: it needs a slack of {}, which is longer",
            human(latency),
            human(window.get()),
            human(slack)
        );
        return Err(Invalid::new(Parameter::ExpectedLatency, problem));
    }
    Ok(Slack::new(slack)?)
}

/// The number of slots with the lowest [`cost`].
fn slots_for(limit: SendLimit, window: Window, slack: Slack) -> Result<Slots, Invalid> {
    if limit.get() < MIN_SLOTS {
        let problem = "must be at least 2: an SQS event source runs at least 2 workers, and each \
                       needs at least one send per window";
        return Err(Invalid::new(Parameter::SendLimit, problem));
    }
    let candidates: Vec<_> = (MIN_SLOTS..=MAX_SLOTS.min(limit.get()))
        .filter_map(|slots| Share::new(limit, window, Slots::new(slots).ok()?, slack).ok())
        .collect();
    let has_min_interval = |share: &&Share| share.interval() >= MIN_INTERVAL;
    if !candidates.iter().any(|share| has_min_interval(&share)) {
        let problem = format!(
            "{limit} in {} is too fast: Lambda runs at most {MAX_SLOTS} workers per queue, and \
             each would have to send more than once per {}",
            human(window.get()),
            human(MIN_INTERVAL)
        );
        return Err(Invalid::new(Parameter::SendLimit, problem));
    }
    let best = candidates
        .iter()
        .filter(has_min_interval)
        .filter(|share| max_sends(share.interval(), MAX_WORKER_TIMEOUT) > 0)
        .min_by(|a, b| cost(limit, a).partial_cmp(&cost(limit, b)).unwrap_or(Ordering::Equal));
    best.map(|share| share.slots()).ok_or_else(|| {
        let problem = format!(
            "{limit} in {} is too slow: a worker would wait for its first send longer than the \
             maximum function timeout ({})",
            human(window.get()),
            human(MAX_WORKER_TIMEOUT)
        );
        Invalid::new(Parameter::SendLimit, problem)
    })
}

/// The lost part of the limit in percent, plus [`MIN_GAIN_PER_SLOT_PERCENT`] per slot.
fn cost(limit: SendLimit, share: &Share) -> f64 {
    let slots = share.slots();
    let lost_percent = 100.0 * (1.0 - sharing_fraction(limit, slots));
    lost_percent + f64::from(slots.get()) * MIN_GAIN_PER_SLOT_PERCENT
}

fn sharing_fraction(limit: SendLimit, slots: Slots) -> f64 {
    let total = limit.get() / slots.get() * slots.get();
    f64::from(total) / f64::from(limit.get())
}

fn batch_for(interval: Duration, slots: Slots) -> u32 {
    let messages = TARGET_BATCH_DURATION.as_nanos().div_ceil(interval.as_nanos());
    let max = MAX_BATCH_SIZE.min(MAX_IN_PROGRESS / slots.get());
    u32::try_from(messages).map_or(max, |messages| messages.clamp(1, max))
}

fn timeout_for(interval: Duration, batch_size: u32) -> Duration {
    let needed = interval * batch_size + SES_ATTEMPT_TIMEOUT + CLOSING_ROOM;
    TIMEOUTS
        .map(Duration::from_secs)
        .into_iter()
        .find(|&timeout| timeout >= needed)
        .unwrap_or(MAX_WORKER_TIMEOUT)
}

fn round_up(value: Duration, step: Duration) -> Duration {
    let steps = value.as_nanos().div_ceil(step.as_nanos());
    step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(limit: u32, seconds: u32) -> Result<Plan, Invalid> {
        Plan::new(SendLimit::new(limit)?, Window::from_secs(seconds)?, DEFAULT_LATENCY)
    }

    #[test]
    fn plan_for_300_per_minute_matches_the_documented_parameters() {
        let plan = plan(300, 60).unwrap();
        assert_eq!(
            plan.parameter_overrides(),
            "SendLimit=300 SendWindowSeconds=60 SendSlackMilliseconds=250 WorkerConcurrency=2 \
             WorkerBatchSize=100 WorkerTimeout=60"
        );
        assert_eq!(plan.batching_window(), Duration::from_secs(1));
        assert_eq!(plan.visibility_timeout(), Duration::from_mins(6));
        assert_eq!(plan.share().interval(), Duration::from_nanos(401_666_667));
        assert!(plan.usable().fraction() > 0.993, "{:?}", plan.usable());
    }

    #[test]
    fn plans_use_nearly_the_whole_limit() {
        for (limit, seconds, min) in
            [(300, 60, 0.990), (50, 10, 0.97), (3000, 60, 0.98), (30_000, 60, 0.98)]
        {
            let plan = plan(limit, seconds).unwrap();
            assert!(plan.usable().fraction() >= min, "{limit}/{seconds}: {plan:?}");
        }
    }

    #[test]
    fn every_limit_from_2_to_100_000_per_minute_has_a_plan_that_passes_its_own_check() {
        let every = (2..=2000).chain((2000..=100_000).step_by(487)).chain([100_000]);
        for limit in every {
            let plan = plan(limit, 60).unwrap();
            assert_eq!(plan.settings().check().unwrap(), plan.share(), "{limit}");
            assert!(plan.share().total() <= limit.into());
            assert!(plan.usable().fraction() > 0.92, "{limit}: {:?}", plan.usable());
            assert!(plan.share().interval() >= MIN_INTERVAL);
        }
    }

    #[test]
    fn slots_divide_small_limits_without_loss_and_keep_large_ones_above_the_min_interval() {
        for (limit, slots) in
            [(2, 2), (3, 3), (5, 5), (7, 7), (9, 3), (300, 2), (301, 2), (3000, 2), (30_000, 20)]
        {
            assert_eq!(plan(limit, 60).unwrap().settings().slots.get(), slots, "{limit}");
        }
    }

    #[test]
    fn slow_limit_has_small_batches_without_a_batching_window() {
        let plan = plan(2, 60).unwrap();
        assert_eq!(plan.settings().batch_size, 1);
        assert_eq!(plan.batching_window(), Duration::ZERO);
        assert_eq!(plan.settings().timeout, Duration::from_secs(90));
    }

    #[test]
    fn slack_in_a_short_window_is_small_but_above_the_latency() {
        let slack = |seconds, latency| {
            slack_for(Window::from_secs(seconds).unwrap(), Duration::from_millis(latency))
                .map(|slack| slack.get().as_millis())
        };
        assert_eq!(slack(60, 60).unwrap(), 250);
        assert_eq!(slack(10, 60).unwrap(), 125);
        assert_eq!(slack(60, 1), Ok(25));
        assert_eq!(slack(60, 1000).unwrap(), 2000);
        assert_eq!(slack(1, 600).unwrap_err().parameter(), Parameter::ExpectedLatency);
    }

    #[test]
    fn impossible_plan_names_the_parameter() {
        let minute = Window::from_secs(60).unwrap();
        let limit = |sends| SendLimit::new(sends).unwrap();
        for (limit, window, latency, parameter) in [
            (limit(1), minute, DEFAULT_LATENCY, Parameter::SendLimit),
            (limit(10_000_000), minute, DEFAULT_LATENCY, Parameter::SendLimit),
            (limit(2), Window::from_secs(3600).unwrap(), DEFAULT_LATENCY, Parameter::SendLimit),
            (limit(300), minute, Duration::ZERO, Parameter::ExpectedLatency),
            (limit(300), minute, SES_ATTEMPT_TIMEOUT, Parameter::ExpectedLatency),
            (
                limit(300),
                Window::new(Duration::from_millis(1500)).unwrap(),
                DEFAULT_LATENCY,
                Parameter::SendWindowSeconds,
            ),
        ] {
            let error = Plan::new(limit, window, latency).unwrap_err();
            assert_eq!(error.parameter(), parameter, "{error}");
        }
    }

    #[test]
    fn slots_are_reduced_if_the_interval_would_exceed_the_max_timeout() {
        // Three slots would divide 9 evenly, but with 1000 s between sends.
        assert_eq!(plan(9, 3000).unwrap().settings().slots.get(), 2);
    }
}
