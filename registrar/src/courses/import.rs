//! `registrar course import`: the catalogue from a CSV file.
//!
//! A line has the fields of `PUT /courses/{course_id}`, and is checked as the body of that request. Nothing is deleted: a
//! course that the file does not have stays, and so does a field whose column the file does not have. The result of a
//! repetition is the same, so there is no file of results: what was written is `same`.

use std::{io::Write, path::PathBuf};

use enrollment::{
    Course, CourseId,
    catalogue::{Author, Precondition, Put, PutError, put_course},
    fields::FieldErrors,
    ports::{FindCourse, PutCourse},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use unavailable::Unavailable;

use crate::{
    sheet::{Column, Kind, Problem, Problems, Row, Sheet, SheetError},
    text::on_one_line,
};

/// The columns, with the names of the API's fields. A new field of courses is one line here.
const COLUMNS: [Column; 8] = [
    Column::required(ID, Kind::Text),
    Column::required("title", Kind::Text),
    Column::required("price", Kind::Number),
    Column::required("currency", Kind::Text),
    Column::required("state", Kind::Text),
    Column::optional("opens_at", Kind::Text),
    Column::optional("closes_at", Kind::Text),
    Column::optional("seats", Kind::Number),
];

const ID: &str = "course_id";

/// Fields whose change has to be allowed.
const PRICE: [&str; 2] = ["price", "currency"];

/// Courses that are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The courses
    file: PathBuf,
    /// Also change the prices of courses that exist. What students have paid stays as it is
    #[arg(long)]
    change_prices: bool,
    /// Make the changes
    #[arg(long)]
    pub(super) apply: bool,
}

/// Why an import is not carried out, or not completely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Sheet(#[from] SheetError),
    #[error(
        "{0}; what is printed before is written, except perhaps the last course: repeat the command"
    )]
    Unavailable(#[from] Unavailable),
    #[error(
        "course {0} was changed by others at the same time; the courses before it are written: repeat the command"
    )]
    Changed(CourseId),
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

/// What a line does to its course.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    line: u64,
    current: Option<Course>,
    wanted: Course,
}

impl Step {
    fn is_same(&self) -> bool {
        self.differences().is_empty()
    }

    /// Each field that differs, as it is and as it is wanted.
    fn differences(&self) -> Vec<(&'static str, Value, Value)> {
        let (current, wanted) = (self.current.as_ref().map(fields_of), fields_of(&self.wanted));
        let value =
            |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
        COLUMNS
            .iter()
            .map(|column| {
                let old = current.as_ref().map_or(Value::Null, |fields| value(fields, column.name));
                (column.name, old, value(&wanted, column.name))
            })
            .filter(|(_, old, new)| old != new)
            .collect()
    }

    fn changes_price(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.price != self.wanted.price)
    }

    fn precondition(&self) -> Precondition {
        match &self.current {
            None => Precondition::Absent,
            Some(current) => Precondition::Version(vec![current.version]),
        }
    }

    /// One line for a new course, one per changed field for another.
    fn text(&self) -> String {
        let id = &self.wanted.id;
        let each = self.differences().into_iter().filter(|(name, ..)| *name != ID);
        let differences: Vec<_> = match &self.current {
            None => each.map(|(name, _, new)| format!("{name} {}", shown(&new))).collect(),
            Some(_) => each
                .map(|(name, old, new)| format!("{name} from {} to {}", shown(&old), shown(&new)))
                .collect(),
        };
        let kind = if self.current.is_some() { "change" } else { "new" };
        on_one_line(&format!("{kind:<7} {id}: {}", differences.join("; ")))
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// The fields as the API has them.
fn fields_of(course: &Course) -> Map<String, Value> {
    match serde_json::to_value(course) {
        Ok(Value::Object(fields)) => fields,
        // A course is an object.
        _ => Map::new(),
    }
}

fn id_of(row: &Row) -> Result<CourseId, Vec<Problem>> {
    let text = row.fields.get(ID).and_then(Value::as_str);
    let text = text.ok_or_else(|| vec![Problem::of_column(row.line, ID, "is missing")])?;
    text.parse().map_err(|why| vec![Problem::of_column(row.line, ID, why)])
}

/// The course of a line: its cells, and what the course has now in the columns that the file does not have.
fn wanted(
    row: &Row,
    id: CourseId,
    sheet: &Sheet,
    current: Option<&Course>,
) -> Result<Course, FieldErrors> {
    let mut fields = row.fields.clone();
    let kept = current.map(fields_of).unwrap_or_default();
    for column in COLUMNS.iter().filter(|column| !sheet.has(column.name)) {
        if let Some(value) = kept.get(column.name) {
            fields.insert(column.name.to_owned(), value.clone());
        }
    }
    Course::from_fields(id, &fields)
}

/// Checks the file, compares it with the catalogue, and writes what differs if `author` is given.
pub(super) async fn run(
    args: &ImportArgs,
    courses: &(impl FindCourse + PutCourse + Sync),
    sheet: &Sheet,
    author: Option<&Author>,
    out: &mut impl Write,
) -> Result<(), ImportError> {
    let steps = steps(args, courses, sheet).await?;
    let (same, differing): (Vec<_>, Vec<_>) = steps.into_iter().partition(Step::is_same);
    for step in &differing {
        writeln!(out, "{}", step.text())?;
        let Some(author) = author else { continue };
        let put = put_course(courses, step.wanted.clone(), &step.precondition(), author).await;
        match put {
            Ok(Put::Created(_) | Put::Replaced(_) | Put::Unchanged(_)) => {}
            Err(PutError::Unavailable(error)) => return Err(error.into()),
            Err(PutError::PreconditionFailed { .. } | PutError::Busy) => {
                return Err(ImportError::Changed(step.wanted.id.clone()));
            }
        }
    }
    let new = differing.iter().filter(|step| step.current.is_none()).count();
    let (changed, same) = (differing.len() - new, same.len());
    match author {
        Some(_) => writeln!(out, "{new} new, {changed} changed, {same} the same")?,
        None => writeln!(
            out,
            "would be {new} new, {changed} changed, {same} the same; nothing was changed, --apply makes the changes"
        )?,
    }
    Ok(())
}

/// Opens the file, and checks every line by itself.
pub(super) fn open(args: &ImportArgs) -> Result<Sheet, SheetError> {
    let sheet = Sheet::open(&args.file, &COLUMNS)?;
    let read = |row: &Row| {
        // Also with an id that is wrong, the other columns are checked.
        let any = "a".parse();
        let id = id_of(row).or_else(|found| any.map_err(|_| found));
        let course = wanted(row, id?, &sheet, None);
        let mut problems = id_of(row).err().unwrap_or_default();
        problems
            .extend(course.err().map(|errors| Problem::all(row.line, errors)).unwrap_or_default());
        if problems.is_empty() { id_of(row) } else { Err(problems) }
    };
    let (_, problems) = sheet.check(read, CourseId::to_string);
    problems.into_result(&args.file)?;
    Ok(sheet)
}

async fn steps(
    args: &ImportArgs,
    courses: &(impl FindCourse + Sync),
    sheet: &Sheet,
) -> Result<Vec<Step>, ImportError> {
    let rows = sheet.rows().filter_map(Result::ok);
    let rows = rows.filter_map(|row| id_of(&row).ok().map(|id| (row, id)));
    let read: Vec<(Row, CourseId, Option<Course>)> = stream::iter(rows)
        .map(|(row, id)| async move {
            let current = courses.find_course_now(&id).await?;
            Ok::<_, Unavailable>((row, id, current))
        })
        .buffered(MAX_CONCURRENT_READS)
        .try_collect()
        .await?;
    let (mut steps, mut problems) = (Vec::new(), Problems::default());
    for (row, id, current) in read {
        match wanted(&row, id, sheet, current.as_ref()) {
            Ok(mut wanted) => {
                wanted.version = current.as_ref().map_or(0, |current| current.version);
                let step = Step { line: row.line, current, wanted };
                if step.changes_price() && !args.change_prices {
                    let column = PRICE.iter().find(|name| {
                        step.differences().iter().any(|(differing, ..)| differing == *name)
                    });
                    let why = "differs from the course's; --change-prices allows it";
                    problems.add([Problem::of_column(
                        step.line,
                        column.copied().unwrap_or("price"),
                        why,
                    )]);
                }
                steps.push(step);
            }
            Err(errors) => problems.add(Problem::all(row.line, errors)),
        }
    }
    problems.into_result(&args.file)?;
    Ok(steps)
}

#[cfg(test)]
mod tests;
