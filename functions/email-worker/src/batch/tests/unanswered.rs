//! Attempts without a response.

use std::time::Duration;

use email::{
    feedback::{Event, Feedback, RecordFeedback},
    ledger::State,
    mailer::Outcome,
    testing::Row,
};

use super::{handle, handle_at, is_about, transient};
use crate::testing::world::{MIDNIGHT, job, world};

#[tokio::test(start_paused = true)]
async fn ambiguous_attempt_keeps_its_claim_until_the_claim_ends() {
    let world = world().answering("a", Outcome::Ambiguous);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    let delay = world.delays()["m-a"];
    assert!(is_about(delay, 120) && delay > Duration::from_secs(89), "{delay:?}");
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["a"], "no attempt while the claim is in force");
}

#[tokio::test(start_paused = true)]
async fn attempts_without_an_answer_back_off_and_end_as_a_dead_letter() {
    let world = world().answering("a", Outcome::Ambiguous);
    let mut now = MIDNIGHT + Duration::from_hours(1);
    for (unanswered, delay) in (1..).zip([120, 240, 480, 960, 1920]) {
        assert_eq!(handle_at(&world, now, vec![job("a")]).await, ["m-a"]);
        assert!(is_about(world.delays()["m-a"], delay), "{unanswered}: {:?}", world.delays());
        assert_eq!(world.row("a").unanswered, unanswered);
        now += world.delays()["m-a"];
    }
    assert!(handle_at(&world, now, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"; 6]);
    let row = world.row("a");
    assert_eq!((row.state, row.unanswered, row.attempts), (State::Unknown, 6, 6));
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!(letter.reason.code, "outcome_unknown");
    assert_eq!(letter.reason.text, "6 attempts had no answer, or their workers died");
}

#[tokio::test(start_paused = true)]
async fn job_whose_workers_die_six_times_is_parked_without_another_attempt() {
    let world = world();
    let row = Row { unanswered: 6, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("a", row);
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    world.dead_letters.calls.succeed();
    let later = MIDNIGHT + Duration::from_hours(2);
    assert!(handle_at(&world, later, vec![job("a")]).await.is_empty());
    assert!(world.sent().is_empty());
    assert_eq!(world.row("a").state, State::Unknown);
    assert_eq!(world.letters()[0].reason.code, "outcome_unknown");
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_counted_as_missing() {
    let world = world().answering("a", transient());
    for _ in 0..8 {
        assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
        assert_eq!(world.row("a").unanswered, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn event_that_settles_an_attempt_without_an_answer_prevents_the_next() {
    let world = world().answering("a", Outcome::Ambiguous);
    handle(&world, vec![job("a")]).await;
    let sent = Feedback {
        job_id: Some("a".parse().unwrap()),
        ses_message_id: "m".to_owned(),
        sent_at: MIDNIGHT,
        at: MIDNIGHT,
        recipients: Vec::new(),
        event: Event::Sent,
    };
    world.ledger.record(&"a".parse().unwrap(), &sent, MIDNIGHT).await.unwrap();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}
