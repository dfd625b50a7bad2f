//! What decides when the queued emails are sent: how many there are, the limit, and the holds.

mod depth;
mod pace;

use email::hold::{EventSource, HoldRecord, Holds};
use futures_util::try_join;

use crate::{account::Account, aws_call::CallFailed, clock, outcome::Failure, stack::Stack};

pub(crate) use self::{depth::Depth, pace::Pace};

/// The state of sending.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sending {
    pub(crate) holds: Holds,
    pub(crate) event_source_on: bool,
    pub(crate) depth: Depth,
    pub(crate) pace: Pace,
}

/// Without holds, and without a limit that an operator has lowered.
pub(crate) fn deployed_pace(stack: &Stack, account_rate: Option<f64>) -> Result<Pace, Failure> {
    Ok(Pace::new(
        stack.parsed("SendLimit")?,
        stack.parsed("SendWindowSeconds")?,
        stack.parsed("SendSlackMilliseconds")?,
        stack.parsed("WorkerConcurrency")?,
        account_rate,
    )?)
}

impl Sending {
    /// `account` lowers the pace if the account's rate is lower than the limit, and so does a lowered limit.
    pub(crate) async fn read(stack: &Stack, account: Option<&Account>) -> Result<Self, Failure> {
        let (record, source, sqs) = (stack.holds()?, stack.event_source()?, stack.sqs());
        let url = stack.email_queue_url()?;
        let holds = async {
            let read = record.read().await;
            read.map_err(|error| CallFailed::other("reading the holds", &error))
        };
        let event_source = async {
            let on = source.is_on().await;
            on.map_err(|error| CallFailed::other("reading the event source", &error))
        };
        let (holds, event_source_on, depth) =
            try_join!(holds, event_source, Depth::read(&sqs, &url))?;
        let concurrency = stack.parsed("WorkerConcurrency")?;
        let send_slack = stack.parsed("SendSlackMilliseconds")?;
        let pace = deployed_pace(stack, account.and_then(|account| account.max_send_rate))?;
        let lowered = holds.lowered_at(clock::now());
        let pace = lowered.map_or(pace, |lowered| pace.lowered(lowered, concurrency, send_slack));
        Ok(Self { holds, event_source_on, depth, pace })
    }

    /// Whether a hold is in force, or the event source was turned off by other means.
    pub(crate) fn is_stopped(&self) -> bool {
        self.holds.in_force() || self.is_off_without_a_hold()
    }

    /// After a hold has ended, hold-watch turns the event source on within a minute.
    pub(crate) fn is_off_without_a_hold(&self) -> bool {
        !self.event_source_on && !self.holds.in_force() && self.holds.ending_since.is_none()
    }
}
