//! The rules of every ledger, in memory and on DynamoDB. Each function takes a job that the ledger has never
//! seen, and panics if the ledger breaks the rule.
#![expect(clippy::missing_panics_doc, reason = "a broken rule is a panic")]

use std::time::Duration;

use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    dead_letter::Reason,
    feedback::{Event, Feedback, RecordFeedback, Recorded},
    job::{Job, JobId},
    ledger::{Claim, Claimed, Finished, Ledger, Reopen, Reopened, State, Timeline, Used},
};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const CLAIM_LASTS: Duration = Duration::from_secs(90);

fn claim(job_id: &JobId, token: &str, at: OffsetDateTime) -> Claim {
    claim_of("Hello", job_id, token, at)
}

/// A claim on a job whose email has that text.
fn claim_of(text: &str, job_id: &JobId, token: &str, at: OffsetDateTime) -> Claim {
    let body = format!(
        r#"{{"v":1,"id":"{job_id}","to":"ada@example.com","subject":"Hi","text":"{text}"}}"#
    );
    let content = Job::parse(&body).expect("the body is a job").digest();
    let (job_id, token, until) = (job_id.clone(), token.to_owned(), at + CLAIM_LASTS);
    let sqs_message_id = format!("message of {token}");
    let recipient = "ada@example.com".parse().expect("the address is valid");
    Claim { job_id, token, sqs_message_id, content, recipient, template: None, at, until }
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

/// The number of attempts, and whether one was announced and never settled. `None` if the claim was refused.
fn granted(claimed: &Claimed) -> Option<(u32, bool)> {
    match claimed {
        Claimed::Granted(grant) => Some((grant.attempts, grant.unsettled)),
        _ => None,
    }
}

/// While a claim is in force, every other claim is refused, and a repetition of the same claim is granted.
/// When it has ended, the next claim is granted.
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

/// A claim that has ended can change nothing.
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
    ledger.mark_suppressed(&ended, &reason, NOW).await?;
    assert_eq!(ledger.find(job).await?, before);
    assert!(ledger.announce(&current).await?);
    Ok(())
}

/// After a release, the job can be claimed again. The claim counts as an attempt only if it was used.
pub async fn a_release_frees_the_job(ledger: &impl Ledger, job: &JobId) -> Result<(), Unavailable> {
    for (used, attempts) in
        [(Used::NotTried, 1), (Used::Attempted("500"), 1), (Used::Attempted("500"), 2)]
    {
        let claim = claim(job, "a token", NOW);
        assert_eq!(granted(&ledger.claim(&claim).await?), Some((attempts, false)));
        assert!(ledger.announce(&claim).await?);
        ledger.release(&claim, used).await?;
    }
    Ok(())
}

/// The next claim reports an announced attempt that was not settled.
pub async fn an_announced_attempt_is_reported(
    ledger: &(impl Ledger + Reopen),
    job: &JobId,
) -> Result<(), Unavailable> {
    let first = claim(job, "first", NOW);
    ledger.claim(&first).await?;
    ledger.announce(&first).await?;
    let second = claim(job, "second", first.until);
    assert_eq!(granted(&ledger.claim(&second).await?), Some((2, true)));

    ledger.mark_unknown(&second, &Reason::new("outcome_unknown", "no response"), NOW).await?;
    let third = claim(job, "third", second.until);
    let finished = Finished {
        state: State::Unknown,
        code: Some("outcome_unknown".to_owned()),
        sqs_message_id: Some("message of second".to_owned()),
    };
    assert_eq!(ledger.claim(&third).await?, Claimed::AlreadyFailed(finished));
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Ready);
    assert_eq!(
        granted(&ledger.claim(&third).await?),
        Some((3, false)),
        "the operator has settled it"
    );
    Ok(())
}

/// A grant has the last known failure, and since when the job waits. Reopening it starts both again.
pub async fn last_failure_and_wait_are_kept(
    ledger: &(impl Ledger + Reopen),
    job: &JobId,
) -> Result<(), Unavailable> {
    let kept = |claimed: Claimed| match claimed {
        Claimed::Granted(grant) => (grant.last_failure, grant.waiting_since),
        other => panic!("{other:?}"),
    };
    let mut at = NOW;
    for (used, before) in [
        (Used::Attempted("500"), None),
        (Used::NotTried, Some("500")),
        (Used::Attempted("Throttling"), Some("500")),
        (Used::NotTried, Some("Throttling")),
    ] {
        let claim = claim(job, "a token", at);
        assert_eq!(kept(ledger.claim(&claim).await?), (before.map(str::to_owned), NOW));
        ledger.release(&claim, used).await?;
        at += CLAIM_LASTS;
    }
    ledger.reopen(job, at).await?;
    assert_eq!(kept(ledger.claim(&claim(job, "a token", at)).await?), (None, at));
    Ok(())
}

/// Every claim that was not released may have been an attempt without an answer. An answer, an event or an
/// operator settles them.
pub async fn attempts_without_an_answer_are_counted(
    ledger: &(impl Ledger + RecordFeedback + Reopen + Timeline),
    [one, other]: [&JobId; 2],
) -> Result<(), Unavailable> {
    let unanswered = |claimed: &Claimed| match claimed {
        Claimed::Granted(grant) => Some(grant.unanswered),
        _ => None,
    };
    let mut at = NOW;
    let mut claims = Vec::new();
    for (n, used) in
        [None, Some(Used::Attempted("500")), None, Some(Used::NotTried), None].iter().enumerate()
    {
        let claim = claim(one, &format!("token-{n}"), at);
        claims.push(unanswered(&ledger.claim(&claim).await?));
        if let Some(used) = used {
            ledger.release(&claim, *used).await?;
        }
        at = claim.until;
    }
    assert_eq!(claims, [Some(0), Some(1), Some(1), Some(2), Some(2)]);
    let counted = async || {
        let entry = ledger.find(one).await?.expect("the job was claimed");
        Ok::<_, Unavailable>(entry.unanswered)
    };
    assert_eq!(counted().await?, 3, "with the attempt in progress");
    let last = claim(one, "last", at);
    ledger.claim(&last).await?;
    ledger.mark_unknown(&last, &Reason::new("outcome_unknown", "no response"), at).await?;
    assert_eq!(counted().await?, 4);
    assert_eq!(ledger.record(one, &feedback(one, Event::Sent), at).await?, Recorded::Moved);
    let entry = ledger.find(one).await?.expect("the job was claimed");
    assert_eq!((entry.state, entry.unanswered, entry.feedback_at), (State::Sent, 0, None));

    let first = claim(other, "first", NOW);
    ledger.claim(&first).await?;
    let second = claim(other, "second", first.until);
    ledger.claim(&second).await?;
    ledger.mark_failed(&second, &Reason::new("MessageRejected", "no"), NOW).await?;
    let entry = ledger.find(other).await?.expect("the job was claimed");
    assert_eq!(entry.unanswered, 1, "the provider answered the second attempt");
    ledger.reopen(other, NOW).await?;
    assert_eq!(unanswered(&ledger.claim(&first).await?), Some(0), "the operator has settled it");
    Ok(())
}

/// The state moves only to a higher rank, in whatever order responses and events arrive.
pub async fn states_only_move_forward(
    ledger: &(impl Ledger + RecordFeedback + Reopen + Timeline),
    job: &JobId,
) -> Result<(), Unavailable> {
    let delivered = feedback(job, Event::Delivered);
    assert_eq!(ledger.record(job, &delivered, NOW).await?, Recorded::UnknownJob);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Ready, "no worker has claimed it");

    let claim = claim(job, "a token", NOW);
    ledger.claim(&claim).await?;
    let until = claim.until;
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::InProgress { until });
    assert_eq!(ledger.record(job, &delivered, NOW).await?, Recorded::Moved);
    ledger.mark_sent(job, "m-late", NOW).await?;
    ledger.mark_failed(&claim, &Reason::new("MessageRejected", "no"), NOW).await?;
    let entry = ledger.find(job).await?.expect("the job was claimed");
    assert_eq!((entry.state, entry.ses_message_id.as_deref()), (State::Delivered, Some("m-event")));

    let complained = feedback(job, Event::Complained { detail: "abuse".to_owned() });
    assert_eq!(ledger.record(job, &complained, NOW).await?, Recorded::Moved);
    assert_eq!(ledger.record(job, &delivered, NOW).await?, Recorded::Nothing);
    assert_eq!(ledger.claim(&claim).await?, Claimed::AlreadySent);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Accepted(State::Complained));
    Ok(())
}

/// An id belongs to the first email that is claimed under it, whatever becomes of that one.
pub async fn an_id_belongs_to_one_email(
    ledger: &(impl Ledger + Reopen),
    job: &JobId,
) -> Result<(), Unavailable> {
    let other = |at| claim_of("Something else", job, "other", at);
    let first = claim(job, "first", NOW);
    ledger.claim(&first).await?;
    assert_eq!(ledger.claim(&other(NOW)).await?, Claimed::IdReused, "during the first claim");
    ledger.release(&first, Used::Attempted("500")).await?;
    assert_eq!(ledger.claim(&other(NOW)).await?, Claimed::IdReused, "although the job is free");
    ledger.claim(&first).await?;
    ledger.mark_failed(&first, &Reason::new("MessageRejected", "no"), NOW).await?;
    assert_eq!(ledger.claim(&other(NOW)).await?, Claimed::IdReused, "after a dead letter");
    ledger.reopen(job, NOW).await?;
    assert_eq!(ledger.claim(&other(NOW)).await?, Claimed::IdReused, "after a redrive");
    ledger.claim(&first).await?;
    ledger.mark_sent(job, "m-1", NOW).await?;
    assert_eq!(ledger.claim(&other(NOW)).await?, Claimed::IdReused, "after the first was sent");
    assert_eq!(ledger.claim(&claim(job, "again", NOW)).await?, Claimed::AlreadySent);
    Ok(())
}

/// A suppressed job can be claimed again, by the same email only, and then has no reason.
pub async fn a_suppressed_job_can_be_claimed_again(
    ledger: &(impl Ledger + Reopen + Timeline),
    job: &JobId,
) -> Result<(), Unavailable> {
    let first = claim(job, "first", NOW);
    ledger.claim(&first).await?;
    ledger.mark_suppressed(&first, &Reason::new("suppressed", "it bounced"), NOW).await?;
    let entry = ledger.find(job).await?.expect("the job was claimed");
    assert_eq!((entry.state, entry.reason.as_deref()), (State::Suppressed, Some("it bounced")));
    assert_eq!(entry.failed_at, Some(NOW));

    let other = claim_of("Something else", job, "other", NOW);
    assert_eq!(ledger.claim(&other).await?, Claimed::IdReused);
    assert_eq!(ledger.reopen(job, NOW).await?, Reopened::Ready);
    assert_eq!(granted(&ledger.claim(&claim(job, "second", NOW)).await?), Some((2, false)));
    ledger.mark_suppressed(&claim(job, "second", NOW), &Reason::new("suppressed", ""), NOW).await?;
    assert_eq!(granted(&ledger.claim(&claim(job, "third", NOW)).await?), Some((3, false)));
    let entry = ledger.find(job).await?.expect("the job was claimed");
    assert_eq!((entry.state, entry.reason, entry.failed_at), (State::Sending, None, None));
    Ok(())
}

/// A bounce that can be an automatic reply is one if the email was delivered, in either order.
pub async fn an_automatic_reply_is_not_a_bounce(
    ledger: &(impl Ledger + RecordFeedback + Timeline),
    [one, other]: [&JobId; 2],
) -> Result<(), Unavailable> {
    let bounce = |detail: &str, for_good| Event::Bounced { for_good, detail: detail.to_owned() };
    let (reply, delivered) = (bounce("Transient/General", false), Event::Delivered);
    for (job, order) in [(one, [&delivered, &reply]), (other, [&reply, &delivered])] {
        ledger.claim(&claim(job, "a token", NOW)).await?;
        for event in order {
            ledger.record(job, &feedback(job, event.clone()), NOW).await?;
        }
        let entry = ledger.find(job).await?.expect("the job was claimed");
        assert_eq!((entry.state, entry.feedback), (State::Delivered, None));
        for full in [bounce("Transient/MailboxFull", false), bounce("Permanent/General", true)] {
            ledger.record(job, &feedback(job, full), NOW).await?;
            ledger.record(job, &feedback(job, reply.clone()), NOW).await?;
            let entry = ledger.find(job).await?.expect("the job was claimed");
            let expected = (State::Bounced, Some("Transient/MailboxFull"));
            assert_eq!((entry.state, entry.feedback.as_deref()), expected);
        }
    }
    Ok(())
}

/// Every rule. The ledger must be empty.
pub async fn every_rule(
    ledger: &(impl Ledger + RecordFeedback + Reopen + Timeline),
) -> Result<(), Unavailable> {
    let job = |n: u8| -> JobId { format!("job-{n}").parse().expect("it is an id") };
    one_claim_is_in_force(ledger, &job(1)).await?;
    a_claim_that_has_ended_changes_nothing(ledger, &job(2)).await?;
    a_release_frees_the_job(ledger, &job(3)).await?;
    an_announced_attempt_is_reported(ledger, &job(4)).await?;
    states_only_move_forward(ledger, &job(5)).await?;
    an_id_belongs_to_one_email(ledger, &job(6)).await?;
    an_automatic_reply_is_not_a_bounce(ledger, [&job(7), &job(8)]).await?;
    attempts_without_an_answer_are_counted(ledger, [&job(9), &job(10)]).await?;
    last_failure_and_wait_are_kept(ledger, &job(11)).await
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
    fn memory_ledger_keeps_every_rule() {
        let ledger = MemoryLedger::default();
        let mut rules = pin!(every_rule(&ledger));
        loop {
            match rules.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(kept) => return kept.unwrap(),
                Poll::Pending => {}
            }
        }
    }
}
