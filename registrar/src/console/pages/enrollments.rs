//! Enrollments that are not finished: stuck, overdue, or in progress.

use askama::Template;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    console::{
        frame::{Frame, Notice},
        words::encoded,
    },
    enrollments::{Listed, Unfinished},
    text::{on_one_line, to_the_second},
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Which {
    /// Those that need a person or are overdue.
    #[default]
    Late,
    All,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    pub(crate) show: Which,
}

#[derive(Template)]
#[template(path = "console/enrollments.html")]
pub(crate) struct Enrollments {
    frame: Frame,
    which: Which,
    rows: Vec<Row>,
    hidden: usize,
    more: bool,
    notices: Vec<Notice>,
}

struct Row {
    href: String,
    student: String,
    course: String,
    state: String,
    why: String,
    failures: u32,
    overdue: String,
    next: String,
    is_bad: bool,
}

impl Enrollments {
    pub(crate) fn new(
        frame: Frame,
        which: Which,
        read: Result<Unfinished, Notice>,
        now: OffsetDateTime,
    ) -> Self {
        let (unfinished, notices) = match read {
            Ok(unfinished) => (unfinished, Vec::new()),
            Err(notice) => (Unfinished::default(), vec![notice]),
        };
        let total = unfinished.enrollments.len();
        let is_late = |listed: &&Listed| listed.needs_a_person() || listed.is_overdue(now);
        let shown = unfinished.enrollments.iter();
        let shown = shown.filter(|listed| which == Which::All || is_late(listed));
        let mut rows: Vec<Row> = shown.map(|listed| row(&frame.base, listed)).collect();
        // Stable: among each kind, the longest overdue stays first.
        rows.sort_by_key(|row| !row.is_bad);
        Self { hidden: total - rows.len(), more: unfinished.more, frame, which, rows, notices }
    }
}

fn row(base: &str, listed: &Listed) -> Row {
    let when = |at: Option<_>| at.map_or_else(|| "–".to_owned(), to_the_second);
    let (student, course) = (encoded(&listed.student_id), encoded(&listed.course_id));
    Row {
        href: format!("{base}enrollment?student={student}&course={course}"),
        student: on_one_line(&listed.student_id),
        course: on_one_line(&listed.course_id),
        state: on_one_line(&listed.state),
        why: listed.why.as_deref().map_or_else(|| "–".to_owned(), on_one_line),
        failures: listed.failures,
        overdue: when(listed.overdue_since),
        next: when(listed.next_attempt_at),
        is_bad: listed.needs_a_person(),
    }
}
