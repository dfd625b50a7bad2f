//! The confirmation emails of active enrollments that the resumer finishes, several at a time.

use email::{
    ledger::KnowsEmail,
    queue::{EnqueueEmails, NotEnqueued, TracedJob},
};
use futures_util::future::join_all;

use crate::{
    enrollment::Enrollment,
    ports::{Adapters, FinishEnrollment, Ports},
};

/// How an active enrollment was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Its email job is on the queue now.
    Enqueued,
    /// The ledger has its email job: then a worker has already received it.
    Known,
}

/// Enqueues the email jobs of active enrollments, except those that the ledger has, and takes the
/// enrollments out of the index. One result per enrollment, in their order; `Err` leaves it overdue.
pub async fn confirm_all<A: Adapters>(
    ports: &Ports<A>,
    active: &[Enrollment],
) -> Vec<Result<Confirmed, NotEnqueued>> {
    let known = join_all(
        active
            .iter()
            .map(|found| async { ports.ledger.knows_email(&found.confirmation_job_id()).await }),
    )
    .await;
    let unknown = |known: &Result<bool, _>| matches!(known, Ok(false));
    let jobs: Vec<TracedJob> = active
        .iter()
        .zip(&known)
        .filter(|(_, known)| unknown(known))
        .map(|(found, _)| TracedJob { job: found.confirmation(), trace: found.trace.clone() })
        .collect();
    let mut enqueued =
        if jobs.is_empty() { Vec::new() } else { ports.email_queue.enqueue_emails(&jobs).await }
            .into_iter();
    let confirmed = known.into_iter().map(|known| {
        if known? {
            Ok(Confirmed::Known)
        } else {
            enqueued.next().unwrap_or_else(|| Err(unanswered())).map(|()| Confirmed::Enqueued)
        }
    });
    let confirmed: Vec<Result<Confirmed, NotEnqueued>> = confirmed.collect();
    join_all(active.iter().zip(confirmed).map(|(found, confirmed)| async {
        let confirmed = confirmed?;
        // If another caller has changed it meanwhile, that caller or the next run finishes it.
        ports.enrollments.finish_enrollment(found).await?;
        Ok(confirmed)
    }))
    .await
}

fn unanswered() -> NotEnqueued {
    let error = "the queue gave no result for this job";
    NotEnqueued::Unavailable(unavailable::Unavailable::new("enqueueing email jobs", error))
}
