//! Suppressed recipients.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use email::{
    ledger::State,
    suppression::SuppressionCause,
    testing::{MemorySuppressions, mailer::accepted},
};
use tokio::time::Instant;

use super::{handle, is_about};
use crate::{
    places::MAX_LOOKUPS,
    testing::world::{World, job, message, share, world},
};

#[tokio::test(start_paused = true)]
async fn suppressed_recipient_uses_no_permit() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty());
    let row = world.row("a");
    assert_eq!((row.state, row.reason.unwrap().code.as_str()), (State::Suppressed, "suppressed"));
    assert!(world.letters().is_empty(), "it is not a dead letter, which would keep an alarm on");

    // Whoever enqueues it again after the recipient was removed from the list reaches the recipient.
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty(), "still suppressed");
    let world = World { suppressions: MemorySuppressions::default(), ..world };
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!((world.sent(), world.row("a").state), (vec!["a".to_owned()], State::Sent));
}

#[tokio::test(start_paused = true)]
async fn suppressed_job_is_acknowledged_only_once_the_ledger_has_it() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Complaint);
    world.ledger.calls.fail_operations(&["mark_suppressed"]);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.row("a").attempts, 0);
    world.ledger.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Suppressed);
}

#[tokio::test(start_paused = true)]
async fn slow_lookups_of_suppressed_recipients_take_no_permits_from_the_others() {
    let world = world();
    world.suppressions.insert(&"bob@example.com".parse().unwrap(), SuppressionCause::Bounce);
    world.suppressions.lookups.wait_for(|| tokio::time::sleep(Duration::from_secs(20)));
    let to_bob = |id: &str| {
        let body = job(id).body.replace("ada@", "bob@");
        message(&format!("m-{id}"), &body)
    };
    let others = 20_u32;
    let batch = (0..10).map(|n| to_bob(&format!("bob-{n}")));
    let batch: Vec<_> = batch.chain((0..others).map(|n| job(&n.to_string()))).collect();
    let sent_at = Arc::new(Mutex::new(Vec::new()));
    let seen = sent_at.clone();
    let world = world.deciding(move |_| {
        seen.lock().unwrap().push(Instant::now());
        accepted()
    });
    let began = Instant::now();
    let returned = handle(&world, batch).await;
    let last = *sent_at.lock().unwrap().last().unwrap();
    assert_eq!(sent_at.lock().unwrap().len(), others as usize);
    assert!(last - began < share().interval() * (others + 1), "every permit was used");
    let suppressed =
        world.ledger.rows().iter().filter(|(_, row)| row.state == State::Suppressed).count();
    assert_eq!(suppressed, MAX_LOOKUPS, "as many as may be looked up at once");
    assert_eq!(returned.len(), 10 - MAX_LOOKUPS);
    for id in &returned {
        assert!(is_about(world.delays()[id], 30) && id.starts_with("m-bob"), "{id}");
        assert_eq!(world.row(&id[2..]).attempts, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn job_is_not_sent_while_the_provider_cannot_be_asked_about_its_recipient() {
    let world = world();
    world.suppressions.insert(&"ada@example.com".parse().unwrap(), SuppressionCause::Bounce);
    world.suppressions.lookups.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert!(world.sent().is_empty() && world.letters().is_empty());
    assert_eq!(world.row("a").attempts, 0, "it counts no attempt");
}

#[tokio::test(start_paused = true)]
async fn job_is_not_sent_while_suppressions_cannot_be_read() {
    let world = world();
    world.suppressions.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert!(world.sent().is_empty());
    assert_eq!(world.row("a").attempts, 0, "it counts no attempt");
    world.suppressions.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}
