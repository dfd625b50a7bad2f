//! Dead letters, and letters that are moved back to the queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use email::{
    dead_letter::Reason,
    ledger::State,
    mailer::Outcome,
    testing::{Row, mailer::accepted},
};

use super::{cautious_world, deadlines::code, handle, handle_at, receipt};
use crate::{
    testing::world::{MIDNIGHT, job, world},
    worker::Received,
};

/// A letter of this message's job that was moved back: a new message with the letter's attributes.
fn moved_back(message: &Received, code: &str) -> Received {
    let sqs_message_id = format!("moved-{}", message.sqs_message_id);
    Received { sqs_message_id, was_letter: Some(code.to_owned()), ..message.clone() }
}

#[tokio::test(start_paused = true)]
async fn letter_that_is_moved_back_is_sent() {
    let is_fixed = Arc::new(AtomicBool::new(false));
    let fixed = is_fixed.clone();
    let world = world().deciding(move |_| {
        if fixed.load(Ordering::Relaxed) {
            accepted()
        } else {
            Outcome::Rejected(Reason::new("MessageRejected", "no"))
        }
    });
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.row("a").state, State::Failed);
    let letter = moved_back(&job("a"), "MessageRejected");

    // The cause remains: it is a letter again, once.
    assert!(handle(&world, vec![letter.clone()]).await.is_empty());
    assert!(handle(&world, vec![letter.clone()]).await.is_empty(), "its deletion was lost");
    assert_eq!((world.sent().len(), world.letters().len()), (2, 2));

    is_fixed.store(true, Ordering::Relaxed);
    let again = moved_back(&letter, "MessageRejected");
    world.ledger.calls.fail_operations(&["reopen"]);
    assert_eq!(handle(&world, vec![again.clone()]).await, ["moved-moved-m-a"]);
    world.ledger.calls.succeed();
    assert!(handle(&world, vec![again.clone()]).await.is_empty());
    assert_eq!(world.row("a").state, State::Sent);
    assert!(handle(&world, vec![again]).await.is_empty());
    assert_eq!((world.sent().len(), world.letters().len()), (3, 2), "already sent");
}

#[tokio::test(start_paused = true)]
async fn letter_that_may_have_been_sent_is_sent_again_only_if_its_template_allows_it() {
    let world = cautious_world().answering("a", Outcome::Ambiguous);
    assert!(handle(&world, vec![receipt("a")]).await.is_empty());
    let letter = moved_back(&receipt("a"), "outcome_unknown");
    assert!(handle(&world, vec![letter]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    let letters = world.letters();
    let [_, kept] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((kept.reason.code.as_str(), &kept.body), ("outcome_unknown", &receipt("a").body));
    assert_eq!(world.row("a").state, State::Unknown);

    let world = self::world();
    let row = Row { unanswered: 6, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("b", row);
    assert!(handle(&world, vec![job("b")]).await.is_empty());
    assert_eq!(world.row("b").state, State::Unknown);
    assert!(handle(&world, vec![moved_back(&job("b"), "outcome_unknown")]).await.is_empty());
    assert_eq!(world.sent(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn letter_of_an_expired_job_is_sent_after_it_is_moved_back_unless_it_has_its_own_deadline() {
    for (message, attempts) in [(code("a", 10), 0), (job("a"), 1)] {
        let world = world();
        let late = MIDNIGHT + Duration::from_hours(8 * 24);
        let first = Received { sent_at: Some(MIDNIGHT), ..message.clone() };
        assert!(handle_at(&world, late, vec![first]).await.is_empty());
        assert_eq!(world.letters()[0].reason.code, "expired");
        let letter = Received { sent_at: Some(late), ..moved_back(&message, "expired") };
        assert!(handle_at(&world, late, vec![letter]).await.is_empty());
        assert_eq!(world.sent().len(), attempts);
        assert_eq!(world.letters().len(), 2 - attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_job_that_is_enqueued_again_is_a_dead_letter_again() {
    let reason = Reason::new("MessageRejected", "no");
    let world = world().answering("a", Outcome::Rejected(reason));
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.letters().len(), 1, "the message was delivered again");

    let again = Received { sqs_message_id: "m-2".to_owned(), ..job("a") };
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![again.clone()]).await, ["m-2"]);
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![again]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
    let letters = world.letters();
    let [_, kept] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(
        (kept.reason.code.as_str(), kept.sqs_message_id.as_str()),
        ("MessageRejected", "m-2")
    );
    assert!(kept.reason.text.starts_with("the job was enqueued again"), "{}", kept.reason.text);
    assert_eq!(kept.body, job("a").body);
}

#[tokio::test(start_paused = true)]
async fn rejected_job_becomes_a_dead_letter_with_its_reason() {
    let reason = Reason::new("MessageRejected", "Address blacklisted.");
    let world = world().answering("a", Outcome::Rejected(reason.clone()));
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"], "returned while it cannot be stored");
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!((letter.job_id.as_deref(), &letter.reason), (Some("a"), &reason));
    assert_eq!(letter.attempts.count, 2);
    assert!(letter.attempts.first_at <= letter.attempts.last_at);
    assert_eq!(world.row("a").state, State::Failed);
}
