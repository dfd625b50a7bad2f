//! `registrar course`: see a course, with the history of its price.

mod facts;

use std::io::Write;

use enrollment::{
    CourseId,
    ports::{CountSeats, FindCourse},
};
use futures_util::future::try_join;
use unavailable::Unavailable;

use self::facts::Facts;
use crate::{
    aws_call::CallFailed,
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

/// Changes of the price that are shown.
const MAX_CHANGES: u16 = 100;

/// See a course of the catalogue
///
/// Courses are written by the API (`PUT /courses/{course_id}`). Exit code: 0, or 2 if there is no such course or a
/// call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print what is known about one course, and who changed its price when: the last 100 changes
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The id of the course
    course: CourseId,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let Command::Show(show) = &args.command;
    let stack = Stack::find(&args.stack, session).await?;
    let (courses, prices) = (stack.courses()?, stack.price_changes()?);
    let read =
        try_join(courses.find_course_now(&show.course), prices.newest(&show.course, MAX_CHANGES));
    let (course, changes) = read.await.map_err(|error| failed(&error))?;
    let course = course.ok_or_else(|| Failure::NoSuchCourse(show.course.clone()))?;
    let count = if course.has_seats() {
        let count = stack.enrollments()?.count_seats(&show.course).await;
        count.map_err(|error| failed(&error))?
    } else {
        None
    };
    let facts =
        Facts { course, seats_taken: count.map(|count| count.taken), price_changes: changes };
    if show.json {
        let line = serde_json::to_string(&facts).map_err(std::io::Error::from)?;
        writeln!(out, "{line}")?;
    } else {
        write!(out, "{facts}")?;
    }
    Ok(Outcome::Fine)
}

fn failed(error: &Unavailable) -> CallFailed {
    CallFailed::other("reading the course", error)
}
