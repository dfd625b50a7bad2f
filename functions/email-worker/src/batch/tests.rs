//! Batches in the in-memory world, on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

mod at_most_once;
mod bodies;
mod deadlines;
mod every;
mod letters;
mod pace;
mod refusals;
mod retries;
mod suppressed;
mod unanswered;

use std::{cell::Cell, time::Duration};

use email::mailer::Outcome;
use time::OffsetDateTime;

use crate::{
    testing::world::{MIDNIGHT, World, invocation, message, share, world},
    worker::Received,
};

fn transient() -> Outcome {
    Outcome::Transient { code: "500".to_owned() }
}

fn receipt(id: &str) -> Received {
    let data = r#"{"student_name":"Ada","course_title":"Rust"}"#;
    let body = format!(
        r#"{{"v":1,"id":"{id}","to":"ada@example.com","template":"enrollment-refund","data":{data}}}"#
    );
    message(&format!("m-{id}"), &body)
}

/// A world in which the template of [`receipt`] is sent at most once.
fn cautious_world() -> World {
    World { guarantees: "enrollment-refund".parse().unwrap(), ..world() }
}

/// Handles a batch an hour after midnight, when claims that end at midnight are over.
async fn handle(world: &World, batch: Vec<Received>) -> Vec<String> {
    handle_at(world, MIDNIGHT + Duration::from_hours(1), batch).await
}

/// Each invocation has an id of its own, as in Lambda. With the same id it would hold the claims of the one before.
async fn handle_at(world: &World, now: OffsetDateTime, batch: Vec<Received>) -> Vec<String> {
    thread_local! { static INVOCATIONS: Cell<u32> = const { Cell::new(0) } }
    let id = format!("request-{}", INVOCATIONS.replace(INVOCATIONS.get() + 1));
    world.handle(&invocation(&id, share(), now, Duration::from_mins(1)), batch).await
}

/// Whether the delay is this many seconds, less at most a quarter of jitter.
fn is_about(delay: Duration, seconds: u64) -> bool {
    let full = Duration::from_secs(seconds);
    full.mul_f64(0.75) <= delay && delay <= full
}
