//! `registrar limit`: shows the limit, and lowers it without a deployment.

mod report;
#[cfg(test)]
mod tests;

use std::{io::Write, num::NonZeroU32, time::Duration};

use email::hold::{Changed, HoldRecord, Holds, LoweredLimit, lower_limit, reset_limit};
use pacer::SendLimit;
use sizing::WorkerSettings;
use time::OffsetDateTime;

use crate::{
    account::Account,
    clock,
    holds::{self, Reason, error::HoldCommandError},
    outcome::{Failure, Outcome},
    period::Period,
    sending::Pace,
    session::Session,
    stack::{self, Stack, StackError},
};

use self::report::{json, write_limits};

/// Show the limit, or lower it at once, without a deployment
///
/// Workers send at the lowest of the deployed limit, the account's rate and the lowered limit. A worker with a batch in
/// progress slows down within seconds. With --reset or at the end that --for sets, the deployed limit applies again. For a
/// higher one, deploy the parameters that `registrar plan --limit N` prints.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Emails in any window of the deployed length, fewer than the deployed limit
    #[arg(value_name = "N", requires = "reason", conflicts_with = "reset")]
    limit: Option<SendLimit>,
    /// Why the limit is lowered; `registrar limit` shows it
    #[arg(long, value_name = "TEXT", requires = "limit")]
    reason: Option<Reason>,
    /// How long: minutes, hours and days up to 14 days, such as 90m, 2h or 1d12h. Without it, until --reset
    #[arg(long = "for", value_name = "TIME", requires = "limit")]
    period: Option<Period>,
    /// End a lowered limit
    #[arg(long)]
    reset: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The limit cannot be lowered to this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidLimit {
    #[error(
        "{limit} is not below the deployed limit of {deployed} in any {seconds} s. `registrar limit --reset` \
         ends a lowered limit; for a higher one, deploy the parameters that `registrar plan --limit {limit}` prints"
    )]
    NotLower { limit: SendLimit, deployed: SendLimit, seconds: u64 },
    #[error("{0}. To stop sending: `registrar hold`")]
    TooLow(sizing::Invalid),
}

/// What decides the limit.
#[derive(Debug)]
struct Limits {
    deployed: WorkerSettings,
    /// In emails per second. `None` if SES did not say.
    account_rate: Option<f64>,
    lowered: Option<LoweredLimit>,
    pace: Pace,
}

impl Limits {
    fn new(
        deployed: WorkerSettings,
        account_rate: Option<f64>,
        holds: &Holds,
        now: OffsetDateTime,
    ) -> Result<Self, sizing::Invalid> {
        let WorkerSettings { limit, window, slack, slots, .. } = deployed;
        let lowered = holds.lowered_at(now);
        let pace = Pace::new(limit, window, slack, slots, account_rate)?;
        let pace = lowered.map_or(pace, |lowered| pace.lowered(lowered, slots, slack));
        Ok(Self { deployed, account_rate, lowered: lowered.cloned(), pace })
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (deployed, record, now) = (settings(&stack)?, stack.holds()?, clock::now());
    let changed = if let (Some(limit), Some(reason)) = (args.limit, &args.reason) {
        let until = args.period.map(|period| period.end(now));
        lower(&record, &deployed, limit, &lowered(&deployed, limit, reason, now, until)).await?;
        true
    } else {
        args.reset && reset(&record).await?
    };
    let account = Account::read(stack.sdk()).await;
    let account = account.map_err(|error| writeln!(err, "note: {error}")).ok();
    let rate = account.and_then(|account| account.max_send_rate);
    let limits = Limits::new(deployed, rate, &holds::read(&record).await?, now)?;
    if args.json {
        writeln!(out, "{}", json(&limits))?;
    } else {
        write_limits(&limits, out)?;
        say_what_happens(args, changed, out)?;
    }
    Ok(Outcome::Fine)
}

fn say_what_happens(args: &Args, changed: bool, out: &mut impl Write) -> std::io::Result<()> {
    match (changed, args.reset) {
        (true, false) => {
            writeln!(out, "Workers with a batch in progress slow down within seconds.")
        }
        (true, true) => writeln!(out, "Workers speed up with their next batch."),
        (false, true) => writeln!(out, "The limit was not lowered."),
        (false, false) => Ok(()),
    }
}

fn lowered(
    deployed: &WorkerSettings,
    limit: SendLimit,
    Reason(reason): &Reason,
    since: OffsetDateTime,
    until: Option<OffsetDateTime>,
) -> LoweredLimit {
    let seconds = u32::try_from(deployed.window.get().as_secs()).unwrap_or(u32::MAX);
    LoweredLimit {
        limit: NonZeroU32::new(limit.get()).unwrap_or(NonZeroU32::MIN),
        window_seconds: NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN),
        reason: reason.clone(),
        since,
        until,
    }
}

async fn lower(
    record: &impl HoldRecord,
    deployed: &WorkerSettings,
    limit: SendLimit,
    lowered: &LoweredLimit,
) -> Result<(), Failure> {
    if limit >= deployed.limit {
        let seconds = deployed.window.get().as_secs();
        return Err(InvalidLimit::NotLower { limit, deployed: deployed.limit, seconds }.into());
    }
    deployed.lowered_to(limit).map_err(InvalidLimit::TooLow)?;
    let changed = lower_limit(record, lowered).await;
    changed.map_err(|error| HoldCommandError::changing(error, true))?;
    Ok(())
}

/// Returns whether the limit was lowered.
async fn reset(record: &impl HoldRecord) -> Result<bool, Failure> {
    let changed = reset_limit(record).await;
    let changed = changed.map_err(|error| HoldCommandError::changing(error, true))?;
    Ok(matches!(changed, Changed::Done(_)))
}

fn settings(stack: &Stack) -> Result<WorkerSettings, StackError> {
    Ok(WorkerSettings {
        limit: stack.parsed("SendLimit")?,
        window: stack.parsed("SendWindowSeconds")?,
        slack: stack.parsed("SendSlackMilliseconds")?,
        slots: stack.parsed("WorkerConcurrency")?,
        batch_size: stack.parsed("WorkerBatchSize")?,
        timeout: Duration::from_secs(stack.parsed("WorkerTimeout")?),
    })
}
