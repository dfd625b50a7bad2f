//! `registrar export`: everything that a deployment keeps about one student.

mod document;
mod export;
mod queues;
mod whom;

pub(crate) use self::export::{ExportArgs, export};
