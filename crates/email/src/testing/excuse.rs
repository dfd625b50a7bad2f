//! When a second email of one job is excused: docs/architecture.md, "Where an email can be sent twice".

/// An email that the provider accepted, and what a test recorded of its attempt. `T` is the test's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstEmail<T> {
    /// Whether the worker received the whole of the provider's own response.
    pub response_was_received: bool,
    /// When the worker was killed, if it was.
    pub worker_killed_at: Option<T>,
    /// When the ledger first had the job as sent, if it ever had.
    pub recorded_as_sent_at: Option<T>,
}

/// Whether the provider could accept the same job's email again at `second_at` without a mistake of a worker.
///
/// By then the ledger must not have had the job as sent, and the first worker must have been unable to record it:
/// it had no response, or it was killed.
pub fn second_email_is_excused<T: PartialOrd>(first: &FirstEmail<T>, second_at: &T) -> bool {
    let by_then = |at: &Option<T>| at.as_ref().is_some_and(|at| at <= second_at);
    let could_not_record = !first.response_was_received || by_then(&first.worker_killed_at);
    could_not_record && !by_then(&first.recorded_as_sent_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second email is accepted at this time.
    const SECOND_AT: u32 = 9;

    const RECORDED: FirstEmail<u32> = FirstEmail {
        response_was_received: true,
        worker_killed_at: None,
        recorded_as_sent_at: Some(2),
    };
    const NOT_RECORDED: FirstEmail<u32> = FirstEmail { recorded_as_sent_at: None, ..RECORDED };

    fn is_excused(first: FirstEmail<u32>) -> bool {
        second_email_is_excused(&first, &SECOND_AT)
    }

    #[test]
    fn lost_response_excuses_a_second_email() {
        assert!(is_excused(FirstEmail { response_was_received: false, ..NOT_RECORDED }));
    }

    #[test]
    fn killed_worker_excuses_a_second_email_only_after_its_death() {
        assert!(is_excused(FirstEmail { worker_killed_at: Some(2), ..NOT_RECORDED }));
        assert!(is_excused(FirstEmail { worker_killed_at: Some(SECOND_AT), ..NOT_RECORDED }));
        assert!(!is_excused(FirstEmail { worker_killed_at: Some(SECOND_AT + 1), ..NOT_RECORDED }));
    }

    #[test]
    fn without_a_loss_or_a_death_a_second_email_is_not_excused() {
        assert!(!is_excused(NOT_RECORDED));
        assert!(!is_excused(RECORDED));
    }

    #[test]
    fn ledger_that_has_the_job_as_sent_allows_no_second_email() {
        let lost_and_killed = FirstEmail {
            response_was_received: false,
            worker_killed_at: Some(2),
            recorded_as_sent_at: Some(SECOND_AT),
        };
        assert!(!is_excused(lost_and_killed));
        let later = Some(SECOND_AT + 1);
        assert!(is_excused(FirstEmail { recorded_as_sent_at: later, ..lost_and_killed }));
    }
}
