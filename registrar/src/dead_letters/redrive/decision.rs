//! The rules of a redrive: what to do with a letter.

use std::fmt;

use email::{
    JobId,
    dead_letter::{ID_REUSED, OUTCOME_UNKNOWN},
    ledger::State,
};
use time::OffsetDateTime;

use crate::{
    dead_letters::{letter::Letter, selection::Which},
    text::{to_the_minute, to_the_second},
};

/// Why a letter is left on the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftReason {
    /// The body is not a job.
    Malformed(String),
    /// The email may have been sent, and the operator has not allowed a second one.
    MayHaveBeenSent,
    /// Another email has the job's id.
    IdReused,
    /// The job's own deadline has passed: a worker would not send it.
    Expired { deadline: OffsetDateTime },
    /// A worker's claim is in force.
    InProgress { until: OffsetDateTime },
    /// This command has already redriven the job, by another letter.
    AnotherLetter,
    /// The job was redriven, or has been sent, but the letter could not be deleted.
    NotDeleted(String),
}

impl LeftReason {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::MayHaveBeenSent => "may_have_been_sent",
            Self::IdReused => "id_reused",
            Self::Expired { .. } => "expired",
            Self::InProgress { .. } => "in_progress",
            Self::AnotherLetter => "another_letter",
            Self::NotDeleted(_) => "not_deleted",
        }
    }
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => {
                write!(f, "{why}: it can never be sent, and would become a dead letter again")
            }
            Self::MayHaveBeenSent => write!(
                f,
                "it may have been sent; to send it anyway, select it by --id, by \
                 --reason {OUTCOME_UNKNOWN}, or by --all --even-if-sent"
            ),
            Self::IdReused => f.write_str(
                "another email has its id, and it would become a dead letter again; enqueue it under \
                 an id of its own (`show` prints it), then purge this letter",
            ),
            Self::Expired { deadline } => write!(
                f,
                "its deadline {} has passed, and it would become a dead letter again; purge it, or select \
                 it by --id to redrive it all the same",
                to_the_second(*deadline)
            ),
            Self::InProgress { until } => write!(
                f,
                "a worker has claimed it until {}; retry after that",
                to_the_minute(*until)
            ),
            Self::AnotherLetter => {
                f.write_str("its job was just redriven by another letter; retry later")
            }
            Self::NotDeleted(why) => write!(
                f,
                "nothing is left to do for its job, but the letter could not be deleted ({why}); \
                 redriving it again is harmless"
            ),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision<'a> {
    /// Reopen the job in the ledger, put it on the queue, delete the letter.
    Send {
        job_id: &'a JobId,
        may_be_second: bool,
    },
    /// The provider has accepted the email: delete the letter.
    Delete(State),
    Leave(LeftReason),
}

/// What the ledger knows of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: State,
    /// An attempt was announced and not settled. Its worker may have died after the request had left, whatever the
    /// letter's code is.
    pub(super) announced: bool,
}

impl From<State> for Known {
    fn from(state: State) -> Self {
        Self { state, announced: false }
    }
}

/// `known` is `None` if the ledger has no entry of the job.
pub(super) fn decide<'a>(
    letter: &'a Letter,
    which: &Which,
    known: Option<Known>,
    now: OffsetDateTime,
) -> Decision<'a> {
    let state = known.map(|known| known.state);
    let job_id = match &letter.job {
        Err(why) => return Decision::Leave(LeftReason::Malformed(why.to_string())),
        Ok(job_id) => job_id,
    };
    // The ledger's entry is about the other email: its state must not delete this one.
    if letter.error_code() == ID_REUSED {
        return Decision::Leave(LeftReason::IdReused);
    }
    // An older letter of a job may be about an earlier attempt than the ledger's entry.
    let may_be_second = letter.error_code() == OUTCOME_UNKNOWN
        || state == Some(State::Unknown)
        || known.is_some_and(|known| known.announced);
    if may_be_second && !which.allows_second_email() {
        return Decision::Leave(LeftReason::MayHaveBeenSent);
    }
    if let Some(state) = state.filter(|state| state.was_accepted()) {
        return Decision::Delete(state);
    }
    match letter.deadline.filter(|deadline| *deadline <= now) {
        Some(deadline) if !which.names_letters() => {
            Decision::Leave(LeftReason::Expired { deadline })
        }
        _ => Decision::Send { job_id, may_be_second },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use email::Job;

    use super::*;
    use crate::dead_letters::tests::{NOW, letter};

    #[test]
    fn letter_that_may_have_been_sent_is_redriven_only_by_id_or_code() {
        let all = Which::All;
        let named = Which::Ids(vec!["a".to_owned()]);
        let by_code = Which::Reason(OUTCOME_UNKNOWN.to_owned());
        let by_other_code = Which::Reason("MessageRejected".to_owned());
        let unknown = letter("m", "a", OUTCOME_UNKNOWN);
        let rejected = letter("m", "a", "MessageRejected");
        let leave = Decision::Leave(LeftReason::MayHaveBeenSent);

        for (letter, known) in [
            (&unknown, None),
            (&unknown, Some(State::Unknown)),
            (&unknown, Some(State::Sent)),
            // An older letter of a job that was retried later.
            (&rejected, Some(State::Unknown)),
        ] {
            assert_eq!(decide(letter, &all, known.map(Known::from), NOW), leave);
        }
        assert_eq!(decide(&rejected, &by_other_code, Some(State::Unknown.into()), NOW), leave);
        for selection in [&named, &by_code] {
            assert!(matches!(
                decide(&unknown, selection, Some(State::Unknown.into()), NOW),
                Decision::Send { may_be_second: true, .. }
            ));
        }
        assert_eq!(
            decide(&unknown, &named, Some(State::Bounced.into()), NOW),
            Decision::Delete(State::Bounced)
        );
    }

    #[test]
    fn announced_attempt_that_was_not_settled_is_not_made_again_without_asking() {
        let killed = letter("m", "a", "too_many_receives");
        let known = Some(Known { state: State::Sending, announced: true });
        let leave = Decision::Leave(LeftReason::MayHaveBeenSent);
        assert_eq!(decide(&killed, &Which::All, known, NOW), leave);
        let by_code = Which::Reason("too_many_receives".to_owned());
        assert_eq!(decide(&killed, &by_code, known, NOW), leave);
        for asked in [Which::AllEvenIfSent, Which::Ids(vec!["a".to_owned()])] {
            let decision = decide(&killed, &asked, known, NOW);
            assert!(matches!(decision, Decision::Send { may_be_second: true, .. }), "{asked:?}");
        }
        let unannounced = Some(State::Sending.into());
        let decision = decide(&killed, &Which::All, unannounced, NOW);
        assert!(matches!(decision, Decision::Send { may_be_second: false, .. }));
    }

    #[test]
    fn letter_whose_id_belongs_to_another_email_is_left_whatever_became_of_that_one() {
        let reused = letter("m", "a", ID_REUSED);
        for selection in [Which::All, Which::Ids(vec!["a".to_owned()])] {
            for state in State::ALL.map(Some).into_iter().chain([None]) {
                let decision = decide(&reused, &selection, state.map(Known::from), NOW);
                assert_eq!(decision, Decision::Leave(LeftReason::IdReused));
            }
        }
    }

    #[test]
    fn malformed_job_is_never_redriven() {
        for selection in [Which::All, Which::Ids(vec!["m".to_owned()])] {
            let mut letter = letter("m", "a", "malformed_job");
            letter.job = Job::parse("{}").map(|job| job.id);
            let Decision::Leave(why) = decide(&letter, &selection, None, NOW) else { panic!() };
            assert!(why.to_string().starts_with("`v` is missing: it can never be sent"), "{why}");
        }
    }

    #[test]
    fn letter_whose_own_deadline_has_passed_is_redriven_only_by_id() {
        let deadline = NOW + Duration::from_mins(1);
        let expired = Letter { deadline: Some(deadline), ..letter("m", "a", "expired") };
        let named = Which::Ids(vec!["a".to_owned()]);
        let leave = Decision::Leave(LeftReason::Expired { deadline });
        for which in [Which::All, Which::AllEvenIfSent, Which::Reason("expired".to_owned())] {
            assert_eq!(decide(&expired, &which, None, deadline), leave);
            let in_time = decide(&expired, &which, None, NOW);
            assert!(matches!(in_time, Decision::Send { .. }), "{which:?}");
        }
        assert!(matches!(decide(&expired, &named, None, deadline), Decision::Send { .. }));
        let sent = Some(State::Delivered.into());
        assert_eq!(
            decide(&expired, &Which::All, sent, deadline),
            Decision::Delete(State::Delivered)
        );
    }
}
