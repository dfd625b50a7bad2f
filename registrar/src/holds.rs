//! `registrar hold`, `registrar release`, `registrar holds`: stopping all sending for a while.
//!
//! While a hold is in force the jobs wait on their queue, and enrollments are answered as always.

use std::{fmt, io::Write, str::FromStr};

use email::hold::{
    Changed, EventSource, HoldError, HoldRecord, Holds, hold_by_hand, release_by_hand, settle,
};
use time::OffsetDateTime;

use crate::{
    Failure, Outcome, Surroundings,
    aws_call::CallFailed,
    deployment::{self, Deployment},
    text::{on_one_line, to_the_minute},
};

/// Stop sending emails, until `registrar release`
///
/// Jobs wait on the queue, untouched; enrollments are answered as always. The machine never ends a
/// hold that was made by hand.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    deployment: deployment::Args,
    /// Why, for everybody who asks
    #[arg(long, value_name = "TEXT")]
    reason: HoldReason,
}

/// End every hold, the machine's too, and send again
///
/// Where the provider still refuses, the next attempt holds again.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    deployment: deployment::Args,
}

/// What is held, why, since when, and whether the worker is fed
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    deployment: deployment::Args,
}

/// A reason in words: one line that is not empty, of 500 characters at most.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HoldReason(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one line of 1 to 500 characters")]
struct NoReason;

impl FromStr for HoldReason {
    type Err = NoReason;

    fn from_str(text: &str) -> Result<Self, NoReason> {
        let text = text.trim();
        if (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoReason)
        }
    }
}

/// Why a hold was not made, ended, or shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error(
        "it is written down, but the event source could not be turned {}: {error}. \
         hold-watch tries again each minute, and so does the same command",
        on_or_off(*on)
    )]
    EventSource { on: bool, error: CallFailed },
    #[error("others keep changing the holds: look with `registrar holds`, and try again")]
    Contended,
}

pub(crate) async fn hold(
    args: &HoldArgs,
    surroundings: &Surroundings,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let deployment = Deployment::find(&args.deployment, surroundings).await?;
    let (record, source) = (deployment.holds()?, deployment.event_source()?);
    hold_at(&record, &source, &args.reason.0, OffsetDateTime::now_utc(), out).await
}

pub(crate) async fn release(
    args: &ReleaseArgs,
    surroundings: &Surroundings,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let deployment = Deployment::find(&args.deployment, surroundings).await?;
    let (record, source) = (deployment.holds()?, deployment.event_source()?);
    release_at(&record, &source, OffsetDateTime::now_utc(), out).await
}

pub(crate) async fn show(
    args: &ShowArgs,
    surroundings: &Surroundings,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let deployment = Deployment::find(&args.deployment, surroundings).await?;
    let (record, source) = (deployment.holds()?, deployment.event_source()?);
    show_of(&record, &source, out).await
}

async fn hold_at<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    reason: &str,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let changed = hold_by_hand(record, source, reason, now).await;
    let (Changed::Done(holds) | Changed::Nothing(holds)) =
        changed.map_err(|error| not_done(error, false))?;
    write_holds(&holds, out)?;
    writeln!(
        out,
        "Nothing is sent once the batches under way have ended, until `registrar release`."
    )?;
    Ok(Outcome::Fine)
}

async fn release_at<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let before = record.read().await.map_err(reading)?;
    match release_by_hand(record, source, now).await.map_err(|error| not_done(error, true))? {
        Changed::Done(_) => {
            writeln!(out, "ended:")?;
            write_holds(&before, out)?;
            if before.machine.is_some() {
                writeln!(out, "Where the provider still refuses, the next attempt holds again.")?;
            }
        }
        Changed::Nothing(_) => {
            writeln!(out, "nothing was held")?;
            // What an earlier release could not finish.
            let holds = settle(record, source, now).await.map_err(|error| not_done(error, true))?;
            warn_of_other_means(&holds, is_on(source).await?, out)?;
        }
    }
    Ok(Outcome::Fine)
}

async fn show_of<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let holds = record.read().await.map_err(reading)?;
    let on = is_on(source).await?;
    if !holds.in_force() {
        writeln!(out, "nothing is held")?;
    }
    write_holds(&holds, out)?;
    writeln!(out, "event source  {}", on_or_off(on))?;
    if on && holds.in_force() {
        writeln!(out, "It is to be off: hold-watch turns it off within a minute.")?;
    }
    warn_of_other_means(&holds, on, out)?;
    Ok(Outcome::Fine)
}

fn write_holds(holds: &Holds, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(hold) = &holds.operator {
        line(out, "by hand", hold.since, on_one_line(&hold.reason))?;
    }
    if let Some(hold) = &holds.machine {
        line(out, "by the machine", hold.since, hold.cause)?;
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    who: &str,
    since: OffsetDateTime,
    why: impl fmt::Display,
) -> Result<(), Failure> {
    writeln!(out, "held {who:<14}  since {}  {why}", to_the_minute(since))?;
    Ok(())
}

/// An event source that is off although nothing holds was turned off by somebody.
fn warn_of_other_means(holds: &Holds, on: bool, out: &mut impl Write) -> Result<(), Failure> {
    if on || holds.in_force() {
        return Ok(());
    }
    if holds.ending_since.is_some() {
        writeln!(out, "A hold has ended: hold-watch turns it on within a minute.")?;
    } else {
        writeln!(
            out,
            "The event source was turned off by other means, and nothing is sent. To turn it on: \
             `registrar hold --reason …`, then `registrar release`."
        )?;
    }
    Ok(())
}

async fn is_on(source: &impl EventSource) -> Result<bool, NotDone> {
    let on = source.is_on().await;
    Ok(on.map_err(|error| CallFailed::other("asking for the event source", &error))?)
}

fn reading(error: impl std::error::Error) -> NotDone {
    CallFailed::other("asking for the holds", &error).into()
}

fn not_done<R, S>(error: HoldError<R, S>, on: bool) -> NotDone
where
    R: std::error::Error + 'static,
    S: std::error::Error + 'static,
{
    match error {
        HoldError::Record(error) => CallFailed::other("changing the holds", &error).into(),
        HoldError::EventSource(error) => {
            NotDone::EventSource { on, error: CallFailed::other("turning it", &error) }
        }
        HoldError::Contended => NotDone::Contended,
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use email::hold::{Cause, MachineHold};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[derive(Debug, thiserror::Error)]
    #[error("access denied")]
    struct Denied;

    #[derive(Default)]
    struct Record(Mutex<Holds>);

    impl HoldRecord for Record {
        type Error = Denied;

        async fn read(&self) -> Result<Holds, Denied> {
            Ok(self.0.lock().unwrap().clone())
        }

        async fn replace(&self, next: &Holds) -> Result<bool, Denied> {
            *self.0.lock().unwrap() = next.clone();
            Ok(true)
        }
    }

    struct Source {
        on: Mutex<bool>,
        denied: bool,
    }

    impl EventSource for Source {
        type Error = Denied;

        async fn is_on(&self) -> Result<bool, Denied> {
            Ok(*self.on.lock().unwrap())
        }

        async fn turn(&self, on: bool) -> Result<(), Denied> {
            if self.denied {
                return Err(Denied);
            }
            *self.on.lock().unwrap() = on;
            Ok(())
        }
    }

    struct Place {
        record: Record,
        source: Source,
        out: Vec<u8>,
    }

    impl Place {
        fn new(on: bool) -> Self {
            let source = Source { on: Mutex::new(on), denied: false };
            Self { record: Record::default(), source, out: Vec::new() }
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
        let held = "held by hand         since 1970-01-01T00:00Z  moving the domain\n";
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
        let machine = MachineHold { cause: Cause::DailyQuota, since: NOW };
        *place.record.0.lock().unwrap() = Holds { machine: Some(machine), ..Holds::default() };
        place.release().await.unwrap();
        assert_eq!(
            place.said(),
            "ended:\nheld by the machine  since 1970-01-01T00:00Z  the account's daily quota is \
             used up\nWhere the provider still refuses, the next attempt holds again.\n"
        );
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
        place.source.denied = true;
        let error = place.hold("reason").await.unwrap_err().to_string();
        assert!(
            error.starts_with("it is written down, but the event source could not be turned off"),
            "{error}"
        );
        place.show().await.unwrap();
        assert!(place.said().contains("It is to be off"));
    }

    #[test]
    fn reasons_are_one_line() {
        assert_eq!("  why not ".parse(), Ok(HoldReason("why not".to_owned())));
        for text in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert_eq!(text.parse::<HoldReason>(), Err(NoReason));
        }
    }
}
