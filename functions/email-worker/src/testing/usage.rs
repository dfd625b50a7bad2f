//! What an email that is sent uses of the tables: `crates/capacity` prices it, and says at which rate a table is full.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use capacity::usage::{WORKER_READ_UNITS, WORKER_WRITE_UNITS};
use email::testing::{Calls, Fate};

use super::world::{MIDNIGHT, invocation, job_to_its_own_recipient, settings, world};

fn counted(calls: &Calls) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    calls.decide_by(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        Fate::Succeeds
    });
    count
}

#[tokio::test(start_paused = true)]
async fn usage_of_an_email_is_two_writes_of_the_ledger_and_one_read_of_a_suppression() {
    const EMAILS: usize = 10;
    let world = world();
    let (writes, reads) = (counted(&world.ledger.calls), counted(&world.suppressions.calls));
    let jobs = (0..EMAILS).map(|n| job_to_its_own_recipient(&format!("job-{n}"))).collect();
    let share = settings().check().unwrap();
    let invocation = invocation("request", share, MIDNIGHT, settings().timeout);
    assert!(world.handle(&invocation, jobs).await.is_empty());
    assert_eq!(world.sent().len(), EMAILS);
    assert_eq!(writes.load(Ordering::Relaxed), WORKER_WRITE_UNITS as usize * EMAILS);
    assert_eq!(reads.load(Ordering::Relaxed), WORKER_READ_UNITS as usize * EMAILS);
}
