//! Records that an email was sent, for as long as the invocation lasts: until the ledger has it, the job
//! counts as unsent, and another delivery of its message would send the email again.

use std::time::Duration;

use adapters::clients::CALL_TIMEOUT;
use email::{job::JobId, ledger::Ledger};
use lambda::clock;
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

/// The pause between two calls. A call has retried before it fails, so the outage lasts for seconds.
const PAUSE: Duration = Duration::from_millis(500);

/// Calls until one succeeds, or until another one might not end before `until`. The first call is always
/// made.
pub(crate) async fn mark_sent<L: Ledger>(
    ledger: &L,
    job_id: &JobId,
    ses_message_id: &str,
    at: OffsetDateTime,
    until: Instant,
) -> Result<(), Unavailable> {
    loop {
        let Err(error) = ledger.mark_sent(job_id, ses_message_id, at).await else { return Ok(()) };
        let next = clock::instant() + PAUSE;
        if next + CALL_TIMEOUT > until {
            return Err(error);
        }
        tracing::warn!(%job_id, %error, "a sent email is not marked as sent yet");
        pause_until(next).await;
    }
}

/// The attempt is over and its permit returned, so this wait concerns no send.
#[expect(clippy::disallowed_methods, reason = "between two calls to the ledger, not between sends")]
async fn pause_until(next: Instant) {
    tokio::time::sleep_until(next).await;
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]
mod tests {
    use std::sync::{Arc, Mutex};

    use email::{
        ledger::State,
        testing::{Fate, MemoryLedger, Row},
    };
    use proptest::prelude::*;
    use tokio::time::sleep;

    use super::*;

    /// What became of the email, when, and when each call was made, counted from the start.
    struct Run {
        is_recorded: bool,
        ended: Duration,
        calls: Vec<Duration>,
    }

    /// The ledger fails until `outage` is over, and each call takes as long as `call`.
    fn run(outage: Duration, call: Duration, left: Duration) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let calls = Arc::new(Mutex::new(Vec::new()));
            let ledger = MemoryLedger::default();
            ledger.rows().insert("a", Row::new(State::Sending));
            ledger.calls.wait_for(move || sleep(call));
            let seen = calls.clone();
            ledger.calls.decide_by(move |_| {
                seen.lock().unwrap().push(began.elapsed().saturating_sub(call));
                if began.elapsed() < outage { Fate::Fails } else { Fate::Succeeds }
            });
            let now = OffsetDateTime::UNIX_EPOCH;
            let id = "a".parse().unwrap();
            let marked = mark_sent(&ledger, &id, "m", now, began + left).await;
            let is_recorded = ledger.rows().get("a").unwrap().state == State::Sent;
            assert_eq!(marked.is_ok(), is_recorded);
            let calls = calls.lock().unwrap().clone();
            Run { is_recorded, ended: began.elapsed(), calls }
        })
    }

    #[test]
    fn email_is_recorded_after_an_outage_that_outlasts_many_calls() {
        let run = run(Duration::from_secs(20), CALL_TIMEOUT, Duration::from_secs(40));
        assert!(run.is_recorded);
        assert_eq!(run.calls.len(), 6, "{:?}", run.calls);
    }

    proptest! {
        /// However long the outage and each call last: one call is always made, no call that may outlive
        /// `until` follows it, and an outage that is over early enough costs nothing.
        #[test]
        fn time_that_is_left_is_used_and_no_more(
            outage in 0..60_000_u64, call in 0..=3_000_u64, left in 0..60_000_u64,
        ) {
            let [outage, call, left] = [outage, call, left].map(Duration::from_millis);
            let run = run(outage, call, left);
            prop_assert!(run.ended <= left.max(call), "{:?}", run.ended);
            if outage + PAUSE + CALL_TIMEOUT + call <= left || outage <= call {
                prop_assert!(run.is_recorded, "{:?}", run.calls);
            }
            for pair in run.calls.windows(2) {
                prop_assert!(pair[1] >= pair[0] + PAUSE, "{:?}", run.calls);
            }
        }
    }
}
