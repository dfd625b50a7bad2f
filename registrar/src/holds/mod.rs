//! `registrar hold`, `registrar release`, `registrar holds`: stop all sending, or that of a template, resume it, show
//! why it is stopped.
//!
//! While a hold is in force, the jobs wait on their queue and enrollments continue as usual.

mod args;
pub(crate) mod error;
mod report;
#[cfg(test)]
mod tests;

use std::io::Write;

use email::hold::{
    Changed, EventSource, HoldRecord, Holds, OperatorHold, hold_by_operator, hold_template,
    release_by_operator, release_template, settle,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    aws_call::CallFailed,
    clock,
    outcome::{Failure, Outcome},
    period::Period,
    session::Session,
    stack::Stack,
    text::{on_or_off, to_the_minute},
};

pub(crate) use self::args::{HoldArgs, Reason, ReleaseArgs, ShowArgs};
use self::{
    args::TemplateName,
    error::HoldCommandError,
    report::{warn_if_off_without_a_hold, write_holds, write_lowered, write_template_hold},
};

pub(crate) async fn hold(
    args: &HoldArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    let since = clock::now();
    let until = args.period.map(|period| period.end(since));
    let hold = OperatorHold { reason: args.reason.0.clone(), since, until };
    let mut said = Vec::new();
    match args.template {
        Some(template) => hold_template_at(&record, template, &hold, &mut said).await?,
        None => hold_at(&record, &source, &hold, &mut said).await?,
    }
    warn_if_jobs_expire(args.period, err)?;
    finish(args.json, &said, (&record, &source), out).await
}

pub(crate) async fn release(
    args: &ReleaseArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    let mut said = Vec::new();
    match &args.template {
        Some(template) => release_template_at(&record, template, &mut said).await?,
        None => release_at(&record, &source, clock::now(), &mut said).await?,
    }
    finish(args.json, &said, (&record, &source), out).await
}

pub(crate) async fn show(
    args: &ShowArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let (record, source) = (stack.holds()?, stack.event_source()?);
    let mut said = Vec::new();
    show_of(&record, &source, &mut said).await?;
    finish(args.json, &said, (&record, &source), out).await
}

/// Prints what a command says, or the record as JSON.
async fn finish<R: HoldRecord, S: EventSource>(
    json: bool,
    said: &[u8],
    (record, source): (&R, &S),
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    if json {
        let (holds, on) = (read(record).await?, is_on(source).await?);
        let state = json!({"held": holds.in_force(), "event_source_on": on, "holds": holds});
        writeln!(out, "{state}")?;
    } else {
        out.write_all(said)?;
    }
    Ok(Outcome::Fine)
}

/// A job waits for a week at most.
fn warn_if_jobs_expire(period: Option<Period>, err: &mut impl Write) -> std::io::Result<()> {
    if period.is_some_and(Period::outlasts_jobs) {
        writeln!(
            err,
            "note: a job that waits for longer than a week, or beyond its own deadline, becomes a dead letter `expired`"
        )?;
    }
    Ok(())
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
    hold: &OperatorHold,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let changed = hold_by_operator(record, source, hold).await;
    let changed = changed.map_err(|error| HoldCommandError::changing(error, false))?;
    write_holds(&changed.into_holds(), out)?;
    let end = match hold.until {
        Some(until) => format!("{}, or until `registrar release`", to_the_minute(until)),
        None => "`registrar release`".to_owned(),
    };
    writeln!(out, "Workers stop within seconds, and send nothing until {end}.")?;
    Ok(())
}

async fn hold_template_at(
    record: &impl HoldRecord,
    TemplateName(template): TemplateName,
    hold: &OperatorHold,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let changed = hold_template(record, template, hold).await;
    changed.map_err(|error| HoldCommandError::changing(error, true))?;
    write_template_hold(template, hold, out)?;
    writeln!(
        out,
        "Within seconds, workers return its jobs to the queue; all others are sent. To end it: \
         `registrar release --template {template}`."
    )?;
    Ok(())
}

async fn release_template_at(
    record: &impl HoldRecord,
    template: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let before = read(record).await?;
    let changed = release_template(record, template).await;
    match changed.map_err(|error| HoldCommandError::changing(error, true))? {
        Changed::Done(_) => {
            writeln!(out, "ended:")?;
            if let Some(hold) = before.templates.get(template) {
                write_template_hold(template, hold, out)?;
            }
            writeln!(out, "Jobs that were returned come back within half an hour.")?;
        }
        Changed::Nothing(holds) => {
            let held: Vec<_> = holds.templates.into_keys().collect();
            let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
            writeln!(out, "that template was not held; held are: {held}")?;
        }
    }
    Ok(())
}

async fn release_at<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let before = read(record).await?;
    let changed = release_by_operator(record, source, now).await;
    match changed.map_err(|error| HoldCommandError::changing(error, true))? {
        Changed::Done(after) => {
            writeln!(out, "ended:")?;
            write_holds(&before, out)?;
            for template in after.templates.keys() {
                writeln!(
                    out,
                    "Jobs of {template} are still held: `registrar release --template {template}`."
                )?;
            }
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
    Ok(())
}

async fn show_of<R: HoldRecord, S: EventSource>(
    record: &R,
    source: &S,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let holds = read(record).await?;
    let on = is_on(source).await?;
    if !holds.in_force() {
        let what = if holds.templates.is_empty() { "nothing is" } else { "only templates are" };
        writeln!(out, "{what} held")?;
    }
    write_holds(&holds, out)?;
    for (template, hold) in &holds.templates {
        write_template_hold(template, hold, out)?;
    }
    if let Some(lowered) = &holds.lowered {
        write_lowered(lowered, out)?;
    }
    writeln!(out, "event source  {}", on_or_off(on))?;
    if on && holds.in_force() {
        writeln!(out, "It should be off: hold-watch turns it off within a minute.")?;
    }
    warn_if_off_without_a_hold(&holds, on, out)?;
    Ok(())
}

pub(crate) async fn read(record: &impl HoldRecord) -> Result<Holds, HoldCommandError> {
    record.read().await.map_err(|error| HoldCommandError::reading(&error))
}

async fn is_on(source: &impl EventSource) -> Result<bool, HoldCommandError> {
    let on = source.is_on().await;
    Ok(on.map_err(|error| CallFailed::other("reading the event source", &error))?)
}
