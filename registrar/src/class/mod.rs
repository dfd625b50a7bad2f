//! `registrar enroll` and `registrar unenroll`: a whole class from a file.
//!
//! Every line is checked before the first one is carried out. Then each line is one action of an operator, as
//! `registrar enrollment` has them, on the tables, with the same permissions: nothing is needed that an operator of single
//! enrollments does not have, and the resumer enqueues the emails.

mod results;
mod runner;
#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    pin::pin,
};

use enrollment::{
    Course, CourseId,
    history::Reason,
    operator::{
        Place,
        class::{
            Ending, Enrolling, Granting, LineResult, Run, check_course, enroll_line, unenroll_line,
        },
    },
    ports::FindCourse,
};
use indicatif::ProgressBar;
use time::OffsetDateTime;
use unavailable::Unavailable;

pub(crate) use self::results::ResultsError;
use self::{
    results::{Identity, ResultsFile, Totals},
    runner::{Ended, Ran},
};
use crate::{
    aws_call::CallFailed,
    caller::caller,
    clock,
    outcome::{Failure, Outcome},
    sending::deployed_pace,
    session::Session,
    sheet::{Column, Kind, Problem, Problems, Row, Sheet},
    stack::{self, Stack},
    text::{about, on_one_line},
};

/// In the history of an enrollment in a free course whose line has no reason.
const FREE_COURSE_REASON: &str = "enrolled with a class";

/// Lines that were refused and are printed; the file of results has all of them.
const MAX_PRINTED: usize = 100;

/// Enroll a class from a CSV file; without --apply, only print what would be done
///
/// The file has a header with the columns `student_id`, `course_id`, `email` and `name`, in any order, and perhaps `reason`. Every
/// line is checked first, also against its course: if one is wrong, nothing is changed. With --apply, FILE.results.csv
/// (as in class.csv.results.csv) gets the result of each line as soon as it is known. If the command is interrupted,
/// repeat it: it continues where it stopped, and does nothing twice. The confirmation emails follow within the limit.
/// Exit code: 0 if every student has access; 1 if lines were refused or are left; 2 if the input is invalid or calls to
/// AWS fail.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrollArgs {
    #[command(flatten)]
    stack: stack::Args,
    /// The class
    file: PathBuf,
    /// Also give access without a payment to courses that have a price or take no new students; needs a reason
    #[arg(long)]
    grant: bool,
    /// Why, for lines without a reason of their own. The history keeps it, so write no name or address
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    /// Make the changes
    #[arg(long)]
    apply: bool,
}

/// End the access of a class from a CSV file; without --apply, only print what would be done
///
/// The file has a header with the columns `student_id` and `course_id`, in any order, and perhaps `attempt` (the number of the
/// payment attempt, needed if there is a payment; `enrollment show` prints it), `refund` (`none` or `full`; by default `none`)
/// and `reason`. Results, repetition and exit code are as for `enroll`.
#[derive(Debug, clap::Args)]
pub(crate) struct UnenrollArgs {
    #[command(flatten)]
    stack: stack::Args,
    /// The class
    file: PathBuf,
    /// Why, for lines without a reason of their own. The history keeps it, so write no name or address
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    /// Make the changes
    #[arg(long)]
    apply: bool,
}

const ENROLL_COLUMNS: [Column; 5] = [
    Column::required("student_id", Kind::Text),
    Column::required("course_id", Kind::Text),
    Column::required("email", Kind::Text),
    Column::required("name", Kind::Text),
    Column::optional("reason", Kind::Text),
];

const UNENROLL_COLUMNS: [Column; 5] = [
    Column::required("student_id", Kind::Text),
    Column::required("course_id", Kind::Text),
    Column::optional("attempt", Kind::Number),
    Column::optional("refund", Kind::Text),
    Column::optional("reason", Kind::Text),
];

trait Line {
    fn place(&self) -> &Place;
}

impl Line for Enrolling {
    fn place(&self) -> &Place {
        &self.place
    }
}

impl Line for Ending {
    fn place(&self) -> &Place {
        &self.place
    }
}

fn enrolling(row: &Row, reason: Option<&Reason>) -> Result<Enrolling, Vec<Problem>> {
    let line = Enrolling::from_fields(&row.fields);
    let line = line.map_err(|errors| Problem::all(row.line, errors))?;
    let reason = line.reason.or_else(|| reason.cloned());
    Ok(Enrolling { reason, ..line })
}

fn ending(row: &Row, reason: Option<&Reason>) -> Result<Ending, Vec<Problem>> {
    let line = Ending::from_fields(&row.fields, reason);
    line.map_err(|errors| Problem::all(row.line, errors))
}

/// A file whose lines are right.
struct Class<'a, R> {
    command: &'static str,
    path: &'a Path,
    sheet: Sheet,
    read: R,
    lines: u64,
    apply: bool,
}

impl<'a, R, L> Class<'a, R>
where
    R: Fn(&Row) -> Result<L, Vec<Problem>>,
    L: Line,
{
    fn open(
        command: &'static str,
        path: &'a Path,
        columns: &[Column],
        read: R,
        apply: bool,
    ) -> Result<Self, Failure> {
        let sheet = Sheet::open(path, columns)?;
        let key = |line: &L| {
            let Place { student_id, course_id } = line.place();
            // An id has no line break.
            format!("{student_id}\n{course_id}")
        };
        let (lines, problems) = sheet.check(&read, key);
        problems.into_result(path)?;
        Ok(Self { command, path, sheet, read, lines, apply })
    }

    /// The lines without a result. Each of them was read before, from the same bytes.
    fn lines(&self, is_done: impl Fn(u64) -> bool) -> impl Iterator<Item = (u64, L)> {
        let rows = self.sheet.rows().filter_map(Result::ok);
        rows.filter(move |row| !is_done(row.line))
            .filter_map(|row| (self.read)(&row).ok().map(|line| (row.line, line)))
    }
}

pub(crate) async fn enroll(
    args: &EnrollArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let read = |row: &Row| enrolling(row, args.reason.as_ref());
    let class = Class::open("enroll", &args.file, &ENROLL_COLUMNS, read, args.apply)?;
    let stack = writable(&args.stack, session).await?;
    let (courses, enrollments) = (stack.courses()?, stack.enrollments()?);
    let granting = if args.grant { Granting::Allowed } else { Granting::Refused };
    let otherwise: Reason = FREE_COURSE_REASON.parse().map_err(std::io::Error::other)?;
    let check = async |lines: &mut dyn Iterator<Item = (u64, Enrolling)>| {
        check_courses(&courses, lines, granting, clock::now()).await
    };
    let act = async |line: &Enrolling, run: &Run| {
        enroll_line(&courses, &enrollments, line, granting, &otherwise, run).await
    };
    let done = carry_out(&class, &stack, session, check, act, out, err).await?;
    let emails = done.totals.of("enrolled") + done.totals.of("granted");
    if emails > 0 {
        let pace = deployed_pace(&stack, None)?;
        let time = about(pace.duration_of(emails));
        writeln!(
            out,
            "confirmation emails: {emails}, about {time} at {} per minute, after the jobs that wait already; \
             `registrar status` shows when the queue is empty",
            pace.per_minute()
        )?;
    }
    done.outcome()
}

pub(crate) async fn unenroll(
    args: &UnenrollArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let read = |row: &Row| ending(row, args.reason.as_ref());
    let class = Class::open("unenroll", &args.file, &UNENROLL_COLUMNS, read, args.apply)?;
    let stack = writable(&args.stack, session).await?;
    let enrollments = stack.enrollments()?;
    let check = async |_: &mut dyn Iterator<Item = (u64, Ending)>| Ok(Problems::default());
    let act = async |line: &Ending, run: &Run| unenroll_line(&enrollments, line, run).await;
    carry_out(&class, &stack, session, check, act, out, err).await?.outcome()
}

/// Only a stack whose functions know the history has the policy, as for `registrar enrollment`.
async fn writable(args: &stack::Args, session: &Session) -> Result<Stack, Failure> {
    let stack = Stack::find(args, session).await?;
    stack.payments_operator_policy()?;
    Ok(stack)
}

/// Reads each course once.
async fn check_courses(
    courses: &impl FindCourse,
    lines: &mut dyn Iterator<Item = (u64, Enrolling)>,
    granting: Granting,
    now: OffsetDateTime,
) -> Result<Problems, Unavailable> {
    let mut known: HashMap<CourseId, Option<Course>> = HashMap::new();
    let mut problems = Problems::default();
    for (number, line) in lines {
        let id = &line.place.course_id;
        if !known.contains_key(id) {
            known.insert(id.clone(), courses.find_course_now(id).await?);
        }
        let course = known.get(id).and_then(Option::as_ref);
        if let Err(why) = check_course(course, granting, line.reason.is_some(), now) {
            problems.add([Problem::of_column(number, why.field(), why)]);
        }
    }
    Ok(problems)
}

/// What was done in all runs, or would be done in this one.
struct Done {
    totals: Totals,
    ran: Ran,
    left: u64,
}

impl Done {
    fn outcome(self) -> Result<Outcome, Failure> {
        if let Ended::Stopped(error) = &self.ran.ended {
            return Err(CallFailed::other("carrying out the lines", error).into());
        }
        let is_fine = self.left == 0 && self.totals.of("refused") == 0;
        Ok(if is_fine { Outcome::Fine } else { Outcome::LinesLeft })
    }
}

async fn carry_out<R, L>(
    class: &Class<'_, R>,
    stack: &Stack,
    session: &Session,
    check: impl AsyncFn(&mut dyn Iterator<Item = (u64, L)>) -> Result<Problems, Unavailable>,
    act: impl AsyncFn(&L, &Run) -> Result<LineResult, Unavailable>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Done, Failure>
where
    R: Fn(&Row) -> Result<L, Vec<Problem>>,
    L: Line,
{
    let digest = class.sheet.digest();
    let identity = Identity { command: class.command, digest: &digest };
    let earlier = ResultsFile::peek(class.path, &identity)?;
    let is_done = |line| earlier.as_ref().is_some_and(|earlier| earlier.done.contains(&line));
    let problems = check(&mut class.lines(is_done)).await;
    let failed = |error: Unavailable| CallFailed::other("reading the courses", &error);
    problems.map_err(failed)?.into_result(class.path)?;

    let by = caller(stack.sdk()).await?;
    let opened =
        class.apply.then(|| ResultsFile::open(class.path, &identity, clock::now())).transpose()?;
    let (mut file, recorded) = opened.unzip();
    let recorded = recorded.or(earlier);
    let since = recorded.as_ref().map_or_else(clock::now, |recorded| recorded.since);
    let (before, mut totals) =
        recorded.map_or_else(Default::default, |recorded| (recorded.done, recorded.totals));
    let done_before = totals.lines();
    if !class.apply {
        totals = Totals::default();
    }
    if done_before > 0 {
        let count = class.lines;
        writeln!(err, "note: {done_before} of {count} lines have their result already")?;
    }
    let run = |now| Run { by: by.clone(), since, now, apply: class.apply };
    let bar = session.progress_bar(class.lines - done_before, class.command);
    let mut printed = 0;
    let record = |number, line: &L, result: LineResult| {
        if let Some(file) = &mut file {
            file.write(number, line.place(), &result)?;
        }
        totals.add(&result);
        bar.inc(1);
        if let LineResult::Refused { code, why } = &result
            && printed < MAX_PRINTED
        {
            printed += 1;
            bar.suspend(|| writeln!(out, "line {number}: refused ({code}): {}", on_one_line(why)))?;
        }
        Ok(())
    };
    let lines = class.lines(|line| before.contains(&line));
    let act = async |line: &L| act(line, &run(clock::now())).await;
    let ran =
        until_interrupted(session, &bar, async |stop| runner::run(lines, act, record, stop).await)
            .await?;
    let done = if class.apply { totals.lines() } else { done_before + totals.lines() };
    let done = Done { left: class.lines - done, totals, ran };
    report(class.lines, &done, file.as_ref(), out, err)?;
    Ok(done)
}

/// After the first Ctrl-C no line begins, and the lines in progress end. A second one ends everything immediately.
async fn until_interrupted(
    session: &Session,
    bar: &ProgressBar,
    work: impl AsyncFnOnce(&Cell<bool>) -> std::io::Result<Ran>,
) -> std::io::Result<Ran> {
    let stop = Cell::new(false);
    let mut work = pin!(work(&stop));
    let ran = tokio::select! {
        ran = &mut work => ran,
        () = session.interrupted() => {
            stop.set(true);
            tokio::select! {
                ran = &mut work => ran,
                () = session.interrupted() => {
                    Ok(Ran { ended: Ended::Interrupted, failed: Vec::new() })
                }
            }
        }
    };
    bar.finish_and_clear();
    ran
}

fn report(
    lines: u64,
    done: &Done,
    file: Option<&ResultsFile>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<()> {
    for (number, why) in &done.ran.failed {
        writeln!(err, "line {number}: left, each try failed: {}", on_one_line(why))?;
    }
    if matches!(done.ran.ended, Ended::Interrupted) {
        writeln!(err, "interrupted")?;
    }
    let text = done.totals.text();
    let Some(file) = file else {
        return writeln!(
            out,
            "would be, of {lines} lines: {text}; nothing was changed, --apply makes the changes"
        );
    };
    writeln!(out, "{lines} lines: {text}")?;
    writeln!(out, "results: {}", file.path().display())?;
    if done.left > 0 {
        writeln!(out, "left: {} lines; repeat the command to continue", done.left)?;
    }
    Ok(())
}
