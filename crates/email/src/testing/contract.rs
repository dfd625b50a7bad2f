//! The rules of every ledger, in memory and in DynamoDB. Each takes a job that the ledger has never seen,
//! and panics if the ledger breaks the rule.
#![expect(clippy::missing_panics_doc, reason = "a broken rule is a panic")]

use std::time::Duration;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    dead_letter::Reason,
    feedback::{Event, Feedback, RecordFeedback, Recorded},
    job::JobId,
    ledger::{Claim, Claimed, Ledger, Reopen, Reopened, State, Timeline, Used},
};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const CLAIM_LASTS: Duration = Duration::from_secs(90);

fn claim(job_id: &JobId, token: &str, at: OffsetDateTime) -> Claim {
    Claim { job_id: job_id.clone(), token: token.to_owned(), at, until: at + CLAIM_LASTS }
}

fn feedback(job_id: &JobId, event: Event) -> Feedback {
    Feedback {
        job_id: Some(job_id.clone()),
        ses_message_id: "m-event".to_owned(),
        sent_at: NOW,
        at: NOW,
        recipients: Vec::new(),
        event,
    }
}

/// The number of attempts, and whether one was announced and never settled; `None` if refused.
fn granted(claimed: &Claimed) -> Option<(u32, bool)> {
    match claimed {
        Claimed::Granted(grant) => Some((grant.attempts, grant.unsettled)),
        _ => None,
    }
}

/// A claim in force refuses every other, but not a repetition of itself; when it ends, the next is granted.
pub async fn one_claim_is_in_force(ledger: &impl Ledger, job: &JobId) -> Result<(), Unavailable> {
    let first = claim(job, "first", NOW);
    assert_eq!(granted(&ledger.claim(&first).await?), Some((1, false)));
    assert_eq!(granted(&ledger.claim(&first).await?), Some((2, false)), "a repetition is granted");

    let until = first.until;
    let early = claim(job, "second", until - Duration::from_millis(1));
    assert_eq!(ledger.claim(&early).await?, Claimed::InProgress { until });
    let late = claim(job, "second", until);
    assert_eq!(granted(&ledger.claim(&late).await?), Some((3, false)));
    Ok(())
}

/// A claim that has ended changes nothing any more.
pub async fn a_claim_that_has_ended_changes_nothing(
    ledger: &(impl Ledger + Timeline),
    job: &JobId,
) -> Result<(), Unavailable> {
    let (ended, current) = (claim(job, "ended", NOW), claim(job, "current", NOW + CLAIM_LASTS));
    ledger.claim(&ended).await?;
    ledger.claim(&current).await?;
    let before = ledger.find(job).await?;

    let reason = Reason::new("MessageRejected", "no");
    assert!(!ledger.announce(&ended).await?);
    ledger.release(&ended, Used::NotTried).await?;
    ledger.mark_failed(&ended, &reason, NOW).await?;
    ledger.mark_unknown(&ended, &reason, NOW).await?;
    assert_eq!(ledger.find(job).await?, before);
    assert!(ledger.announce(&current).await?);
    Ok(())
}

/// A released claim leaves the job free, and counts only if it was used.
pub async fn a_release_frees_the_job(ledger: &impl Ledger, job: &JobId) -> Result<(), Unavailable> {
    for (used, attempts) in [(Used::NotTried, 1), (Used::Attempted, 1), (Used::Attempted, 2)] {
        let claim = claim(job, "a token", NOW);
        assert_eq!(granted(&ledger.claim(&claim).await?), Some((attempts, false)));
        assert!(ledger.announce(&claim).await?);
        ledger.release(&claim, used).await?;
    }
    Ok(())
}

/// An announced attempt stays in doubt until it is settled: the next claim reports it.
pub async fn an_announced_attempt_is_reported(
    ledger: &(impl Ledger + Reopen),
    job: &JobId,
) -> Result<(), Unavailable> {
    let first = claim(job, "first", NOW);
    ledger.claim(&first).await?;
    ledger.announce(&first).await?;
    let second = claim(job, "second", first.until);
    assert_eq!(granted(&ledger.claim(&second).await?), Some((2, true)));

    ledger.mark_unknown(&second, &Reason::new("outcome_unknown", "no answer"), NOW).await?;
    let third = claim(job, "third", second.until);
    assert_eq!(ledger.claim(&third).await?, Claimed::AlreadyFailed);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Ready);
    assert_eq!(
        granted(&ledger.claim(&third).await?),
        Some((3, false)),
        "the operator has settled it"
    );
    Ok(())
}

/// The state moves only to a higher rank, in whatever order answers and events arrive.
pub async fn states_only_move_forward(
    ledger: &(impl Ledger + RecordFeedback + Reopen + Timeline),
    job: &JobId,
) -> Result<(), Unavailable> {
    let delivered = feedback(job, Event::Delivered);
    assert_eq!(ledger.record(job, &delivered).await?, Recorded::UnknownJob);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Ready, "no worker has claimed it");

    let claim = claim(job, "a token", NOW);
    ledger.claim(&claim).await?;
    let until = claim.until;
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::InProgress { until });
    assert_eq!(ledger.record(job, &delivered).await?, Recorded::Moved);
    ledger.mark_sent(job, "m-late", NOW).await?;
    ledger.mark_failed(&claim, &Reason::new("MessageRejected", "no"), NOW).await?;
    let entry = ledger.find(job).await?.expect("the job was claimed");
    assert_eq!((entry.state, entry.ses_message_id.as_deref()), (State::Delivered, Some("m-event")));

    let complained = feedback(job, Event::Complained { detail: "abuse".to_owned() });
    assert_eq!(ledger.record(job, &complained).await?, Recorded::Moved);
    assert_eq!(ledger.record(job, &delivered).await?, Recorded::Nothing);
    assert_eq!(ledger.claim(&claim).await?, Claimed::AlreadySent);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Accepted(State::Complained));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::testing::MemoryLedger;

    #[test]
    fn the_ledger_in_memory_keeps_every_rule() {
        let ledger = MemoryLedger::default();
        let job = |n: u8| format!("job-{n}").parse::<JobId>().unwrap();
        let (one, two, three, four, five) = (job(1), job(2), job(3), job(4), job(5));
        let mut rules = pin!(async {
            one_claim_is_in_force(&ledger, &one).await?;
            a_claim_that_has_ended_changes_nothing(&ledger, &two).await?;
            a_release_frees_the_job(&ledger, &three).await?;
            an_announced_attempt_is_reported(&ledger, &four).await?;
            states_only_move_forward(&ledger, &five).await
        });
        loop {
            match rules.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(kept) => return kept.unwrap(),
                Poll::Pending => {}
            }
        }
    }
}
