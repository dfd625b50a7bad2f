//! `registrar course`: see a course, with the history of its price, and import courses.

mod facts;
mod import;

use std::io::Write;

use enrollment::{
    CourseId,
    catalogue::Author,
    ports::{CountSeats, FindCourse},
};
use futures_util::future::try_join;
use unavailable::Unavailable;

pub(crate) use self::import::ImportError;
use self::{facts::Facts, import::ImportArgs};
use crate::{
    aws_call::CallFailed,
    caller::caller,
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    sheet::Sheet,
    stack::{self, Stack},
};

/// Changes of the price that are shown.
const MAX_CHANGES: u16 = 100;

/// See a course of the catalogue, or import courses
///
/// Courses are also written by the API (`PUT /courses/{course_id}`). Exit code: 0, or 2 if the course does not
/// exist, the input is invalid, or a call to AWS fails.
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
    /// Create and change courses from a CSV file; without --apply, only print what would be done
    ///
    /// The file has a header with the columns `course_id`, `title`, `price` (in minor units, such as cents), `currency` and
    /// `state` (`open` or `closed`), in any order, and perhaps `opens_at`, `closes_at` and `seats`. An empty cell removes the value; a
    /// column that the file does not have changes nothing. No course is deleted. Every line is checked first: if one is
    /// wrong, nothing is changed. It needs the policy `OperatorPolicyArn`.
    Import(ImportArgs),
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
    match &args.command {
        Command::Show(show) => {
            self::show(show, &Stack::find(&args.stack, session).await?, out).await
        }
        Command::Import(args_of) => {
            let sheet = import::open(args_of)?;
            let stack = Stack::find(&args.stack, session).await?;
            import(args_of, &sheet, &stack, out).await
        }
    }
}

async fn import(
    args: &ImportArgs,
    sheet: &Sheet,
    stack: &Stack,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let author = if args.apply {
        Some(Author { by: caller(stack.sdk()).await?, at: clock::now() })
    } else {
        None
    };
    import::run(args, &stack.catalogue()?, sheet, author.as_ref(), out).await?;
    Ok(Outcome::Fine)
}

async fn show(show: &ShowArgs, stack: &Stack, out: &mut impl Write) -> Result<Outcome, Failure> {
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
