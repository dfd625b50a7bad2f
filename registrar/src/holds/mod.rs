//! `registrar hold`, `registrar release`, `registrar holds`: stop all sending, resume it, show why it is
//! stopped.
//!
//! While a hold is in force, the jobs wait on their queue and enrollments continue as usual.

pub(crate) mod error;
mod report;

use std::{io::Write, str::FromStr};

use email::hold::{
    Changed, EventSource, HoldRecord, Holds, hold_by_operator, release_by_operator, settle,
};
use time::OffsetDateTime;

use crate::{
    aws_call::CallFailed,
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
    text::on_or_off,
};

use self::{
    error::HoldCommandError,
    report::{warn_if_off_without_a_hold, write_holds},
};

/// Stop sending emails, until `registrar release`
///
/// Jobs wait on the queue, and enrollments continue as usual. Only an operator can end a hold that was
/// started by an operator.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    stack: stack::Args,
    /// Why sending stops; `registrar holds` shows it
    #[arg(long, value_name = "TEXT")]
    reason: HoldReason,
}

/// End all holds, including an automatic one, and resume sending
///
/// If the provider still refuses emails, the next attempt starts a new hold.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    stack: stack::Args,
}

/// Show the holds in force, each with its reason, and whether the event source is on
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    stack: stack::Args,
}

/// One line of 1 to 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HoldReason(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one line of 1 to 500 characters")]
struct InvalidReason;

impl FromStr for HoldReason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReason)
        }
    }
}

pub(crate) async fn hold(
    args: &HoldArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    hold_at(&record, &source, &args.reason.0, clock::now(), out).await
}

pub(crate) async fn release(
    args: &ReleaseArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    release_at(&record, &source, clock::now(), out).await
}

pub(crate) async fn show(
    args: &ShowArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    show_of(&record, &source, out).await
}

/// Holds sending for another command. Returns what to tell the operator.
pub(crate) async fn hold_stack(
    stack: &Stack,
    reason: &str,
    now: OffsetDateTime,
) -> Result<String, Failure> {
    let reason = reason.parse::<HoldReason>().map_err(|_| HoldCommandError::Reason)?;
    let (mut out, record, source) = (Vec::new(), stack.holds()?, stack.event_source()?);
    hold_at(&record, &source, &reason.0, now, &mut out).await?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Ends all holds for another command. Returns what to tell the operator.
pub(crate) async fn release_stack(stack: &Stack, now: OffsetDateTime) -> Result<String, Failure> {
    let (mut out, record, source) = (Vec::new(), stack.holds()?, stack.event_source()?);
    release_at(&record, &source, now, &mut out).await?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

async fn hold_at<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    reason: &str,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let changed = hold_by_operator(record, source, reason, now).await;
    let (Changed::Done(holds) | Changed::Nothing(holds)) =
        changed.map_err(|error| HoldCommandError::changing(error, false))?;
    write_holds(&holds, out)?;
    writeln!(out, "Workers stop within seconds, and send nothing until `registrar release`.")?;
    Ok(Outcome::Fine)
}

async fn release_at<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let before = read(record).await?;
    let changed = release_by_operator(record, source, now).await;
    match changed.map_err(|error| HoldCommandError::changing(error, true))? {
        Changed::Done(_) => {
            writeln!(out, "ended:")?;
            write_holds(&before, out)?;
            if before.machine.is_some() {
                writeln!(
                    out,
                    "If the provider still refuses emails, the next attempt starts a new hold."
                )?;
            }
        }
        Changed::Nothing(_) => {
            writeln!(out, "nothing was held")?;
            // An earlier release may have failed before it turned the event source on.
            let settled = settle(record, source, now).await;
            let holds = settled.map_err(|error| HoldCommandError::changing(error, true))?;
            warn_if_off_without_a_hold(&holds, is_on(source).await?, out)?;
        }
    }
    Ok(Outcome::Fine)
}

async fn show_of<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let holds = read(record).await?;
    let on = is_on(source).await?;
    if !holds.in_force() {
        writeln!(out, "nothing is held")?;
    }
    write_holds(&holds, out)?;
    writeln!(out, "event source  {}", on_or_off(on))?;
    if on && holds.in_force() {
        writeln!(out, "It should be off: hold-watch turns it off within a minute.")?;
    }
    warn_if_off_without_a_hold(&holds, on, out)?;
    Ok(Outcome::Fine)
}

async fn read(record: &impl HoldRecord) -> Result<Holds, HoldCommandError> {
    record.read().await.map_err(|error| HoldCommandError::reading(&error))
}

async fn is_on(source: &impl EventSource) -> Result<bool, HoldCommandError> {
    let on = source.is_on().await;
    Ok(on.map_err(|error| CallFailed::other("reading the event source", &error))?)
}

#[cfg(test)]
mod tests {
    use email::{
        hold::{HoldCause, MachineHold},
        testing::{MemoryEventSource, MemoryHolds},
    };

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    struct Place {
        record: MemoryHolds,
        source: MemoryEventSource,
        out: Vec<u8>,
    }

    impl Place {
        fn new(on: bool) -> Self {
            let source = MemoryEventSource::default();
            source.set(on);
            Self { record: MemoryHolds::default(), source, out: Vec::new() }
        }

        async fn hold(&mut self, reason: &str) -> Result<Outcome, Failure> {
            hold_at(&self.record, &self.source, reason, NOW, &mut self.out).await
        }

        async fn release(&mut self) -> Result<Outcome, Failure> {
            release_at(&self.record, &self.source, NOW, &mut self.out).await
        }

        async fn show(&mut self) -> Result<Outcome, Failure> {
            show_of(&self.record, &self.source, &mut self.out).await
        }

        fn said(&mut self) -> String {
            String::from_utf8(std::mem::take(&mut self.out)).unwrap()
        }
    }

    #[tokio::test]
    async fn what_is_held_and_released_is_said() {
        let mut place = Place::new(true);
        place.show().await.unwrap();
        assert_eq!(place.said(), "nothing is held\nevent source  on\n");

        place.hold("moving the domain").await.unwrap();
        let held = "held by an operator  since 1970-01-01T00:00Z  moving the domain\n";
        assert!(place.said().starts_with(held));
        place.show().await.unwrap();
        assert_eq!(place.said(), format!("{held}event source  off\n"));

        place.release().await.unwrap();
        assert_eq!(place.said(), format!("ended:\n{held}"));
        place.release().await.unwrap();
        assert_eq!(place.said(), "nothing was held\n");
        place.show().await.unwrap();
        assert_eq!(place.said(), "nothing is held\nevent source  on\n");
    }

    #[tokio::test]
    async fn releasing_the_machines_hold_warns_that_it_may_hold_again() {
        let mut place = Place::new(false);
        let machine = MachineHold::new(HoldCause::DailyQuota, NOW);
        place.record.set(Holds { machine: Some(machine), ..Holds::default() });
        place.release().await.unwrap();
        assert_eq!(
            place.said(),
            "ended:\nheld automatically   since 1970-01-01T00:00Z  the account's daily quota is \
             used up\nIf the provider still refuses emails, the next attempt starts a new hold.\n"
        );
    }

    #[tokio::test]
    async fn hold_that_ses_has_not_reported_shows_when_it_ends() {
        let mut place = Place::new(false);
        let end = NOW + std::time::Duration::from_mins(5);
        let machine = MachineHold {
            earliest_end: Some(end),
            ..MachineHold::new(HoldCause::NotPermitted, NOW)
        };
        place.record.set(Holds { machine: Some(machine.clone()), ..Holds::default() });
        place.show().await.unwrap();
        let held =
            "held automatically   since 1970-01-01T00:00Z  the worker is not permitted to send";
        assert!(place.said().starts_with(&format!("{held}; it ends after 1970-01-01T00:05Z\n")));
        let machine = MachineHold { reported: true, ..machine };
        place.record.set(Holds { machine: Some(machine), ..Holds::default() });
        place.show().await.unwrap();
        assert!(place.said().starts_with(&format!("{held}\n")), "SES's report decides");
    }

    #[tokio::test]
    async fn an_event_source_that_somebody_turned_off_is_told_of() {
        let mut place = Place::new(false);
        place.show().await.unwrap();
        assert!(place.said().contains("turned off by other means"));
        place.release().await.unwrap();
        assert!(place.said().contains("turned off by other means"));
    }

    #[tokio::test]
    async fn a_hold_that_is_only_half_made_says_so() {
        let mut place = Place::new(true);
        place.source.calls.fail_operations(&["turn"]);
        let error = place.hold("reason").await.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the change is recorded, but the event source could not be turned off"
            ),
            "{error}"
        );
        place.show().await.unwrap();
        assert!(place.said().contains("It should be off"));
    }

    #[test]
    fn reasons_are_one_line() {
        assert_eq!("  why not ".parse(), Ok(HoldReason("why not".to_owned())));
        for text in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert_eq!(text.parse::<HoldReason>(), Err(InvalidReason));
        }
    }
}
