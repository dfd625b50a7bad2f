//! What the parts of the command send each other.

use time::OffsetDateTime;

use crate::{dead_letters::FoundLetter, enrollments::Unfinished, live::Reading};

/// What reaches the state: keys, and what `feed` has read.
#[derive(Debug)]
pub(super) enum Input {
    Action(Action),
    /// The terminal has another size.
    Resized,
    Reading(Box<Reading>),
    Detail(Detail),
}

/// A view's list, or why it could not be read.
#[derive(Debug)]
pub(super) enum Detail {
    Letters(OffsetDateTime, Result<Vec<FoundLetter>, String>),
    Payments(OffsetDateTime, Result<Unfinished, String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Queue,
    DeadLetters,
    Payments,
}

impl Tab {
    pub(super) const ALL: [Self; 4] =
        [Self::Overview, Self::Queue, Self::DeadLetters, Self::Payments];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Queue => "Queue",
            Self::DeadLetters => "Dead letters",
            Self::Payments => "Payments",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn after(self, steps: usize) -> Self {
        Self::ALL[(self.index() + steps) % Self::ALL.len()]
    }
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    /// Closes the help, otherwise the command.
    Close,
    Help,
    Pause,
    Select(Tab),
    NextTab,
    PreviousTab,
    /// Lines, down if positive.
    Scroll(isize),
}

/// What `feed` has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) paused: bool,
    pub(super) tab: Tab,
}
