//! A CSV file with a header (RFC 4180), in UTF-8, with or without a byte order mark.
//!
//! The whole file is in memory, so that it cannot change between the check of all its lines and their execution; a line
//! takes what it takes on disk. A cell that is empty is a missing value.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use csv::{ByteRecord, ReaderBuilder};
use enrollment::fields::FieldErrors;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A line of a class has about 100 bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a cell contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A whole number.
    Number,
}

/// A column that a file may have, or must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

impl Column {
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false }
    }
}

/// What is wrong in a line. The text never repeats a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: u64,
    pub(crate) column: Option<String>,
    pub(crate) why: String,
}

impl Problem {
    fn of_line(line: u64, why: impl Into<String>) -> Self {
        Self { line, column: None, why: why.into() }
    }

    pub(crate) fn of_column(line: u64, column: &str, why: impl fmt::Display) -> Self {
        Self { line, column: Some(column.to_owned()), why: why.to_string() }
    }

    pub(crate) fn all(line: u64, errors: FieldErrors) -> Vec<Self> {
        errors.into_iter().map(|(column, why)| Self::of_column(line, &column, why)).collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, why } = self;
        match column {
            Some(column) => write!(f, "line {line}, column {column}: {why}"),
            None => write!(f, "line {line}: {why}"),
        }
    }
}

/// Problems that are printed; the others are counted.
pub(crate) const MAX_PRINTED: usize = 100;

/// Why nothing of a file is carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SheetError {
    #[error("{path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path}: has more than {} MiB; divide it into several files", MAX_BYTES / 1024 / 1024)]
    TooLarge { path: PathBuf },
    #[error("{}", several(.path, .problems, *.more))]
    Problems { path: PathBuf, problems: Vec<Problem>, more: usize },
}

fn several(path: &Path, problems: &[Problem], more: usize) -> String {
    let path = path.display();
    let mut lines: Vec<_> = problems.iter().map(|problem| format!("{path}: {problem}")).collect();
    if more > 0 {
        lines.push(format!("and {more} more problems"));
    }
    lines.push("nothing was changed".to_owned());
    lines.join("\n")
}

/// The problems of a file.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    first: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub(crate) fn add(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            if self.first.len() < MAX_PRINTED {
                self.first.push(problem);
            } else {
                self.more += 1;
            }
        }
    }

    pub(crate) fn into_result(self, path: &Path) -> Result<(), SheetError> {
        if self.first.is_empty() {
            return Ok(());
        }
        Err(SheetError::Problems { path: path.to_owned(), problems: self.first, more: self.more })
    }
}

/// One line: the columns of the header that have a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) fields: Map<String, Value>,
}

/// A file whose header is right.
#[derive(Debug)]
pub(crate) struct Sheet {
    bytes: Vec<u8>,
    /// In the order of the file.
    columns: Vec<Column>,
}

impl Sheet {
    pub(crate) fn open(path: &Path, known: &[Column]) -> Result<Self, SheetError> {
        let unreadable = |error| SheetError::Unreadable { path: path.to_owned(), error };
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > MAX_BYTES {
            return Err(SheetError::TooLarge { path: path.to_owned() });
        }
        Self::read(fs::read(path).map_err(unreadable)?, known).map_err(|found| {
            SheetError::Problems { path: path.to_owned(), problems: found, more: 0 }
        })
    }

    pub(crate) fn read(mut bytes: Vec<u8>, known: &[Column]) -> Result<Self, Vec<Problem>> {
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        let mut records = records(&bytes);
        let (line, header) = records.next().map_or_else(
            || Err(vec![Problem::of_line(1, "is missing: the file is empty")]),
            |record| record.map_err(|error| vec![Problem::of_line(1, error.to_string())]),
        )?;
        let columns = columns(line, &header, known)?;
        if records.next().is_none() {
            return Err(vec![Problem::of_line(line, "is the only line: there is nothing to do")]);
        }
        drop(records);
        Ok(Self { bytes, columns })
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|own| own.name == column)
    }

    /// The SHA-256 of the file, without a byte order mark.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }

    /// The lines after the header.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row, Vec<Problem>>> {
        records(&self.bytes).skip(1).map(|record| match record {
            Ok((line, record)) => row(line, &record, &self.columns),
            Err(error) => Err(vec![Problem::of_line(0, error.to_string())]),
        })
    }

    /// Every line, if each of them is right and none has the key of another.
    ///
    /// # Errors
    ///
    /// Every problem of every line.
    pub(crate) fn check<T>(
        &self,
        read: impl Fn(&Row) -> Result<T, Vec<Problem>>,
        key: impl Fn(&T) -> String,
    ) -> (u64, Problems) {
        let (mut count, mut problems) = (0, Problems::default());
        // A digest of half its length takes the same memory for every key, and two keys never have the same one.
        let mut seen: HashMap<[u8; 16], u64> = HashMap::new();
        for row in self.rows() {
            count += 1;
            match row.and_then(|row| read(&row).map(|line| (row.line, line))) {
                Ok((number, line)) => {
                    let digest = Sha256::digest(key(&line));
                    let digest = std::array::from_fn(|at| digest[at]);
                    if let Some(first) = seen.insert(digest, number) {
                        seen.insert(digest, first);
                        let why = format!("is about the same as line {first}");
                        problems.add([Problem::of_line(number, why)]);
                    }
                }
                Err(found) => problems.add(found),
            }
        }
        (count, problems)
    }
}

/// The records, each with the number of its first line as editors count: the reader counts a record from the end of the
/// one before, and so before the rest of a line end and before empty lines.
fn records(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, ByteRecord), csv::Error>> {
    // The number of cells is checked here, with the line.
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).from_reader(bytes);
    let (mut line, mut counted) = (1, 0);
    reader.into_byte_records().map(move |record| {
        let record = record?;
        let start = record.position().map_or(0, csv::Position::byte);
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
        let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = start + bytes[start..].iter().take_while(is_end).count();
        line += bytes[counted..start].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        counted = start;
        Ok((line, record))
    })
}

fn columns(line: u64, header: &ByteRecord, known: &[Column]) -> Result<Vec<Column>, Vec<Problem>> {
    let mut columns: Vec<Column> = Vec::new();
    let mut problems = Vec::new();
    for cell in header {
        let name = String::from_utf8_lossy(cell);
        match known.iter().find(|column| column.name == name) {
            Some(column) if columns.contains(column) => {
                problems.push(Problem::of_column(line, &name, "is there twice"));
            }
            Some(column) => columns.push(*column),
            None => problems.push(Problem::of_column(
                line,
                &crate::text::shortened(&crate::text::on_one_line(&name), 60),
                format!("is unknown; the columns, separated by commas, are {}", names(known)),
            )),
        }
    }
    let missing = known.iter().filter(|column| column.required && !columns.contains(column));
    problems.extend(missing.map(|column| Problem::of_column(line, column.name, "is missing")));
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn row(line: u64, record: &ByteRecord, columns: &[Column]) -> Result<Row, Vec<Problem>> {
    if record.len() != columns.len() {
        let why = format!("has {} cells, and the header has {}", record.len(), columns.len());
        return Err(vec![Problem::of_line(line, why)]);
    }
    let (mut fields, mut problems) = (Map::new(), Vec::new());
    for (cell, column) in record.iter().zip(columns) {
        match str::from_utf8(cell) {
            Ok("") => {}
            Ok(text) => {
                fields.insert(column.name.to_owned(), value(text, column.kind));
            }
            Err(_) => problems.push(Problem::of_column(line, column.name, "is not UTF-8")),
        }
    }
    if problems.is_empty() { Ok(Row { line, fields }) } else { Err(problems) }
}

/// A number that is not one stays a text, which a reader of numbers refuses.
fn value(text: &str, kind: Kind) -> Value {
    match (kind, text.parse::<u64>()) {
        (Kind::Number, Ok(number)) => number.into(),
        _ => text.into(),
    }
}
