//! A newsletter is on the queue, and confirmations come one by one. With a group per kind of email, as
//! `email::queue::group` sets it, a confirmation waits for little more than the batches that are in progress.
#![expect(clippy::disallowed_methods, reason = "tests wait on the paused clock")]

use std::time::Duration;

use email::testing::mailer::accepted;
use tokio::time::sleep;

use super::{Simulation, queue::Group};
use crate::testing::world::job_to_its_own_recipient;

const NEWSLETTER: usize = 100_000;
const CONFIRMATIONS: usize = 60;
/// Not a divisor of a batch's duration, so that confirmations arrive at any moment of it.
const EVERY: Duration = Duration::from_secs(47);
/// After the last confirmation was enqueued.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long each confirmation waited from the queue until SES accepted it. `None`: it still waits.
async fn waits(
    simulation: &Simulation,
    newsletter: Group,
    confirmation: Group,
) -> Vec<Option<Duration>> {
    let letters = (0..NEWSLETTER).map(|n| job_to_its_own_recipient(&format!("letter-{n}")));
    simulation.queue.lock().unwrap().put(newsletter, letters);
    let id = |n| format!("confirmation-{n}");
    let confirmations = async {
        let mut enqueued = Vec::new();
        for n in 0..CONFIRMATIONS {
            sleep(EVERY).await;
            enqueued.push(simulation.began.elapsed());
            let job = job_to_its_own_recipient(&id(n));
            simulation.queue.lock().unwrap().put(confirmation, [job]);
        }
        sleep(PATIENCE).await;
        enqueued
    };
    let enqueued = tokio::select! {
        () = simulation.slots() => unreachable!("the newsletter takes hours"),
        enqueued = confirmations => enqueued,
    };
    let accepted = simulation.accepted.lock().unwrap();
    let wait = |(n, at)| accepted.get(&id(n)).map(|times| times[0].saturating_sub(at));
    enqueued.into_iter().enumerate().map(wait).collect()
}

fn longest(waits: &[Option<Duration>]) -> Option<Duration> {
    waits.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[tokio::test(start_paused = true)]
async fn newsletter_of_100_000_delays_a_confirmation_by_one_batch_at_most() {
    let simulation = Simulation::new(|_, _| accepted());
    let settings = simulation.settings;
    let batch = settings.check().unwrap().interval() * settings.batch_size;
    let waits = waits(&simulation, Some("newsletter"), Some("enrollment-confirmation")).await;
    let longest = longest(&waits).expect("each is sent");
    println!("fairness: a confirmation waits {longest:?} at most, and a batch lasts {batch:?}");
    assert!(longest < batch + Duration::from_secs(3), "{longest:?}");
}

/// What the groups are for.
#[tokio::test(start_paused = true)]
async fn without_the_groups_confirmations_wait_for_the_newsletter() {
    let simulation = Simulation::new(|_, _| accepted());
    let waits = waits(&simulation, Some("all"), Some("all")).await;
    let sent = waits.iter().flatten().count();
    println!(
        "fairness: without groups, {sent} of {CONFIRMATIONS} confirmations are sent in that time"
    );
    assert!(sent < CONFIRMATIONS / 2, "{sent}");
}

/// `registrar plan` prints the batch size that fairness needs.
#[tokio::test(start_paused = true)]
async fn with_too_few_messages_in_flight_the_newsletter_is_not_noticed() {
    let mut simulation = Simulation::new(|_, _| accepted());
    simulation.settings.batch_size = simulation.settings.fair_batch_size() - 1;
    let waits = waits(&simulation, Some("newsletter"), Some("enrollment-confirmation")).await;
    assert_eq!(longest(&waits), None, "{waits:?}");
}
