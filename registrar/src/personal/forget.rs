//! `registrar forget`: takes everything that says who a student is out of the deployment, or says what that would be.

use std::{collections::BTreeSet, io::Write};

use adapters::tables::{EmailsTable, EnrollmentsTable};
use email::{
    EmailAddress, JobId,
    ledger::{ForgetEmail, Forgot},
};
use enrollment::{
    Enrollment, StudentId,
    forget::{EraseError, Erased, end_access, erase, fate},
    history::Reason,
    operator::{OperateError, Signature},
};
use serde_json::Value;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    caller::caller,
    clock,
    dead_letters::Then,
    outcome::{Failure, Outcome},
    ses_list::SesList,
    session::Session,
    stack::{self, Stack},
    text::{on_one_line, to_the_second},
};

use super::{
    document::Stored,
    known::{Known, emails},
    queues,
    whom::Whom,
};

/// What stays, whatever is forgotten.
const REMAINS: [&str; 5] = [
    "Stripe: the payments, with the student's id in their metadata; have them redacted in Stripe's dashboard",
    "backups: 35 days; forget the student again after a restore",
    "logs: 90 days, and traces: 30 days; they have ids, and no name or address",
    "the platform's own data, and the emails in the student's mailbox",
    "the ledger's entries: 90 days; they have the ids of enrollments, and nothing that leads to the student",
];

/// Forget a student; without --yes, only print what would be done
///
/// Ends the access, deletes the messages to the student's addresses from the queues, takes the digests out of the ledger, and
/// deletes the enrollments. One with a payment is kept under a pseudonym. Nothing is done while a payment, a refund or an
/// email is in progress. It may be repeated, and must be after a failure. Exit code: 0; 1 if something has to be
/// finished first, or was left; 2 if the input is invalid or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    stack: stack::Args,
    /// The id of the student
    student: StudentId,
    /// An address that the student had before; repeat it for each
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<EmailAddress>,
    /// Why the access ends. The history has it until the enrollment is erased, so write no name
    #[arg(long, value_name = "TEXT")]
    reason: Reason,
    /// Take the addresses off the suppression lists too. Then emails that others enqueue are sent again
    #[arg(long)]
    suppressions: bool,
    /// Make the changes, which cannot be undone
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn forget(
    args: &ForgetArgs,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let data = stack.personal_data()?;
    let stored = data.enrollments_of::<Stored>(&args.student).await;
    let stored = stored.map_err(|error| failed("reading the enrollments", &error))?;
    let known = Known::of(&stored, &args.addresses);
    let Some(enrollments) = readable(&stored, out)? else { return Ok(Outcome::NeedsPerson) };
    let jobs = jobs(&known, &emails(&data, &known, session).await?);
    let signature =
        Signature { by: caller(stack.sdk()).await?, reason: args.reason.clone(), at: clock::now() };
    let run = Run { stack: &stack, known: &known, session, args, signature };
    let missed = if args.yes {
        run.carry_out(enrollments, &jobs, out).await?
    } else {
        let missed = run.clear_queues(Then::GiveBack, out).await?;
        writeln!(out, "emails in the ledger  {}", jobs.len())?;
        missed
    };
    for missed in &missed {
        writeln!(out, "left                  {missed}")?;
    }
    for each in REMAINS {
        writeln!(out, "remains               {each}")?;
    }
    if !args.suppressions {
        writeln!(
            out,
            "remains               suppressions of the addresses, if there are any (--suppressions)"
        )?;
    }
    if !args.yes {
        writeln!(out, "nothing was changed; --yes makes the changes")?;
    }
    Ok(if missed.is_empty() { Outcome::Fine } else { Outcome::NeedsPerson })
}

/// The enrollments, each with what becomes of it. `None`: something has to be finished first.
fn readable(stored: &[Stored], out: &mut impl Write) -> Result<Option<Vec<Enrollment>>, Failure> {
    let (mut enrollments, mut is_ready) = (Vec::new(), true);
    for item in stored {
        let course = item.get("course_id").and_then(Value::as_str).unwrap_or_default();
        let enrollment = serde_json::from_value::<Enrollment>(Value::Object(item.clone()));
        let becomes = match &enrollment {
            Ok(found) => fate(found).map(|fate| fate.to_string()).map_err(|why| why.to_string()),
            Err(_) => Err("it cannot be read; repair or delete it first".to_owned()),
        };
        match &becomes {
            Ok(fate) => writeln!(out, "enrollment            {}: {fate}", on_one_line(course))?,
            Err(why) => writeln!(out, "not yet               {}: {why}", on_one_line(course))?,
        }
        is_ready &= becomes.is_ok();
        enrollments.extend(enrollment);
    }
    if !is_ready {
        writeln!(out, "nothing was changed")?;
    }
    Ok(is_ready.then_some(enrollments))
}

/// Also those that no worker has seen.
fn jobs(known: &Known, entries: &[Stored]) -> BTreeSet<String> {
    let found = entries.iter().filter_map(|entry| entry.get("job_id")?.as_str().map(str::to_owned));
    known.jobs.iter().map(|id| id.as_str().to_owned()).chain(found).collect()
}

struct Run<'a> {
    stack: &'a Stack,
    known: &'a Known,
    session: &'a Session,
    args: &'a ForgetArgs,
    signature: Signature,
}

impl Run<'_> {
    /// In the order of [`enrollment::forget`]. Returns what is left.
    async fn carry_out(
        &self,
        enrollments: Vec<Enrollment>,
        jobs: &BTreeSet<String>,
        out: &mut impl Write,
    ) -> Result<Vec<String>, Failure> {
        let table = self.stack.enrollments()?;
        let mut ended = Vec::new();
        for found in enrollments {
            ended.push(end_access(&table, found, &self.signature).await.map_err(not_ended)?);
        }
        let mut left = self.clear_queues(Then::Delete, out).await?;
        left.extend(forget_emails(&self.stack.ledger()?, jobs, self.signature.at).await?);
        // An email that is being sent is found again by its enrollment.
        if !left.is_empty() {
            left.push("the enrollments: repeat this once the rest is done".to_owned());
            return Ok(left);
        }
        writeln!(out, "emails forgotten      {}", jobs.len())?;
        if self.args.suppressions {
            self.lift_suppressions(out).await?;
        }
        for found in &ended {
            left.extend(self.erase(&table, found, out).await?);
        }
        Ok(left)
    }

    async fn clear_queues(&self, then: Then, out: &mut impl Write) -> Result<Vec<String>, Failure> {
        let whom = Whom::new(self.known.addresses.values(), &self.known.jobs);
        let mut left = Vec::new();
        for queue in queues::all(self.stack)? {
            let (found, missed) = queues::search(&queue, &whom, then, self.session).await?;
            let done = if then == Then::Delete { "deleted" } else { "found" };
            writeln!(out, "messages {done:<12} {} in {}", found.messages.len(), queue.name)?;
            left.extend(
                found
                    .left
                    .into_iter()
                    .map(|left| format!("a message in {}: {}", queue.name, left.why)),
            );
            for missed in missed {
                // Of the enrollments' own emails, none is sent: the ledger says so.
                if missed.is_hidden() {
                    writeln!(out, "not seen              {missed}")?;
                } else {
                    left.push(missed.to_string());
                }
            }
        }
        Ok(left)
    }

    async fn lift_suppressions(&self, out: &mut impl Write) -> Result<(), Failure> {
        let (ses, copy) = (SesList::new(self.stack.sdk()), self.stack.suppressions()?);
        for address in self.known.addresses.values() {
            ses.remove(address).await?;
            let removed = copy.remove(address).await;
            removed.map_err(|error| failed("removing a suppression", &error))?;
        }
        writeln!(out, "suppressions lifted   {} addresses", self.known.addresses.len())?;
        Ok(())
    }

    async fn erase(
        &self,
        table: &EnrollmentsTable,
        found: &Enrollment,
        out: &mut impl Write,
    ) -> Result<Option<String>, Failure> {
        let course = &found.course_id;
        match erase(table, found, &self.signature).await {
            Ok(Erased::Done) => {
                writeln!(out, "erased                {course}")?;
                Ok(None)
            }
            Ok(Erased::Conflict) => {
                Ok(Some(format!("{course}: it was changed in the meantime; repeat this")))
            }
            Err(EraseError::Unavailable(error)) => {
                Err(failed("erasing an enrollment", &error).into())
            }
            Err(why) => Ok(Some(format!("{course}: {why}"))),
        }
    }
}

async fn forget_emails(
    ledger: &EmailsTable,
    jobs: &BTreeSet<String>,
    now: OffsetDateTime,
) -> Result<Vec<String>, Failure> {
    let mut left = Vec::new();
    for id in jobs {
        let Ok(job) = id.parse::<JobId>() else { continue };
        let forgot = ledger.forget_email(&job, now).await;
        match forgot.map_err(|error| failed("forgetting an email", &error))? {
            Forgot::Done => {}
            Forgot::InProgress { until } => {
                left.push(format!("email {job}: a worker has it until {}", to_the_second(until)));
            }
        }
    }
    Ok(left)
}

fn not_ended(error: OperateError) -> Failure {
    match error {
        OperateError::Unavailable(error) => failed("ending the access", &error).into(),
        refused => refused.into(),
    }
}

fn failed(operation: &'static str, error: &Unavailable) -> CallFailed {
    CallFailed::other(operation, error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(course: &str, state: &str) -> Stored {
        serde_json::from_value(json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": course, "course_title": "T",
            "state": state, "created_at": "1970-01-01T00:00:00Z", "version": 3,
        }))
        .unwrap()
    }

    #[test]
    fn nothing_is_done_while_one_enrollment_is_in_progress_or_cannot_be_read() {
        let mut out = Vec::new();
        let ready = readable(&[stored("a", "active"), stored("b", "unenrolled")], &mut out);
        assert_eq!(ready.unwrap().unwrap().len(), 2);
        for (state, why) in
            [("stuck", "resolve it first"), ("of a later version", "cannot be read")]
        {
            let mut out = Vec::new();
            let ready = readable(&[stored("a", "active"), stored("b", state)], &mut out);
            assert!(ready.unwrap().is_none(), "{state}");
            let out = String::from_utf8(out).unwrap();
            assert!(out.contains("a: deleted") && out.contains("nothing was changed"), "{out}");
            assert!(out.contains("not yet               b: ") && out.contains(why), "{out}");
        }
    }
}
