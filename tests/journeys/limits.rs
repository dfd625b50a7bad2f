//! A limit that an operator lowers while a backlog is sent, measured at the provider's door.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use journeys::{
    DeployedStack,
    backlog::Backlog,
    eventually,
    faults::{Exchange, Faults},
    operator::{AWS_FAILED, registrar},
    verdict::{Limit, assert_sent_or_dead},
    wait::within,
};
use serde_json::Value;

/// After it, every worker has read the record: it reads every 5 s, and a read takes 3 s at most.
const IS_READ: Duration = Duration::from_secs(8);
/// Without the lower limit, the rest of the backlog would leave in this time.
const MEASURED: Duration = Duration::from_secs(25);

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn limit_that_is_lowered_during_a_backlog_is_kept_and_ends_with_a_reset() {
    let stack = DeployedStack::exclusive().await;
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let worker = stack.output("EmailWorkerFunctionName");
    // At 300 per minute and a latency of the local AWS of some milliseconds, 150 emails take 30 s.
    let backlog = Backlog::of(150);
    let sends = || {
        let mut sends = faults.sends();
        sends.retain(|send| send.mentions(&backlog.tag));
        sends
    };

    let environment = faults.environment();
    let journey = stack.with_environment(worker, &environment, async || {
        backlog.enqueue(&stack).await;
        eventually("the first email", async || sends().first().map(|_| ())).await;
        let lowered = registrar(&stack, &["limit", "30", "--reason", "complaints"]).await;
        let lowered_at = SystemTime::now();
        lowered.expect(0, &["300 in any 60 s", "30 in any 60 s", "effective  30 per minute"]);
        let measured = within(IS_READ + MEASURED * 2, "the end of the measurement", async || {
            (lowered_at.elapsed().ok()? > IS_READ + MEASURED).then(&sends)
        })
        .await;
        let left = backlog.jobs.len() - measured.len();
        assert!(left > 30, "only {left} jobs were left, which proves nothing");
        let slowly: Vec<Exchange> =
            measured.into_iter().filter(|send| send.at > lowered_at + IS_READ).collect();
        assert!(!slowly.is_empty(), "nothing was sent");
        let limit = Limit { sends: "30".to_owned(), window_seconds: "60".to_owned() };
        limit.assert_kept(&slowly);

        let holds = registrar(&stack, &["holds"]).await;
        holds.expect(0, &["nothing is held", "limit lowered to 30 in any 60 s", "complaints"]);
        registrar(&stack, &["limit", "--reset"]).await.expect(0, &["lowered    no"]);
        assert_sent_or_dead(&stack, &faults, &backlog, &[]).await;
    });
    let outcome = AssertUnwindSafe(Box::pin(journey)).catch_unwind().await;
    // Even if it failed. Otherwise the journeys after it would fail for the same reason.
    registrar(&stack, &["limit", "--reset"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    let limit = Limit { sends: "300".to_owned(), window_seconds: "60".to_owned() };
    limit.assert_kept(&sends());
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn limit_that_is_not_lower_is_refused_and_nothing_is_changed() {
    let stack = DeployedStack::exclusive().await;
    for (limit, why) in [("300", "not below the deployed limit of 300"), ("3", "too low")] {
        let refused = registrar(&stack, &["limit", limit, "--reason", "because"]).await;
        refused.expect(AWS_FAILED, &[]);
        assert!(refused.err.contains(why), "{refused:?}");
    }
    let shown = registrar(&stack, &["limit", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.expect(0, &[]).out).expect("it is JSON");
    assert_eq!((&shown["deployed"], &shown["lowered"]), (&300.into(), &Value::Null));
}
