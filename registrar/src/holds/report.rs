//! Holds and the event source, as lines for an operator.

use std::{
    fmt,
    io::{self, Write},
};

use email::hold::{Holds, LoweredLimit, OperatorHold};
use time::OffsetDateTime;

use crate::text::{on_one_line, to_the_minute};

pub(super) fn write_holds(holds: &Holds, out: &mut impl Write) -> io::Result<()> {
    if let Some(hold) = &holds.operator {
        write_hold(out, "by an operator", hold.since, with_end(&hold.reason, hold.until))?;
    }
    if let Some(hold) = &holds.machine {
        match hold.earliest_end.filter(|_| !hold.reported) {
            Some(end) => {
                let cause = format!("{}; it ends after {}", hold.cause, to_the_minute(end));
                write_hold(out, "automatically", hold.since, cause)?;
            }
            None => write_hold(out, "automatically", hold.since, hold.cause)?,
        }
    }
    Ok(())
}

/// The hold of one template.
pub(super) fn write_template_hold(
    template: &str,
    hold: &OperatorHold,
    out: &mut impl Write,
) -> io::Result<()> {
    let reason = with_end(&hold.reason, hold.until);
    write_hold(out, &format!("template {}", on_one_line(template)), hold.since, reason)
}

pub(super) fn write_lowered(lowered: &LoweredLimit, out: &mut impl Write) -> io::Result<()> {
    let LoweredLimit { limit, window_seconds, reason, since, until } = lowered;
    let since = to_the_minute(*since);
    let reason = with_end(reason, *until);
    writeln!(out, "limit lowered to {limit} in any {window_seconds} s  since {since}  {reason}")
}

fn with_end(reason: &str, until: Option<OffsetDateTime>) -> String {
    let reason = on_one_line(reason);
    match until {
        Some(until) => format!("{reason}; it ends at {}", to_the_minute(until)),
        None => reason,
    }
}

fn write_hold(
    out: &mut impl Write,
    who: &str,
    since: OffsetDateTime,
    cause: impl fmt::Display,
) -> io::Result<()> {
    writeln!(out, "held {who:<14}  since {}  {cause}", to_the_minute(since))
}

/// If the event source is off and no hold is in force, either a hold has just ended or somebody turned
/// it off without a hold.
pub(super) fn warn_if_off_without_a_hold(
    holds: &Holds,
    on: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if on || holds.in_force() {
        Ok(())
    } else if holds.ending_since.is_some() {
        writeln!(out, "A hold has ended: hold-watch turns the event source on within a minute.")
    } else {
        writeln!(
            out,
            "The event source was turned off by other means, and nothing is sent. To turn it on: \
             `registrar hold --reason …`, then `registrar release`."
        )
    }
}
