//! What the pump prints: one line per batch, and the totals. No line has anything of a message or a response.

use std::{fmt, ops::AddAssign, time::Duration};

/// What became of the messages of a batch, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: usize,
    /// Of these, those that were received before.
    pub(crate) again: usize,
    pub(crate) deleted: usize,
    /// They stay hidden for the visibility timeout, unless the function has changed it.
    pub(crate) failed: usize,
    /// They are visible again.
    pub(crate) given_back: usize,
    /// Handled, and still on the queue, because SQS refused the call.
    pub(crate) not_deleted: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.again += other.again;
        self.deleted += other.deleted;
        self.failed += other.failed;
        self.given_back += other.given_back;
        self.not_deleted += other.not_deleted;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} received", self.received)?;
        for (count, what) in [
            (self.again, "received before"),
            (self.deleted, "deleted"),
            (self.failed, "failed"),
            (self.given_back, "given back"),
            (self.not_deleted, "not deleted"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// One line of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Batch { function: String, counts: Counts, took: Duration, why: Option<String> },
    Note { about: String, text: String },
    Totals { function: String, batches: usize, counts: Counts },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { function, counts, took, why } => {
                write!(f, "{function}: {counts}, {} ms", took.as_millis())?;
                why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Self::Note { about, text } => write!(f, "{about}: {text}"),
            Self::Totals { function, batches, counts } => {
                let noun = if *batches == 1 { "batch" } else { "batches" };
                write!(f, "{function}: {batches} {noun}: {counts}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_the_counts_that_are_not_zero_and_the_cause() {
        let counts = Counts { received: 10, again: 2, deleted: 9, failed: 1, ..Counts::default() };
        let function = "email-worker".to_owned();
        let took = Duration::from_millis(512);
        let line = Line::Batch { function: function.clone(), counts, took, why: None };
        assert_eq!(
            line.to_string(),
            "email-worker: 10 received, 2 received before, 9 deleted, 1 failed, 512 ms"
        );
        let counts = Counts { received: 1, given_back: 1, ..Counts::default() };
        let why = Some("the server is gone".to_owned());
        let line = Line::Batch { function: function.clone(), counts, took, why };
        assert_eq!(
            line.to_string(),
            "email-worker: 1 received, 1 given back, 512 ms: the server is gone"
        );
        let line = Line::Totals { function, batches: 1, counts: Counts::default() };
        assert_eq!(line.to_string(), "email-worker: 1 batch: 0 received");
    }
}
