//! An account that may not send, or soon may not: nothing is tried until it may, and then all is sent.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures_util::FutureExt;
use journeys::{
    World, eventually,
    faults::{
        Faults,
        Service::{Lambda, Ses},
    },
    operator::registrar,
    world::unique,
};
use serde_json::json;

/// A job and its recipient.
fn job() -> (String, String) {
    let to = format!("{}@example.com", unique("recipient"));
    let job = json!({
        "v": 1, "id": unique("job"), "to": to, "subject": "A plain job", "text": "Plain text.",
    });
    (job.to_string(), to)
}

/// Holds nothing in the end, also where that failed, or the journeys after it would fail for its reason.
async fn released_in_the_end(world: &World, meanwhile: impl Future<Output = ()>) {
    let outcome = AssertUnwindSafe(meanwhile).catch_unwind().await;
    registrar(world, &["release"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

/// The worker and hold-watch through the proxy.
async fn through(world: &World, faults: &Faults, meanwhile: impl AsyncFnOnce()) {
    let journey = Box::pin(through_the_proxy(world, faults, meanwhile));
    released_in_the_end(world, journey).await;
}

async fn through_the_proxy(world: &World, faults: &Faults, meanwhile: impl AsyncFnOnce()) {
    let worker = world.stack.output("EmailWorkerFunctionName");
    let hold_watch = world.stack.output("HoldWatchFunctionName");
    let environment = faults.environment();
    world
        .with_environment(worker, &environment, async || {
            Box::pin(world.with_environment(hold_watch, &environment, meanwhile)).await;
        })
        .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_paused_account_is_held_once_and_goes_on_by_itself() {
    let world = World::open_alone().await;
    let faults = Faults::before(&world.stack.endpoint);
    faults.rule(Ses, "SendEmail").error(400, "SendingPausedException", "Sending is paused.");
    faults.rule(Ses, "GetAccount").answer(200, json!({"SendingEnabled": false}));
    let (tried, waiting) = (job(), job());

    through(&world, &faults, async || {
        world.enqueue(tried.0.clone()).await;
        eventually("a hold", async || {
            let holds = registrar(&world, &["holds"]).await;
            holds.out.contains("event source  off").then_some(())
        })
        .await;
        registrar(&world, &["holds"]).await.expect(0, &["sending is paused"]);
        world.enqueue(waiting.0.clone()).await;
        world.job_is_left_alone(&waiting.1).await;

        assert_eq!(world.run_hold_watch().await["emails_held"], true);
        world.job_is_left_alone(&waiting.1).await;
        let turned = faults.passed();
        let turned = turned.iter().filter(|p| p.request.operation == "UpdateEventSourceMapping");
        assert_eq!(turned.count(), 1, "the event source was turned off once");
        assert_eq!(faults.sends().len(), 1, "one attempt found out");

        faults.lift_all();
        assert_eq!(world.run_hold_watch().await["emails_held"], false);
        world.email_to(&waiting.1).await;
        world.only_email_to(&waiting.1).await;
        // What found out was handed back for a quarter of an hour, and no longer.
        world.job_is_put_off(&tried.1, Duration::from_mins(20)).await;
        registrar(&world, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_hold_is_written_down_even_if_lambda_cannot_be_asked_and_a_hold_by_hand_outlasts_it() {
    let world = World::open_alone().await;
    let faults = Faults::before(&world.stack.endpoint);
    faults.rule(Ses, "SendEmail").error(400, "AccountSuspendedException", "Suspended.");
    let lambda = ["ListEventSourceMappings", "UpdateEventSourceMapping"];
    for operation in lambda {
        faults.rule(Lambda, operation).error(500, "ServiceException", "down");
    }
    let (tried, waiting) = (job(), job());

    through(&world, &faults, async || {
        world.enqueue(tried.0.clone()).await;
        eventually("a hold", async || {
            let holds = registrar(&world, &["holds"]).await;
            holds.out.contains("suspended").then_some(())
        })
        .await;
        // The event source is on still, and the batch that it brings is handed back untried.
        world.enqueue(waiting.0.clone()).await;
        world.job_is_put_off(&waiting.1, Duration::from_mins(20)).await;
        assert_eq!(faults.sends().len(), 1, "only the first was tried");

        registrar(&world, &["hold", "--reason", "looking into it"]).await.expect(0, &[]);
        faults.lift_all();
        for _ in 0..2 {
            assert_eq!(world.run_hold_watch().await["emails_held"], true, "by hand");
        }
        let holds = registrar(&world, &["holds"]).await;
        holds.expect(0, &["looking into it", "event source  off"]).never_says("suspended");
        let released = registrar(&world, &["release"]).await;
        released.expect(0, &["ended:", "looking into it"]);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_rate_near_the_review_line_holds_until_it_falls_or_an_operator_accepts_it() {
    let world = World::open_alone().await;
    let alarm = |name: &str| world.stack.function_environment[name].clone();
    let (bounces, complaints) = (alarm("BOUNCE_RATE_ALARM"), alarm("COMPLAINT_RATE_ALARM"));

    let rise_and_fall = async {
        world.set_alarm(&bounces, "ALARM").await;
        assert_eq!(world.run_hold_watch().await["emails_held"], true);
        registrar(&world, &["holds"]).await.expect(0, &["bounce rate", "event source  off"]);
        world.set_alarm(&bounces, "OK").await;
        assert_eq!(world.run_hold_watch().await["emails_held"], false);

        world.set_alarm(&complaints, "ALARM").await;
        assert_eq!(world.run_hold_watch().await["emails_held"], true);
        registrar(&world, &["release"]).await.expect(0, &["complaint rate"]);
        assert_eq!(world.run_hold_watch().await["emails_held"], false, "accepted");
        world.set_alarm(&complaints, "OK").await;
        registrar(&world, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    };
    let outcome = AssertUnwindSafe(rise_and_fall).catch_unwind().await;
    for alarm in [&bounces, &complaints] {
        world.set_alarm(alarm, "OK").await;
    }
    released_in_the_end(&world, async { outcome.unwrap_or_else(|panic| resume_unwind(panic)) })
        .await;
}
