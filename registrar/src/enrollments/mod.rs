//! `registrar enrollment`: see an enrollment, find those that need a person, and act on one.

mod act;
mod collect;
mod facts;
mod list;
mod show;

use std::io::Write;

use enrollment::{CourseId, StudentId, operator::Place};

use crate::{
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

pub(crate) use self::{
    collect::{Unfinished, unfinished},
    list::Listed,
};

/// See enrollments, and act on one
///
/// An action is written to the enrollment, with your ARN, the time and the reason in its history. The resumer
/// carries out what it needs of Stripe and of the email queue, within a minute. Repeating an action is harmless.
/// Exit code: 0 if it is done, or was done before; 1 if `show` finds what needs a person; 2 if the input is
/// invalid, the action does not fit the enrollment, or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print one line per enrollment that is not known to be finished, the longest overdue of a shard first
    List(list::Args),
    /// Print what is known about one enrollment: its payment, its emails, and what operators did
    Show(show::Args),
    /// Have the resumer take up an unfinished enrollment now, as if it had never failed
    Retry(PlaceArgs),
    #[command(flatten)]
    Act(act::Command),
}

/// The arguments that name an enrollment.
#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// The id of the student
    student: StudentId,
    /// The id of the course
    course: CourseId,
}

impl PlaceArgs {
    fn place(&self) -> Place {
        Place { student_id: self.student.clone(), course_id: self.course.clone() }
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let now = crate::clock::now();
    match &args.command {
        Command::List(list) => list::run(list, &stack.resume_index()?, now, out, err).await,
        Command::Show(show) => show::run(show, &stack, now, out).await,
        Command::Retry(place) => act::retry(&stack, &place.place(), now, out).await,
        Command::Act(action) => act::run(action, &stack, now, out).await,
    }
}
