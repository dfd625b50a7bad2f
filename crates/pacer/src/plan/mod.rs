//! Sizing: from a limit and a provider's usual latency to everything that a paced worker on AWS
//! Lambda and SQS is deployed with, each value with its reason.
//!
//! [`Plan::new`] chooses the values, [`Deployment::check`] refuses values that cannot work, for a
//! worker to call at its start on what it was really deployed with.
//!
//! ```
//! # use send_pacer::{SendLimit, Window, plan::{Plan, USUAL_LATENCY}};
//! let plan = Plan::new(SendLimit::new(300)?, Window::from_secs(60)?, USUAL_LATENCY)?;
//! assert_eq!(plan.deployment().batch_size, 100);
//! assert!(plan.usable().share() > 0.99);
//! println!("{}", plan.parameter_overrides());
//! # Ok::<(), send_pacer::Invalid>(())
//! ```

mod deployment;
mod human;
mod reasons;

use std::{cmp::Ordering, time::Duration};

pub use deployment::Deployment;
use human::human;
pub use reasons::Choice;

use crate::{Invalid, Parameter, SendLimit, Share, Slack, Slots, Window};

/// A provider's usual latency where nothing better is known.
pub const USUAL_LATENCY: Duration = Duration::from_millis(60);

/// How long one attempt may take before it is given up. The plan leaves room for one at the end.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What an invocation needs after its last attempt, to write down the outcome and answer.
pub const CLOSING_ROOM: Duration = Duration::from_secs(2);

/// How long a slot stands idle between two invocations, in a backlog.
pub const HANDOVER: Duration = Duration::from_millis(50);

/// How long a batch lasts: long enough that the idle time between two is lost in it.
const BATCH_LASTS: Duration = Duration::from_secs(40);

/// The shortest interval: [`MOST_MESSAGES`] of them last [`BATCH_LASTS`], and the tens of
/// microseconds by which a start is late stay below half a percent.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(40);

/// What a slot more must win of the limit, in percent, to be worth running.
const SLOT_WORTH_PERCENT: f64 = 0.5;

/// Slacks are multiples of this.
const SLACK_STEP: Duration = Duration::from_millis(25);

/// The timeouts to choose from, in seconds. A template has to name each, because CloudFormation
/// cannot multiply and the queue's visibility timeout follows from it.
const TIMEOUTS: [u64; 9] = [30, 60, 90, 120, 180, 240, 300, 600, 900];

/// The longest window: the template's.
const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// Messages in a batch. Lambda's own maximum is 10,000, but a batch must also fit into 6 MB.
const MOST_MESSAGES: u32 = 1000;

/// Above this, Lambda asks for a batching window.
const MESSAGES_WITHOUT_WINDOW: u32 = 10;

/// Lambda's bounds on an event source's maximum concurrency.
const FEWEST_SLOTS: u32 = 2;
const MOST_SLOTS: u32 = 1000;

/// Lambda's bound on a function's timeout.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(15);

/// AWS's advice for the queue's visibility timeout, in function timeouts.
const VISIBILITY_FACTOR: u32 = 6;

/// How much of the limit a plan can use in a backlog and at the expected latency, and what takes
/// the rest. Each is a factor of at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usable {
    /// `S * q / N`: what is left of the limit by sharing it in whole sends.
    pub by_sharing: f64,
    /// `W / (W + D)`: what the slack leaves.
    pub by_slack: f64,
    /// What the idle time between two invocations of a slot leaves.
    pub by_handover: f64,
}

impl Usable {
    /// All together.
    pub fn share(&self) -> f64 {
        self.by_sharing * self.by_slack * self.by_handover
    }
}

/// What to deploy for a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    deployment: Deployment,
    share: Share,
    latency: Duration,
}

impl Plan {
    /// The plan for `limit` sends in any `window`, from a provider that usually answers within
    /// `latency`.
    ///
    /// An error names the parameter that makes it impossible.
    pub fn new(limit: SendLimit, window: Window, latency: Duration) -> Result<Self, Invalid> {
        if window.get().subsec_nanos() != 0 || window.get() > LONGEST_WINDOW {
            let problem = "must be whole seconds, and at most 86400";
            return Err(Invalid::new(Parameter::SendWindowSeconds, problem));
        }
        let slack = slack_for(window, latency)?;
        let slots = slots_for(limit, window, slack)?;
        let share = Share::new(limit, window, slots, slack)?;
        let batch_size = batch_for(share.interval());
        let timeout = timeout_for(share.interval(), batch_size);
        let deployment = Deployment { limit, window, slack, slots, batch_size, timeout };
        deployment.check()?;
        Ok(Self { deployment, share, latency })
    }

    /// The values to deploy.
    pub const fn deployment(&self) -> Deployment {
        self.deployment
    }

    /// Each slot's share of the limit.
    pub const fn share(&self) -> Share {
        self.share
    }

    /// How long the event source waits for a batch to fill. Lambda wants a second for any batch
    /// above 10 messages.
    pub const fn batching_window(&self) -> Duration {
        Duration::from_secs((self.deployment.batch_size > MESSAGES_WITHOUT_WINDOW) as u64)
    }

    /// The queue's visibility timeout.
    pub const fn visibility_timeout(&self) -> Duration {
        self.deployment.timeout.saturating_mul(VISIBILITY_FACTOR)
    }

    /// How much of the limit is used in a backlog, at the expected latency.
    pub fn usable(&self) -> Usable {
        let (window, slack) = (self.deployment.window.get(), self.deployment.slack.get());
        let batch = self.batch_lasts();
        Usable {
            by_sharing: sharing_keeps(self.deployment.limit, self.deployment.slots),
            by_slack: ratio(window, window + slack),
            by_handover: ratio(batch, batch + self.latency + HANDOVER),
        }
    }

    /// The template's parameters, as `sam deploy --parameter-overrides` takes them.
    pub fn parameter_overrides(&self) -> String {
        let Deployment { limit, window, slack, slots, batch_size, timeout } = self.deployment;
        [
            (Parameter::SendLimit, limit.to_string()),
            (Parameter::SendWindowSeconds, window.get().as_secs().to_string()),
            (Parameter::SendSlackMilliseconds, slack.get().as_millis().to_string()),
            (Parameter::WorkerConcurrency, slots.to_string()),
            (Parameter::WorkerBatchSize, batch_size.to_string()),
            (Parameter::WorkerTimeout, timeout.as_secs().to_string()),
        ]
        .map(|(parameter, value)| format!("{parameter}={value}"))
        .join(" ")
    }

    fn batch_lasts(&self) -> Duration {
        self.share.interval() * self.deployment.batch_size
    }
}

/// Four times the latency: room for the slow end of what is usual. In a short window that would
/// cost more than the rare hold it saves, so there it may go down to twice the latency.
fn slack_for(window: Window, latency: Duration) -> Result<Slack, Invalid> {
    if latency.is_zero() || latency >= ATTEMPT_TIMEOUT {
        let problem = format!("must be above zero and below {}", human(ATTEMPT_TIMEOUT));
        return Err(Invalid::new(Parameter::ExpectedLatency, problem));
    }
    let wanted = (latency * 4).min(window.get() / 100).max(latency * 2);
    let slack = round_up(wanted, SLACK_STEP);
    if slack > window.get() {
        let problem = format!(
            "{} is too long for a window of {}: the slack for it ({}) would be longer",
            human(latency),
            human(window.get()),
            human(slack)
        );
        return Err(Invalid::new(Parameter::ExpectedLatency, problem));
    }
    Slack::new(slack)
}

/// The slots that lose least, a slot counting as half a percent of the limit itself.
fn slots_for(limit: SendLimit, window: Window, slack: Slack) -> Result<Slots, Invalid> {
    if limit.get() < FEWEST_SLOTS {
        let problem = "must be at least 2: an SQS event source runs at least 2 workers, and each \
                       needs a whole send";
        return Err(Invalid::new(Parameter::SendLimit, problem));
    }
    let candidates: Vec<_> = (FEWEST_SLOTS..=MOST_SLOTS.min(limit.get()))
        .filter_map(|slots| Share::new(limit, window, Slots::new(slots).ok()?, slack).ok())
        .collect();
    let is_slow_enough = |share: &&Share| share.interval() >= SHORTEST_INTERVAL;
    if !candidates.iter().any(|share| is_slow_enough(&share)) {
        let problem = format!(
            "{limit} in {} is too fast: {MOST_SLOTS} workers, as many as Lambda runs for a queue, \
             would each send more often than every {}",
            human(window.get()),
            human(SHORTEST_INTERVAL)
        );
        return Err(Invalid::new(Parameter::SendLimit, problem));
    }
    let best = candidates
        .iter()
        .filter(is_slow_enough)
        .filter(|share| fitting_messages(share.interval(), LONGEST_TIMEOUT) > 0)
        .min_by(|a, b| cost(limit, a).partial_cmp(&cost(limit, b)).unwrap_or(Ordering::Equal));
    best.map(|share| share.slots()).ok_or_else(|| {
        let problem = format!(
            "{limit} in {} is too slow: a worker would wait longer for its first send than the {} \
             a function may last",
            human(window.get()),
            human(LONGEST_TIMEOUT)
        );
        Invalid::new(Parameter::SendLimit, problem)
    })
}

fn cost(limit: SendLimit, share: &Share) -> f64 {
    let slots = share.slots();
    let lost_percent = 100.0 * (1.0 - sharing_keeps(limit, slots));
    lost_percent + f64::from(slots.get()) * SLOT_WORTH_PERCENT
}

fn sharing_keeps(limit: SendLimit, slots: Slots) -> f64 {
    let total = limit.get() / slots.get() * slots.get();
    f64::from(total) / f64::from(limit.get())
}

fn batch_for(interval: Duration) -> u32 {
    let messages = BATCH_LASTS.as_nanos().div_ceil(interval.as_nanos());
    u32::try_from(messages).map_or(MOST_MESSAGES, |messages| messages.clamp(1, MOST_MESSAGES))
}

fn timeout_for(interval: Duration, batch_size: u32) -> Duration {
    let needed = interval * batch_size + ATTEMPT_TIMEOUT + CLOSING_ROOM;
    TIMEOUTS
        .map(Duration::from_secs)
        .into_iter()
        .find(|&timeout| timeout >= needed)
        .unwrap_or(LONGEST_TIMEOUT)
}

/// How many messages an invocation of this length can send, the last with its whole timeout.
fn fitting_messages(interval: Duration, timeout: Duration) -> u128 {
    let room = timeout.saturating_sub(ATTEMPT_TIMEOUT + CLOSING_ROOM);
    room.as_nanos() / interval.as_nanos()
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
        Plan::new(SendLimit::new(limit)?, Window::from_secs(seconds)?, USUAL_LATENCY)
    }

    #[test]
    fn the_plan_for_300_a_minute() {
        let plan = plan(300, 60).unwrap();
        assert_eq!(
            plan.parameter_overrides(),
            "SendLimit=300 SendWindowSeconds=60 SendSlackMilliseconds=250 WorkerConcurrency=2 \
             WorkerBatchSize=100 WorkerTimeout=60"
        );
        assert_eq!(plan.batching_window(), Duration::from_secs(1));
        assert_eq!(plan.visibility_timeout(), Duration::from_mins(6));
        assert_eq!(plan.share().interval(), Duration::from_nanos(401_666_667));
        assert!(plan.usable().share() > 0.993, "{:?}", plan.usable());
    }

    #[test]
    fn the_plans_that_must_be_usable() {
        for (limit, seconds, least) in
            [(300, 60, 0.990), (50, 10, 0.97), (3000, 60, 0.98), (30_000, 60, 0.98)]
        {
            let plan = plan(limit, seconds).unwrap();
            assert!(plan.usable().share() >= least, "{limit}/{seconds}: {plan:?}");
        }
    }

    #[test]
    fn every_limit_from_2_to_100_000_a_minute_has_a_plan_that_passes_its_own_check() {
        let every = (2..=2000).chain((2000..=100_000).step_by(487)).chain([100_000]);
        for limit in every {
            let plan = plan(limit, 60).unwrap();
            assert_eq!(plan.deployment().check().unwrap(), plan.share(), "{limit}");
            assert!(plan.share().total() <= limit.into());
            assert!(plan.usable().share() > 0.92, "{limit}: {:?}", plan.usable());
            assert!(plan.share().interval() >= SHORTEST_INTERVAL);
        }
    }

    #[test]
    fn slots_divide_small_limits_well_and_large_ones_far_enough() {
        for (limit, slots) in
            [(2, 2), (3, 3), (5, 5), (7, 7), (9, 3), (300, 2), (301, 2), (3000, 2), (30_000, 20)]
        {
            assert_eq!(plan(limit, 60).unwrap().deployment().slots.get(), slots, "{limit}");
        }
    }

    #[test]
    fn a_slow_limit_has_small_batches_that_need_not_fill() {
        let plan = plan(2, 60).unwrap();
        assert_eq!(plan.deployment().batch_size, 1);
        assert_eq!(plan.batching_window(), Duration::ZERO);
        assert_eq!(plan.deployment().timeout, Duration::from_secs(90));
    }

    #[test]
    fn the_slack_is_small_in_a_short_window_but_above_the_latency() {
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
    fn the_impossible_is_refused_by_name() {
        let minute = Window::from_secs(60).unwrap();
        let limit = |sends| SendLimit::new(sends).unwrap();
        for (limit, window, latency, parameter) in [
            (limit(1), minute, USUAL_LATENCY, Parameter::SendLimit),
            (limit(10_000_000), minute, USUAL_LATENCY, Parameter::SendLimit),
            (limit(2), Window::from_secs(3600).unwrap(), USUAL_LATENCY, Parameter::SendLimit),
            (limit(300), minute, Duration::ZERO, Parameter::ExpectedLatency),
            (limit(300), minute, ATTEMPT_TIMEOUT, Parameter::ExpectedLatency),
            (
                limit(300),
                Window::new(Duration::from_millis(1500)).unwrap(),
                USUAL_LATENCY,
                Parameter::SendWindowSeconds,
            ),
        ] {
            let error = Plan::new(limit, window, latency).unwrap_err();
            assert_eq!(error.parameter(), parameter, "{error}");
        }
    }

    #[test]
    fn fewer_slots_are_taken_where_more_would_outlast_a_function() {
        // Three slots would divide 9 evenly, but with 1000 s between sends.
        assert_eq!(plan(9, 3000).unwrap().deployment().slots.get(), 2);
    }
}
