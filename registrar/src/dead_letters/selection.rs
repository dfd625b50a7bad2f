//! Which letters a command is about.

use std::num::NonZeroUsize;

use email::dead_letter::OUTCOME_UNKNOWN;

use super::{letter::Letter, period::Period};

/// The arguments that select letters, beside the [`Bounds`](super::period::Bounds).
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selector {
    /// The letters with these ids: of the job, of the letter, or of the message that the job came in
    #[arg(
        long = "id",
        value_name = "ID",
        num_args = 1..,
        conflicts_with_all = ["since", "until", "limit"],
    )]
    ids: Vec<String>,
    /// The letters with this error code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// All letters
    #[arg(long)]
    all: bool,
}

impl Selector {
    pub(crate) fn which(&self) -> Which {
        match &self.reason {
            Some(code) => Which::Reason(code.clone()),
            None if self.all => Which::All,
            None => Which::Ids(self.ids.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    Ids(Vec<String>),
    /// An error code.
    Reason(String),
    All,
    /// All, also emails that may be sent a second time.
    AllEvenIfSent,
}

impl Which {
    fn includes(&self, letter: &Letter) -> bool {
        match self {
            Self::Ids(ids) => ids.iter().any(|id| letter.has_id(id)),
            Self::Reason(code) => letter.error_code() == code,
            Self::All | Self::AllEvenIfSent => true,
        }
    }

    /// Whether an email may be sent a second time: only if the operator names the letter or its code, or
    /// says so.
    pub(crate) fn allows_second_email(&self) -> bool {
        match self {
            Self::Ids(_) | Self::AllEvenIfSent => true,
            Self::Reason(code) => code == OUTCOME_UNKNOWN,
            Self::All => false,
        }
    }

    /// Whether the operator named each letter.
    pub(crate) fn names_letters(&self) -> bool {
        matches!(self, Self::Ids(_))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) which: Which,
    pub(crate) kept: Period,
    /// At most so many, the oldest ones.
    pub(crate) max: Option<NonZeroUsize>,
}

impl From<Which> for Selection {
    fn from(which: Which) -> Self {
        Self { which, kept: Period::default(), max: None }
    }
}

impl Selection {
    pub(crate) fn includes(&self, letter: &Letter) -> bool {
        self.which.includes(letter) && self.kept.includes(letter.kept_at())
    }

    /// The ids to find, if letters are selected by id.
    pub(crate) fn ids(&self) -> &[String] {
        if let Which::Ids(ids) = &self.which { ids } else { &[] }
    }
}
