//! Why a record cannot be read, and where it is.

use super::report::ReadError;

#[derive(Debug)]
pub(super) struct Failure {
    place: Option<Place>,
    problem: String,
}

/// Both are counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// A log event of an envelope.
    Event(usize),
    /// An element of an array.
    Element(usize),
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self { place: None, problem }
    }
}

impl Failure {
    /// The innermost place is the most exact.
    pub(super) fn place(&mut self, place: Place) {
        self.place.get_or_insert(place);
    }

    pub(super) fn at_line(self, line: usize) -> ReadError {
        let Self { place, problem } = self;
        match place {
            None => ReadError::Line { line, problem },
            Some(Place::Event(event)) => ReadError::Event { event, problem },
            Some(Place::Element(element)) => {
                ReadError::Line { line, problem: format!("element {element}: {problem}") }
            }
        }
    }
}
