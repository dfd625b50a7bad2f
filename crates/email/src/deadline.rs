//! How long a job may wait. After its deadline it becomes a dead letter, and is not sent.

use std::time::Duration;

use time::OffsetDateTime;

/// How long a job may wait if it has no `deadline`: half of [`QUEUE_RETENTION`](crate::retry::QUEUE_RETENTION). An
/// operator then has another two weeks for its dead letter, and nothing is dropped unseen.
pub const MAX_WAIT: Duration = Duration::from_hours(7 * 24);

/// Since when a job has waited: since its message was sent, or since the ledger first saw it, if that was earlier. The
/// job may have been enqueued again.
pub fn waiting_since(
    message_sent_at: Option<OffsetDateTime>,
    in_ledger_since: OffsetDateTime,
) -> OffsetDateTime {
    message_sent_at.map_or(in_ledger_since, |sent_at| sent_at.min(in_ledger_since))
}

/// The deadline of a job: its own, or the end of [`MAX_WAIT`] if that is earlier.
pub fn deadline(own: Option<OffsetDateTime>, waiting_since: OffsetDateTime) -> OffsetDateTime {
    let default = waiting_since.saturating_add(MAX_WAIT.try_into().unwrap_or(time::Duration::MAX));
    own.map_or(default, |own| own.min(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::QUEUE_RETENTION;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn earlier_sight_counts() {
        assert_eq!(waiting_since(None, NOW), NOW);
        assert_eq!(waiting_since(Some(NOW + DAY), NOW), NOW);
        assert_eq!(waiting_since(Some(NOW), NOW + DAY), NOW);
    }

    #[test]
    fn job_without_a_deadline_waits_for_half_of_what_the_queue_keeps_it() {
        assert_eq!(deadline(None, NOW), NOW + 7 * DAY);
        assert_eq!(MAX_WAIT * 2, QUEUE_RETENTION);
    }

    #[test]
    fn jobs_own_deadline_can_only_be_earlier() {
        assert_eq!(deadline(None, NOW), NOW + MAX_WAIT);
        assert_eq!(deadline(Some(NOW + DAY), NOW), NOW + DAY);
        assert_eq!(deadline(Some(NOW + 30 * DAY), NOW), NOW + MAX_WAIT);
        assert_eq!(deadline(Some(NOW - DAY), NOW), NOW - DAY);
    }
}
