//! How a command ends: exit codes 0 and 1 are an [`Outcome`], 2 is a [`Failure`].

use std::io;

use enrollment::{CourseId, operator::OperateError};

use crate::{
    aws_call::CallFailed, class::ResultsError, courses::ImportError, dead_letters::EmptyPeriod,
    holds::error::HoldCommandError, limit::InvalidLimit, pump::PumpError, records::ReadError,
    sheet::SheetError, stack::StackError, top::TerminalError, why::InvalidSubject,
};

/// The result of a command that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fine,
    LimitBroken,
    LettersLeft,
    /// Lines of a file were refused, or have no result yet.
    LinesLeft,
    /// Something stays as it is until a person acts.
    NeedsPerson,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Invalid(#[from] sizing::Invalid),
    #[error(transparent)]
    Division(#[from] sizing::DivisionError),
    #[error("{source_name}: {error}")]
    Unreadable { source_name: String, error: ReadError },
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error(transparent)]
    Hold(#[from] HoldCommandError),
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error(transparent)]
    Period(#[from] EmptyPeriod),
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    #[error(
        "port {port} of 127.0.0.1 cannot be used ({error}): choose another with --port, or leave it out"
    )]
    Port { port: u16, error: io::Error },
    #[error("interrupted: nothing more was changed")]
    Interrupted,
    #[error("there is no course {0}")]
    NoSuchCourse(CourseId),
    #[error(transparent)]
    Sheet(#[from] SheetError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Operate(#[from] OperateError),
    #[error(transparent)]
    Pump(#[from] PumpError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error("cannot write {path}: {error}; the file must not exist yet")]
    OutputFile { path: String, error: io::Error },
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}
