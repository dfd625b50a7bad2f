//! Messages whose job has become a dead letter before: it was enqueued again, or its letter was moved back.
//!
//! Such a message is never acknowledged in silence: the first letter may have been purged.

use email::{
    dead_letter::{OUTCOME_UNKNOWN, Reason},
    guarantee::Guarantee,
    job::JobId,
    ledger::{Finished, State},
};
use lambda::log_events;

use crate::{
    in_progress::{BatchInProgress, Verdict},
    worker::{Parts, Received},
};

/// Whether a letter that was moved back is sent, by the rules of `registrar dead-letters redrive`. An email that may have
/// been sent is sent again only if its template allows that; otherwise an operator must name it.
pub(crate) fn is_redriven(message: &Received, finished: &Finished, guarantee: Guarantee) -> bool {
    let Some(code) = message.was_letter.as_deref() else { return false };
    if is_redelivery(message, finished) {
        return false;
    }
    let may_be_second = code == OUTCOME_UNKNOWN || finished.state == State::Unknown;
    !may_be_second || guarantee == Guarantee::AtLeastOnce
}

/// Keeps the message as a dead letter, unless its own letter is stored already.
pub(crate) async fn keep_again<P: Parts>(
    batch: &BatchInProgress<'_, P>,
    job_id: &JobId,
    message: &Received,
    finished: &Finished,
) -> Verdict {
    if is_redelivery(message, finished) {
        return Verdict::Acknowledge;
    }
    let code = finished.code.as_deref().or(message.was_letter.as_deref()).unwrap_or("failed");
    let text = match (&message.was_letter, finished.state) {
        (Some(_), _) => {
            "this letter was moved back to the queue, but it may have been sent and must not be sent twice: redrive it \
             by its id with `registrar dead-letters redrive`"
        }
        (None, State::Unknown) => {
            "the job was enqueued again, but the first time it may have been sent; redrive it to send it again"
        }
        (None, _) => {
            "the job was enqueued again, but it had become a dead letter; fix the cause, and redrive it to send it"
        }
    };
    report_refused(job_id, code);
    batch.keep_unclaimed(message, Some(job_id), &Reason::new(code, text)).await
}

/// Reports a job that is not sent because of what the ledger has under its id.
pub(crate) fn report_refused(job_id: &JobId, code: &str) {
    tracing::error!(
        event = log_events::JOB_REFUSED,
        %job_id,
        code,
        "a job is not sent because of an earlier one under its id; it is kept as a dead letter",
    );
}

/// SQS delivers a message at least once. The letter of this very message is stored.
fn is_redelivery(message: &Received, finished: &Finished) -> bool {
    finished.sqs_message_id.as_ref() == Some(&message.sqs_message_id)
}
