//! Holds: when nothing is to be sent for a while, who decided so, and who may end it.
//!
//! The machine holds when the provider would refuse everything, or is about to; it also ends such a
//! hold, when the provider would take emails again. An operator may hold for any reason, and the
//! machine never ends that. Both can be in force at once; nothing is sent while either is.
//!
//! What is decided is written down first, in one [record](HoldRecord), and only then done, by turning
//! the queue's [event source](EventSource) off or on. So whoever crashes in between leaves something
//! that [`settle`] finishes, whoever calls it next, and the record always says why nothing is sent.
//! The event source is turned on only to end a hold: one that was turned off by other means stays off.

mod provider;

use std::{fmt, future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use unavailable::Unavailable;

pub use provider::{Provider, Rates, Standing, WatchError, watch};

/// How often a change of the record is tried again when somebody else changed it first.
const TRIES: usize = 5;

/// How long after a hold's end the event source is still turned on where it is found off: much longer
/// than the few calls can take of somebody who had read of the hold, and turns it off too late.
pub const ENDING: Duration = Duration::from_mins(5);

/// Why the machine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The quota of a rolling 24 hours is used up.
    DailyQuota,
    /// Sending is paused for the account or the configuration set.
    SendingPaused,
    /// The account is suspended.
    AccountSuspended,
    /// The sender's domain or address is not verified: a fault of the deployment, not of the job.
    SenderNotVerified,
    /// So many emails bounce that the provider would soon put the account under review.
    BounceRate,
    /// So many recipients complain that the provider would soon put the account under review.
    ComplaintRate,
}

impl Cause {
    /// The cause's name in logs and in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::DailyQuota => "daily_quota",
            Self::SendingPaused => "sending_paused",
            Self::AccountSuspended => "account_suspended",
            Self::SenderNotVerified => "sender_not_verified",
            Self::BounceRate => "bounce_rate",
            Self::ComplaintRate => "complaint_rate",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DailyQuota => "the account's daily quota is used up",
            Self::SendingPaused => "sending is paused for the account or the configuration set",
            Self::AccountSuspended => "the account is suspended",
            Self::SenderNotVerified => "the sender's identity is not verified",
            Self::BounceRate => "the bounce rate is near the provider's review line",
            Self::ComplaintRate => "the complaint rate is near the provider's review line",
        })
    }
}

/// A hold of the machine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineHold {
    /// Why.
    pub cause: Cause,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// A hold that was made by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorHold {
    /// Why, in the operator's words.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// Which holds are in force, and what is left to be done for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// The machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineHold>,
    /// The operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorHold>,
    /// When a hold has ended, while the event source may still be off for it.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ending_since: Option<OffsetDateTime>,
    /// When an operator last ended a hold: rates that were too high before that were seen and
    /// accepted, and are no cause for another.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub released_at: Option<OffsetDateTime>,
    /// How often the record has been changed: what a conditional write compares.
    #[serde(default)]
    pub version: u64,
}

impl Holds {
    /// Whether nothing is to be sent.
    pub fn in_force(&self) -> bool {
        self.machine.is_some() || self.operator.is_some()
    }

    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// Held by the machine for that cause; nothing changes where it is already.
    fn held(&self, cause: Cause, now: OffsetDateTime) -> Option<Self> {
        match &self.machine {
            Some(machine) if machine.cause == cause => None,
            machine => {
                let since = machine.as_ref().map_or(now, |machine| machine.since);
                let machine = Some(MachineHold { cause, since });
                Some(Self { machine, ending_since: None, ..self.next() })
            }
        }
    }

    fn held_by_hand(&self, reason: &str, now: OffsetDateTime) -> Self {
        let operator = Some(OperatorHold { reason: reason.to_owned(), since: now });
        Self { operator, ending_since: None, ..self.next() }
    }

    /// Without the machine's hold; an operator's stays.
    fn released_by_machine(&self, now: OffsetDateTime) -> Option<Self> {
        self.machine.as_ref()?;
        let ending_since = self.operator.is_none().then_some(now);
        Some(Self { machine: None, ending_since, ..self.next() })
    }

    fn released_by_hand(&self, now: OffsetDateTime) -> Option<Self> {
        self.in_force().then(|| Self {
            machine: None,
            operator: None,
            ending_since: Some(now),
            released_at: Some(now),
            ..self.next()
        })
    }
}

/// The one record of the holds.
pub trait HoldRecord {
    /// The holds as they are; none where nothing has ever been written.
    fn read(&self) -> impl Future<Output = Result<Holds, Unavailable>> + Send;

    /// Replaces the record whose version is one less than this one's, and no other; `false` where
    /// somebody else changed it first. After an `Err` it is unknown whether it was written.
    fn replace(&self, next: &Holds) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// What feeds the worker from the queue. While it is off the jobs wait, untouched.
pub trait EventSource {
    /// Whether it is on, or being turned on.
    fn is_on(&self) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Turns it on or off; does nothing where it is already.
    fn turn(&self, on: bool) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// A hold could not be made, ended, or seen to.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The record could not be read or written. What was to be changed may be as it was.
    #[error(transparent)]
    Record(Unavailable),
    /// The record is written, and the event source could not be brought in line with it yet; whoever
    /// looks after it next will.
    #[error(transparent)]
    EventSource(Unavailable),
    /// Others kept changing the record.
    #[error("the holds keep changing")]
    Contended,
}

/// What a change of the holds came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// This is the record now.
    Done(Holds),
    /// It was so already.
    Nothing(Holds),
}

/// Has the machine hold, once: where it holds already for that cause nothing is done.
///
/// An event source that is found off although nothing holds was turned off by other means, and so
/// by hand. That becomes an operator's hold, for the machine would else turn it on in the end.
pub async fn place<R, S>(
    record: &R,
    source: &S,
    cause: Cause,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    // Where that cannot be told, it counts as on: the hold must be written down all the same.
    let found_off = source.is_on().await.is_ok_and(|on| !on);
    change(record, source, now, |holds| {
        let next = holds.held(cause, now)?;
        let by_other_means = found_off && !holds.in_force() && holds.ending_since.is_none();
        Some(if by_other_means {
            let reason = "the event source was found turned off";
            Holds { version: next.version, ..next.held_by_hand(reason, now) }
        } else {
            next
        })
    })
    .await
}

/// Has an operator hold. A second hold by hand replaces the first one's reason.
pub async fn hold_by_hand<R, S>(
    record: &R,
    source: &S,
    reason: &str,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| Some(holds.held_by_hand(reason, now))).await
}

/// Ends every hold, by hand. Where the provider still refuses, the next attempt holds again.
pub async fn release_by_hand<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.released_by_hand(now)).await
}

/// Ends the machine's hold; an operator's stays in force.
pub async fn release<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    change(record, source, now, |holds| holds.released_by_machine(now)).await
}

/// Writes the change down, then does it.
async fn change<R, S>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
    next: impl Fn(&Holds) -> Option<Holds>,
) -> Result<Changed, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    for _ in 0..TRIES {
        let holds = record.read().await.map_err(HoldError::Record)?;
        let Some(next) = next(&holds) else { return Ok(Changed::Nothing(holds)) };
        if record.replace(&next).await.map_err(HoldError::Record)? {
            return settle(record, source, now).await.map(Changed::Done);
        }
    }
    Err(HoldError::Contended)
}

/// Brings the event source in line with the record, and answers the record: off while a hold is in
/// force, on where one has just ended, and else as it is. Safe to call at any time, by anybody.
pub async fn settle<R, S>(record: &R, source: &S, now: OffsetDateTime) -> Result<Holds, HoldError>
where
    R: HoldRecord,
    S: EventSource,
{
    for _ in 0..TRIES {
        let holds = record.read().await.map_err(HoldError::Record)?;
        let on = match holds.ending_since {
            _ if holds.in_force() => false,
            Some(_) => true,
            None => return Ok(holds),
        };
        source.turn(on).await.map_err(HoldError::EventSource)?;
        if record.read().await.map_err(HoldError::Record)? != holds {
            // Held or released meanwhile: then it must be turned again.
            continue;
        }
        if holds.ending_since.is_none_or(|since| now - since < ENDING) {
            return Ok(holds);
        }
        let ended = Holds { ending_since: None, ..holds.next() };
        if record.replace(&ended).await.map_err(HoldError::Record)? {
            return Ok(ended);
        }
    }
    Err(HoldError::Contended)
}

#[cfg(test)]
mod tests;
