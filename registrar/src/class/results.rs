//! The results of a run: a CSV file beside the input, with one line per line that has its final result.
//!
//! A result is appended as soon as it is known, so a run that was interrupted continues where it stopped. The first
//! result is that of the header: which command began when, and the digest of its input. The file has ids and codes, and
//! no address or name. While a run uses it, it is locked; the lock ends with the process.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, WriterBuilder};
use enrollment::operator::{Place, class::LineResult};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::text::{on_one_line, rfc3339};

const HEADER: [&str; 6] = ["line", "student_id", "course_id", "result", "code", "detail"];

/// The result of the header.
const STARTED: &str = "started";
const HEADER_LINE: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{path}: another run uses it at the moment")]
    Locked { path: PathBuf },
    #[error(
        "{path}: line {line} is not a result of this command: if you need the file no more, move it away"
    )]
    Foreign { path: PathBuf, line: u64 },
    #[error(
        "{path} has the results of `registrar {command}`: move it away, and repeat this command"
    )]
    OtherCommand { path: PathBuf, command: String },
    #[error(
        "{path} has the results of an earlier version of the file: put what is new into another file"
    )]
    OtherVersion { path: PathBuf },
}

/// How many lines have which result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    by_result: BTreeMap<String, u64>,
    by_code: BTreeMap<String, u64>,
}

impl Totals {
    fn add_text(&mut self, result: &str, code: &str) {
        *self.by_result.entry(result.to_owned()).or_default() += 1;
        if !code.is_empty() {
            *self.by_code.entry(code.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, result: &LineResult) {
        let (result, code, _) = texts(result);
        self.add_text(result, code);
    }

    pub(super) fn of(&self, result: &str) -> u64 {
        self.by_result.get(result).copied().unwrap_or_default()
    }

    pub(super) fn lines(&self) -> u64 {
        self.by_result.values().sum()
    }

    /// `180 enrolled, 3 refused (2 course_full, 1 differs)`
    pub(super) fn text(&self) -> String {
        let list = |counts: &BTreeMap<String, u64>| {
            let each: Vec<_> =
                counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
            each.join(", ")
        };
        match (self.by_result.is_empty(), self.by_code.is_empty()) {
            (true, _) => "none".to_owned(),
            (false, true) => list(&self.by_result),
            (false, false) => format!("{} ({})", list(&self.by_result), list(&self.by_code)),
        }
    }
}

fn texts(result: &LineResult) -> (&'static str, &'static str, &str) {
    match result {
        LineResult::Enrolled => ("enrolled", "", ""),
        LineResult::Granted => ("granted", "", ""),
        LineResult::Unenrolled { refund: false } => ("unenrolled", "", ""),
        LineResult::Unenrolled { refund: true } => ("unenrolled", "", "the charge is paid back"),
        LineResult::Already => ("already", "", ""),
        LineResult::Refused { code, why } => ("refused", code, why),
    }
}

/// What identifies a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) command: &'static str,
    /// Of the input.
    pub(super) digest: &'a str,
}

/// What a file of results says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// When the run began.
    pub(super) since: OffsetDateTime,
    pub(super) done: HashSet<u64>,
    pub(super) totals: Totals,
    /// How many bytes of it count: a line that was cut off does not.
    pub(super) length: u64,
}

/// Why a file of results cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotOurs {
    Line(u64),
    Command(String),
    Version,
}

/// Reads the results so far; `None` if the run has not begun.
pub(super) fn recorded(bytes: &[u8], identity: &Identity<'_>) -> Result<Option<Recorded>, NotOurs> {
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).from_reader(&bytes[..complete]);
    let mut records = (1..).zip(reader.into_records());
    let Some((_, header)) = records.next() else { return Ok(None) };
    if header.map_err(|_| NotOurs::Line(1))?.iter().ne(HEADER) {
        return Err(NotOurs::Line(1));
    }
    let Some((_, first)) = records.next() else { return Ok(None) };
    let since = started(&first.map_err(|_| NotOurs::Line(2))?, identity)?;
    let (mut done, mut totals) = (HashSet::new(), Totals::default());
    for (at, record) in records {
        let foreign = NotOurs::Line(at);
        let record = record.map_err(|_| foreign.clone())?;
        let number = record.get(0).and_then(|line| line.parse().ok());
        let (Some(number), true) = (number, record.len() == HEADER.len()) else {
            return Err(foreign);
        };
        if !done.insert(number) {
            return Err(foreign);
        }
        totals.add_text(&record[3], &record[4]);
    }
    let length = u64::try_from(complete).unwrap_or(u64::MAX);
    Ok(Some(Recorded { since, done, totals, length }))
}

fn started(record: &csv::StringRecord, identity: &Identity<'_>) -> Result<OffsetDateTime, NotOurs> {
    let foreign = || NotOurs::Line(2);
    if record.get(3) != Some(STARTED) {
        return Err(foreign());
    }
    let command = record.get(4).ok_or_else(foreign)?;
    if command != identity.command {
        return Err(NotOurs::Command(on_one_line(command)));
    }
    let detail = record.get(5).and_then(|detail| detail.split_once(' '));
    let (since, digest) = detail.ok_or_else(foreign)?;
    if digest != identity.digest {
        return Err(NotOurs::Version);
    }
    OffsetDateTime::parse(since, &Rfc3339).map_err(|_| foreign())
}

/// Writes how a run begins.
pub(super) fn begin(
    out: &mut impl Write,
    identity: &Identity<'_>,
    since: OffsetDateTime,
) -> io::Result<()> {
    write_row(out, &HEADER)?;
    let detail = format!("{} {}", rfc3339(since), identity.digest);
    let line = HEADER_LINE.to_string();
    write_row(out, &[line.as_str(), "", "", STARTED, identity.command, &detail])
}

pub(super) fn write(
    out: &mut impl Write,
    line: u64,
    place: &Place,
    result: &LineResult,
) -> io::Result<()> {
    let (result, code, detail) = texts(result);
    let (line, detail) = (line.to_string(), on_one_line(detail));
    let Place { student_id, course_id } = place;
    write_row(out, &[&line, student_id.as_str(), course_id.as_str(), result, code, &detail])
}

/// In one write, so that a crash leaves a line or a part of it, and never a part of several.
fn write_row(out: &mut impl Write, cells: &[&str; 6]) -> io::Result<()> {
    let mut row = WriterBuilder::new().from_writer(Vec::new());
    row.write_record(cells).map_err(io::Error::other)?;
    out.write_all(&row.into_inner().map_err(|error| io::Error::other(error.to_string()))?)
}

/// The file beside the input.
#[derive(Debug)]
pub(super) struct ResultsFile {
    path: PathBuf,
    file: File,
}

/// `class.csv.results.csv` beside `class.csv`.
pub(super) fn path_beside(input: &Path) -> PathBuf {
    let mut path = input.as_os_str().to_owned();
    path.push(".results.csv");
    path.into()
}

impl ResultsFile {
    /// The results so far, without changing anything.
    pub(super) fn peek(
        input: &Path,
        identity: &Identity<'_>,
    ) -> Result<Option<Recorded>, ResultsError> {
        let path = path_beside(input);
        match std::fs::read(&path) {
            Ok(bytes) => recorded(&bytes, identity).map_err(|why| not_ours(path, why)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ResultsError::Io { path, error }),
        }
    }

    /// Opens the file for the only run that uses it.
    pub(super) fn open(
        input: &Path,
        identity: &Identity<'_>,
        now: OffsetDateTime,
    ) -> Result<(Self, Recorded), ResultsError> {
        let path = path_beside(input);
        let failed = |error| ResultsError::Io { path: path.clone(), error };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ResultsError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let found = recorded(&bytes, identity).map_err(|why| not_ours(path.clone(), why))?;
        let recorded = if let Some(recorded) = found {
            recorded
        } else {
            file.set_len(0).map_err(failed)?;
            begin(&mut file, identity, now).map_err(failed)?;
            let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
            let (done, totals) = (HashSet::new(), Totals::default());
            Recorded { since: now, done, totals, length }
        };
        file.set_len(recorded.length).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok((Self { path, file }, recorded))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(
        &mut self,
        line: u64,
        place: &Place,
        result: &LineResult,
    ) -> io::Result<()> {
        write(&mut self.file, line, place, result)
    }
}

fn not_ours(path: PathBuf, why: NotOurs) -> ResultsError {
    match why {
        NotOurs::Line(line) => ResultsError::Foreign { path, line },
        NotOurs::Command(command) => ResultsError::OtherCommand { path, command },
        NotOurs::Version => ResultsError::OtherVersion { path },
    }
}
