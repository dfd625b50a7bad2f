//! Which letters a command is about.

use email::dead_letter::OUTCOME_UNKNOWN;

use super::letter::Letter;

/// The arguments that select letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selector {
    /// The letters with these ids: of the job, of the letter, or of the message that the job came in
    #[arg(long = "id", value_name = "ID", num_args = 1..)]
    ids: Vec<String>,
    /// The letters with this error code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// All letters
    #[arg(long)]
    all: bool,
}

impl Selector {
    pub(crate) fn selection(&self) -> Selection {
        match &self.reason {
            Some(code) => Selection::Reason(code.clone()),
            None if self.all => Selection::All,
            None => Selection::Ids(self.ids.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    Ids(Vec<String>),
    /// An error code.
    Reason(String),
    All,
    /// All, also emails that may be sent a second time.
    AllEvenIfSent,
}

impl Selection {
    pub(crate) fn includes(&self, letter: &Letter) -> bool {
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

    /// The ids to find, if letters are selected by id.
    pub(crate) fn ids(&self) -> &[String] {
        if let Self::Ids(ids) = self { ids } else { &[] }
    }
}
