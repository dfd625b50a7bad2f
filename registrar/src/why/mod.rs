//! `registrar why` and `registrar timeline`: what is known about one email, recipient or enrollment.

pub(crate) mod answer;
pub(crate) mod facts;
pub(crate) mod gather;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
mod words;

use std::io::Write;

use email::{EmailAddress, JobId};
use enrollment::{CourseId, StudentId};
use serde::Serialize;

use crate::{
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
    text::to_the_second,
};

use self::{
    answer::{Answer, answers},
    facts::Subject,
    gather::gather,
    timeline::{Event, events},
};

/// Say why an email has not been sent, or access has not been granted, yet
///
/// The ledger, the holds, the queue, the dead letters, and SES's suppression list are read. Exit code: 0
/// if nobody has to act; 1 if it stays as it is until a person acts; 2 if the input is invalid or a call
/// to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    stack: stack::Args,
    #[command(flatten)]
    subject: SubjectArgs,
}

/// List what happened to an email or an enrollment, and what is expected, in order
///
/// Exit code: 0, or 2 if the input is invalid or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct TimelineArgs {
    #[command(flatten)]
    stack: stack::Args,
    #[command(flatten)]
    subject: SubjectArgs,
}

#[derive(Debug, clap::Args)]
struct SubjectArgs {
    /// The id of an email job, the address of a recipient, or the id of a student
    #[arg(value_name = "ID|ADDRESS|STUDENT")]
    first: String,
    /// The id of the student's course
    course: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The arguments name nothing that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "name an email by its job's id, a recipient by the address, or an enrollment by the ids of student \
     and course: {what} is not valid"
)]
pub(crate) struct InvalidSubject {
    what: &'static str,
}

impl SubjectArgs {
    fn subject(&self) -> Result<Subject, InvalidSubject> {
        let invalid = |what| InvalidSubject { what };
        if let Some(course) = &self.course {
            let student =
                self.first.parse::<StudentId>().map_err(|_| invalid("the student's id"))?;
            let course = course.parse::<CourseId>().map_err(|_| invalid("the course's id"))?;
            return Ok(Subject::Enrollment(student, course));
        }
        if self.first.contains('@') {
            let address = self.first.parse::<EmailAddress>().map_err(|_| invalid("the address"))?;
            return Ok(Subject::Recipient(address));
        }
        let job = self.first.parse::<JobId>().map_err(|_| invalid("the job's id"))?;
        Ok(Subject::Job(job))
    }
}

#[derive(Debug, Serialize)]
struct WhyReport<'a> {
    needs_person: bool,
    answers: &'a [Answer],
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct TimelineReport<'a> {
    events: &'a [Event],
    notes: &'a [String],
}

pub(crate) async fn why(
    args: &WhyArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let subject = args.subject.subject()?;
    let stack = Stack::find(&args.stack, session).await?;
    let (facts, notes) = Box::pin(gather(&stack, subject, clock::now())).await?;
    let answers = answers(&facts);
    let needs_person = answers.iter().any(Answer::needs_person);
    if args.subject.json {
        write_json(&WhyReport { needs_person, answers: &answers, notes: &notes }, out)?;
    } else {
        write_answers(&answers, out)?;
        write_notes(&notes, err)?;
    }
    Ok(if needs_person { Outcome::NeedsPerson } else { Outcome::Fine })
}

pub(crate) async fn timeline(
    args: &TimelineArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let subject = args.subject.subject()?;
    let stack = Stack::find(&args.stack, session).await?;
    let (facts, notes) = Box::pin(gather(&stack, subject, clock::now())).await?;
    let events = events(&facts);
    if args.subject.json {
        write_json(&TimelineReport { events: &events, notes: &notes }, out)?;
    } else {
        write_events(&events, out)?;
        write_notes(&notes, err)?;
    }
    Ok(Outcome::Fine)
}

fn write_answers(answers: &[Answer], out: &mut impl Write) -> Result<(), Failure> {
    for answer in answers {
        writeln!(out, "{answer}")?;
        if let Some(remedy) = answer.remedy() {
            writeln!(out, "  to do: {remedy}")?;
        }
    }
    Ok(())
}

fn write_events(events: &[Event], out: &mut impl Write) -> Result<(), Failure> {
    if events.is_empty() {
        writeln!(
            out,
            "nothing is known: no worker has claimed it, or its entry is older than 90 days"
        )?;
    }
    for Event { at, what, expected } in events {
        let mark = if *expected { "expected" } else { "" };
        writeln!(out, "{:<20}  {mark:<8}  {what}", to_the_second(*at))?;
    }
    Ok(())
}

fn write_notes(notes: &[String], err: &mut impl Write) -> Result<(), Failure> {
    for note in notes {
        writeln!(err, "note: {note}")?;
    }
    Ok(())
}

fn write_json(report: &impl Serialize, out: &mut impl Write) -> Result<(), Failure> {
    let line = serde_json::to_string(report).map_err(std::io::Error::from)?;
    writeln!(out, "{line}")?;
    Ok(())
}
