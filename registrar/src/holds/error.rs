//! Why a hold could not be started, ended or shown.

use email::hold::HoldError;
use unavailable::Unavailable;

use crate::{aws_call::CallFailed, text::on_or_off};

#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldCommandError {
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error(
        "the change is recorded, but the event source could not be turned {}: {error}. \
         hold-watch retries every minute; to retry now, run the same command",
        on_or_off(*on)
    )]
    EventSource { on: bool, error: CallFailed },
    #[error("the reason must be one line of 1 to 500 characters")]
    Reason,
    #[error("the holds were changed at the same time: check `registrar holds`, then retry")]
    Contended,
}

impl HoldCommandError {
    pub(super) fn reading(error: &Unavailable) -> Self {
        CallFailed::other("reading the holds", error).into()
    }

    /// `on` is the state that the event source should have.
    pub(crate) fn changing(error: HoldError, on: bool) -> Self {
        match error {
            HoldError::Record(error) => CallFailed::other("changing the holds", &error).into(),
            HoldError::EventSource(error) => {
                Self::EventSource { on, error: CallFailed::other("turning it on or off", &error) }
            }
            HoldError::Contended => Self::Contended,
        }
    }
}
