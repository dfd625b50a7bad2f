//! The one record of the holds, and its transitions.

use std::{collections::BTreeMap, future::Future};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use unavailable::Unavailable;

use super::{
    cause::HoldCause,
    lowered::LoweredLimit,
    probation::{RELAPSE, probation},
};

/// An automatic hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineHold {
    pub cause: HoldCause,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Whether the provider has reported the cause since the hold began. If so, the end of its report ends the
    /// hold.
    #[serde(default)]
    pub reported: bool,
    /// When the hold may end without a report. `None` in a record of an earlier version, and for a rate.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub earliest_end: Option<OffsetDateTime>,
    /// How many holds without a report had ended in a row before this one.
    #[serde(default)]
    pub relapses: u32,
}

impl MachineHold {
    /// A hold that begins now. Nothing is known but that an email was refused.
    pub fn new(cause: HoldCause, now: OffsetDateTime) -> Self {
        Self { cause, since: now, reported: false, earliest_end: None, relapses: 0 }
    }

    /// Whether the hold is over if the provider reports no obstacle now: it reported one before, or the hold has
    /// lasted long enough.
    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.reported || self.earliest_end.is_none_or(|end| now >= end)
    }
}

/// The last automatic end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEnd {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The cause of the hold that ended.
    pub cause: HoldCause,
    /// How many holds have ended in a row that the provider never reported, including this one.
    pub without_report: u32,
}

impl LastEnd {
    /// Whether a hold that begins now is a relapse.
    fn is_recent(&self, now: OffsetDateTime) -> bool {
        now - self.at < RELAPSE
    }
}

/// An operator's hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorHold {
    /// In the operator's words.
    pub reason: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it ends by itself. `None` until an operator ends it.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<OffsetDateTime>,
}

impl OperatorHold {
    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The holds in force, and what is left to do for holds that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineHold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorHold>,
    /// When a hold ended. `None` once the event source is known to be on again.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ending_since: Option<OffsetDateTime>,
    /// When an operator last ended a hold. A rate that was too high before that time does not cause
    /// another hold.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub released_at: Option<OffsetDateTime>,
    /// The last automatic end of a hold. `None` after an operator's release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
    /// The holds of single templates, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, OperatorHold>,
    /// A limit that an operator has lowered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowered: Option<LoweredLimit>,
    /// The fields of a later release, which are written as they were read: releases overlap during a deployment.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
    /// The number of changes so far. Conditional writes compare it.
    #[serde(default)]
    pub version: u64,
}

impl Holds {
    /// Whether sending is stopped. A hold whose time is over is in force until [`end_expired`](super::end_expired)
    /// has ended it, because the event source is still off.
    pub fn in_force(&self) -> bool {
        self.machine.is_some() || self.operator.is_some()
    }

    /// Whether a worker must not send. A hold whose time is over stops nobody.
    pub fn stops_sending(&self, now: OffsetDateTime) -> bool {
        self.machine.is_some() || self.operator.as_ref().is_some_and(|hold| !hold.is_over(now))
    }

    /// Without what is over by its own end. `None` if nothing is.
    pub(super) fn without_expired(&self, now: OffsetDateTime) -> Option<Self> {
        let operator = self.operator.clone().filter(|hold| !hold.is_over(now));
        let ended = self.operator.is_some() && operator.is_none();
        let mut next = Self { operator, lowered: self.lowered_at(now).cloned(), ..self.next() };
        next.templates.retain(|_, hold| !hold.is_over(now));
        if ended && next.machine.is_none() {
            next.ending_since = Some(now);
        }
        (ended || next.lowered != self.lowered || next.templates != self.templates).then_some(next)
    }

    /// The end of a hold for rejections in a row, if it ended so recently that fewer of them bring it back.
    pub fn probation(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let last = self.last_end.filter(|end| end.is_recent(now))?;
        (last.cause == HoldCause::RejectedInARow).then_some(last.at)
    }

    pub(super) fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// With an automatic hold for this cause. `None` if there is one, or one for a rate: sending does not show
    /// whether a rate has fallen, so no refused email may take its place.
    pub(super) fn held(&self, cause: HoldCause, now: OffsetDateTime) -> Option<Self> {
        let current = self.machine.as_ref();
        if current
            .is_some_and(|hold| hold.cause == cause || hold.cause.is_rate() && !cause.is_rate())
        {
            return None;
        }
        let last = self.last_end.filter(|end| end.is_recent(now));
        let before = last.map_or(0, |end| end.without_report);
        let relapses = current.map_or(before, |hold| hold.relapses);
        let machine = Some(MachineHold {
            since: current.map_or(now, |hold| hold.since),
            earliest_end: (!cause.is_rate()).then(|| now + probation(relapses)),
            relapses,
            ..MachineHold::new(cause, now)
        });
        Some(Self { machine, ending_since: None, ..self.next() })
    }

    /// The provider has reported this cause of the hold. `None` if that is known, or if the hold is another one.
    pub(super) fn reported(&self, hold: &MachineHold, cause: HoldCause) -> Option<Self> {
        let is_news = hold.cause != cause || !hold.reported;
        (is_news && self.machine.as_ref() == Some(hold)).then(|| {
            let machine = MachineHold { cause, reported: true, ..hold.clone() };
            Self { machine: Some(machine), ..self.next() }
        })
    }

    pub(super) fn held_by_operator(&self, hold: OperatorHold) -> Self {
        Self { operator: Some(hold), ending_since: None, ..self.next() }
    }

    /// Without this automatic hold. `None` if the hold is another one, or there is none.
    pub(super) fn released_automatically(
        &self,
        hold: &MachineHold,
        now: OffsetDateTime,
    ) -> Option<Self> {
        (self.machine.as_ref() == Some(hold)).then(|| {
            let was_reported = hold.reported || hold.cause.is_rate();
            let without_report = if was_reported { 0 } else { hold.relapses.saturating_add(1) };
            Self {
                machine: None,
                ending_since: self.operator.is_none().then_some(now),
                last_end: Some(LastEnd { at: now, cause: hold.cause, without_report }),
                ..self.next()
            }
        })
    }

    pub(super) fn released_by_operator(&self, now: OffsetDateTime) -> Option<Self> {
        self.in_force().then(|| Self {
            machine: None,
            operator: None,
            ending_since: Some(now),
            released_at: Some(now),
            last_end: None,
            ..self.next()
        })
    }
}

/// The one record of the holds.
pub trait HoldRecord {
    /// The current holds. The default if nothing was ever written.
    fn read(&self) -> impl Future<Output = Result<Holds, Unavailable>> + Send;

    /// Replaces the record if its version is one less than that of `next`. `false` if another change
    /// came first. After an `Err`, it is unknown whether the record was written.
    fn replace(&self, next: &Holds) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}
