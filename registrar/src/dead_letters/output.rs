//! Standard output.

use std::{
    cell::RefCell,
    fmt,
    io::{self, Write},
};

use indicatif::ProgressBar;

/// Shared by concurrent visits, and does not disturb the progress bar.
pub(crate) struct Output<'a, W> {
    pub(super) writer: RefCell<W>,
    pub(super) bar: &'a ProgressBar,
}

impl<W: Write> Output<'_, W> {
    pub(crate) fn line(&self, line: impl fmt::Display) -> io::Result<()> {
        self.bar.suspend(|| writeln!(self.writer.borrow_mut(), "{line}"))
    }
}
