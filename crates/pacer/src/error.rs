//! Values that the limiter cannot work with.

use std::fmt;

/// An input of the limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// `N`: see [`SendLimit`](crate::SendLimit).
    Limit,
    /// `W`: see [`Window`](crate::Window).
    Window,
    /// `S`: see [`Slots`](crate::Slots).
    Slots,
    /// `D`: see [`Slack`](crate::Slack).
    Slack,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limit => "limit",
            Self::Window => "window",
            Self::Slots => "slots",
            Self::Slack => "slack",
        })
    }
}

/// A quantity with a value that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quantity}: {problem}")]
pub struct Invalid {
    quantity: Quantity,
    problem: String,
}

impl Invalid {
    pub(crate) fn new(quantity: Quantity, problem: impl Into<String>) -> Self {
        Self { quantity, problem: problem.into() }
    }

    /// The quantity to change.
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// What is wrong with the value, without the quantity's name.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
