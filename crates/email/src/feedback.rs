//! The provider's events about an email that it has accepted.
//!
//! Events are best effort: one may come late, twice, out of order, or never. So nothing waits for them,
//! and they move the [ledger](crate::ledger) only forward: kinds have ranks, and the highest rank wins
//! in whatever order events arrive. One kind of bounce can be an
//! [automatic reply](Event::may_be_reply), and weighs less than a delivery. Any event proves one thing: the provider had accepted the email, so
//! an attempt without an answer was a send.

use std::future::Future;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{address::EmailAddress, job::JobId, ledger::State, suppression::SuppressionCause};

/// An event about one email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// `None` if the email does not belong to a job.
    pub job_id: Option<JobId>,
    /// The provider's id of the email.
    pub ses_message_id: String,
    /// When the provider accepted the email.
    pub sent_at: OffsetDateTime,
    /// When the event happened.
    pub at: OffsetDateTime,
    pub recipients: Vec<EmailAddress>,
    pub event: Event,
}

/// A bounce in the provider's words that can be an automatic reply.
pub const REPLY: &str = "Transient/General";

/// What happened to an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The provider accepted the email. It settles an attempt without an answer.
    Sent,
    /// The recipient's server accepted the email.
    Delivered,
    /// The recipient's server refused the email.
    Bounced {
        /// There is no such mailbox. Other bounces may be temporary.
        for_good: bool,
        /// In the provider's words, such as `Permanent/General`.
        detail: String,
    },
    /// The provider found something that it does not send, such as a virus.
    Rejected {
        /// In the provider's words.
        detail: String,
    },
    /// The recipient reported the email as unwanted.
    Complained {
        /// In the provider's words, such as `abuse`.
        detail: String,
    },
}

impl Event {
    /// The state of the job after the event.
    pub fn state(&self) -> State {
        match self {
            Self::Sent => State::Sent,
            Self::Delivered => State::Delivered,
            Self::Bounced { .. } => State::Bounced,
            Self::Rejected { .. } => State::Rejected,
            Self::Complained { .. } => State::Complained,
        }
    }

    /// The provider's words, if it has any.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Sent | Self::Delivered => None,
            Self::Bounced { detail, .. }
            | Self::Rejected { detail }
            | Self::Complained { detail } => Some(detail),
        }
    }

    /// Whether the event is a bounce that SES typically makes of an automatic reply, such as a note that the
    /// recipient is out of the office (AWS re:Post, "What are soft bounces on Amazon SES", subtype `General`).
    /// After a delivery it is taken for such a reply.
    pub fn may_be_reply(&self) -> bool {
        matches!(self, Self::Bounced { for_good: false, detail } if detail == REPLY)
    }

    /// The states that this event replaces. Unless it [`may_be_reply`](Self::may_be_reply), it also replaces
    /// [`State::Bounced`] if that came of an event in the words [`REPLY`].
    pub fn outranks(&self) -> impl Iterator<Item = State> {
        let may_be_reply = self.may_be_reply();
        self.state().outranks().filter(move |state| !may_be_reply || *state != State::Delivered)
    }

    /// Why nothing more may be sent to the recipients; `None` if it may.
    pub fn suppresses(&self) -> Option<SuppressionCause> {
        match self {
            Self::Bounced { for_good: true, .. } => Some(SuppressionCause::Bounce),
            Self::Complained { .. } => Some(SuppressionCause::Complaint),
            _ => None,
        }
    }
}

/// The effect of an event on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The job has moved forward.
    Moved,
    /// The job was that far already, or further.
    Nothing,
    /// The ledger has no such job: its entry has expired, or there never was one.
    UnknownJob,
}

/// Records events in the ledger.
pub trait RecordFeedback {
    /// Moves the job forward if the event outranks the job's state. The entry's expiry counts from `now`: an
    /// event's own times can be anything. After an `Err` the event must be delivered again.
    fn record(
        &self,
        job_id: &JobId,
        feedback: &Feedback,
        now: OffsetDateTime,
    ) -> impl Future<Output = Result<Recorded, Unavailable>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounced(for_good: bool, detail: &str) -> Event {
        Event::Bounced { for_good, detail: detail.to_owned() }
    }

    #[test]
    fn event_has_its_state_its_words_and_its_effect_on_the_recipients() {
        let detail = || "word".to_owned();
        for (event, state, words, suppresses) in [
            (Event::Sent, State::Sent, None, None),
            (Event::Delivered, State::Delivered, None, None),
            (bounced(false, "word"), State::Bounced, Some("word"), None),
            (bounced(true, "word"), State::Bounced, Some("word"), Some(SuppressionCause::Bounce)),
            (Event::Rejected { detail: detail() }, State::Rejected, Some("word"), None),
            (
                Event::Complained { detail: detail() },
                State::Complained,
                Some("word"),
                Some(SuppressionCause::Complaint),
            ),
        ] {
            assert_eq!((event.state(), event.detail()), (state, words));
            assert_eq!(event.suppresses(), suppresses, "{event:?}");
            assert!(event.outranks().eq(state.outranks()), "{event:?}");
        }
    }

    #[test]
    fn only_a_bounce_that_can_be_an_automatic_reply_leaves_a_delivery() {
        let reply = bounced(false, REPLY);
        assert!(reply.may_be_reply());
        let expected = State::Bounced.outranks().filter(|state| *state != State::Delivered);
        assert!(reply.outranks().eq(expected));
        for bounce in [bounced(true, REPLY), bounced(false, "Transient/MailboxFull")] {
            assert!(!bounce.may_be_reply(), "{bounce:?}");
            assert!(bounce.outranks().any(|state| state == State::Delivered), "{bounce:?}");
        }
    }
}
