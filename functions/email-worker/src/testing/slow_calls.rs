//! Every call as slow as its own limit allows, and every outcome: the invocation returns before its deadline, so no
//! accepted email is sent again.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use email::{
    dead_letter::Reason, hold::HoldCause, mailer::Outcome, suppression::SuppressionCause,
    testing::mailer::accepted,
};
use proptest::prelude::*;
use sizing::{CALL_TIMEOUT, SES_ATTEMPT_TIMEOUT};
use tokio::time::{Instant, sleep};

use super::world::{MIDNIGHT, World, invocation, job, share, world};
use crate::worker::Received;

/// How slow each kind of call is, as a part of its limit in percent.
#[derive(Debug, Clone, Copy)]
struct Slowness {
    table: u32,
    provider: u32,
    event_source: u32,
    queue: u32,
}

fn slowness() -> impl Strategy<Value = Slowness> {
    let part = || prop_oneof![Just(100_u32), 0..=100_u32];
    (part(), part(), part(), part()).prop_map(|(table, provider, event_source, queue)| Slowness {
        table,
        provider,
        event_source,
        queue,
    })
}

/// Sets the duration of every call of the world.
fn slow_down(world: &World, slowness: Slowness) {
    let call =
        |limit: Duration, percent: u32| (limit * percent / 100).max(Duration::from_millis(1));
    let table = call(CALL_TIMEOUT, slowness.table);
    // A response at its very limit is a timeout.
    let provider = call(SES_ATTEMPT_TIMEOUT, slowness.provider);
    let provider = provider.saturating_sub(Duration::from_millis(1));
    // Finding the mapping and changing it.
    let event_source = call(2 * CALL_TIMEOUT, slowness.event_source);
    for calls in [&world.ledger.calls, &world.dead_letters.calls, &world.holds.calls] {
        calls.wait_for(move || sleep(table));
    }
    world.suppressions.calls.wait_for(move || sleep(table));
    // SES's own list, and the copy.
    world.suppressions.lookups.wait_for(move || sleep(2 * table));
    world.mailer.calls.wait_for(move || sleep(provider));
    world.event_source.calls.wait_for(move || sleep(event_source));
    // A call, and a second one for entries that failed.
    *world.queue.1.lock().unwrap() = call(2 * CALL_TIMEOUT, slowness.queue);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(accepted()),
        1 => Just(Outcome::Throttled),
        1 => Just(Outcome::Held(HoldCause::SendingPaused)),
        1 => Just(Outcome::Transient { code: "503".to_owned() }),
        1 => Just(Outcome::Ambiguous),
        2 => Just(Outcome::Rejected(Reason::new("MessageRejected", "no"))),
    ]
}

/// Handles the messages in an invocation of this duration, and returns those that were returned.
async fn invoke(world: &World, id: &str, lasts: Duration, batch: Vec<Received>) -> Vec<Received> {
    let now = MIDNIGHT + Duration::from_hours(1) + Instant::now().elapsed();
    let began = Instant::now();
    let invocation = invocation(id, share(), now, lasts);
    let failed = world.handle(&invocation, batch.clone()).await;
    assert!(began.elapsed() < lasts, "Lambda would have ended it: {:?}", began.elapsed());
    batch.into_iter().filter(|message| failed.contains(&message.sqs_message_id)).collect()
}

async fn no_accepted_email_is_sent_again(
    slowness: Slowness,
    seconds: u64,
    outcomes: Vec<Outcome>,
    suppressed: bool,
) {
    let accepted = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let counted = accepted.clone();
    let jobs = outcomes.len();
    let world = world().deciding(move |id| {
        let outcome = outcomes[id.as_str().parse::<usize>().unwrap()].clone();
        if matches!(outcome, Outcome::Accepted { .. }) {
            *counted.lock().unwrap().entry(id.to_string()).or_default() += 1;
        }
        outcome
    });
    if suppressed {
        let other = "ada@example.com".parse().unwrap();
        world.suppressions.insert(&other, SuppressionCause::Bounce);
    }
    slow_down(&world, slowness);
    let mut batch: Vec<_> = (0..jobs).map(|n| job(&n.to_string())).collect();
    for round in 0..3 {
        let id = format!("request-{round}");
        batch = invoke(&world, &id, Duration::from_secs(seconds), batch).await;
        // Until every claim has ended.
        sleep(Duration::from_mins(30)).await;
    }
    let accepted = accepted.lock().unwrap();
    assert!(accepted.values().all(|&times| times == 1), "{accepted:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn with_slow_calls_an_invocation_ends_in_time_and_no_accepted_email_is_sent_again(
        slowness in slowness(),
        seconds in proptest::sample::select(vec![30_u64, 60, 90]),
        outcomes in proptest::collection::vec(outcome(), 1..30),
        suppressed: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(no_accepted_email_is_sent_again(slowness, seconds, outcomes, suppressed));
    }
}

#[tokio::test(start_paused = true)]
async fn with_every_call_at_its_limit_an_invocation_ends_in_time() {
    let slowness = Slowness { table: 100, provider: 100, event_source: 100, queue: 100 };
    for last in [
        accepted(),
        Outcome::Held(HoldCause::SendingPaused),
        Outcome::Rejected(Reason::new("MessageRejected", "no")),
    ] {
        no_accepted_email_is_sent_again(slowness, 60, vec![last; 20], false).await;
    }
}
