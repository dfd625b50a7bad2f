//! Bodies: jobs of every release, duplicates, and bodies that are not jobs.

use email::{
    dead_letter::Reason,
    ledger::State,
    mailer::Outcome,
    testing::{Row, mailer::accepted},
};

use super::{handle, handle_at, transient};
use crate::{
    testing::world::{MIDNIGHT, job, message, world},
    worker::Received,
};

#[tokio::test(start_paused = true)]
async fn malformed_job_becomes_a_dead_letter_and_the_others_are_sent() {
    let world = world();
    let batch = vec![job("a"), message("m-poison", "{"), job("b")];
    assert!(handle(&world, batch).await.is_empty());
    assert_eq!(world.sent(), ["a", "b"]);
    let [letter] = &world.letters()[..] else { panic!("{:?}", world.letters()) };
    assert_eq!((letter.sqs_message_id.as_str(), letter.job_id.as_ref()), ("m-poison", None));
    let reason = Reason::new("malformed_job", "the body is not JSON (line 1, column 1)");
    assert_eq!((&letter.reason, letter.attempts.count), (&reason, 1));
}

#[tokio::test(start_paused = true)]
async fn duplicate_job_is_sent_once_and_both_messages_get_the_same_verdict() {
    let world = world().answering("b", transient());
    let again = |id: &str| Received { sqs_message_id: format!("again-{id}"), ..job(id) };
    let batch = vec![job("a"), again("a"), job("b"), again("b")];
    let mut failures = handle(&world, batch).await;
    failures.sort();
    assert_eq!(world.sent(), ["a", "b"]);
    assert_eq!(failures, ["again-b", "m-b"]);
    assert!(handle(&world, vec![again("a")]).await.is_empty(), "acknowledged");
    assert_eq!(world.sent(), ["a", "b"], "the redelivery used no permit");
}

#[tokio::test(start_paused = true)]
async fn another_email_under_the_same_id_is_a_dead_letter_at_once_and_later() {
    let email = |sqs_message_id: &str, to: &str, text: &str| {
        let body = format!(
            r#"{{"v":1,"id":"w-42","to":"{to}@example.com","subject":"A","text":"{text}"}}"#
        );
        message(sqs_message_id, &body)
    };
    let (a, b) = (email("m-a", "ada", "a"), email("m-b", "bob", "b"));
    let same_recipient = email("m-c", "ada", "c");
    for outcome in [accepted(), transient(), Outcome::Ambiguous] {
        let world = world().answering("w-42", outcome.clone());
        let again = Received { sqs_message_id: "m-a2".to_owned(), ..a.clone() };
        let batch = vec![a.clone(), b.clone(), same_recipient.clone(), again];
        let returned = handle(&world, batch).await.len();
        assert_eq!(returned, if outcome == accepted() { 0 } else { 2 });
        assert_eq!(world.sent(), ["w-42"]);
        let letters = world.letters();
        let ids: Vec<_> = letters.iter().map(|letter| letter.sqs_message_id.as_str()).collect();
        assert_eq!(ids, ["m-b", "m-c"]);
        for letter in &letters {
            assert_eq!(letter.reason.code, "id_reused");
            assert_eq!(letter.job_id.as_deref(), Some("w-42"));
        }
        assert_eq!(letters[0].body, b.body);

        assert!(handle(&world, vec![b.clone()]).await.is_empty());
        assert_eq!(world.letters().len(), 3, "never acknowledged in silence");
        assert_eq!(world.sent(), ["w-42"]);
    }
}

#[tokio::test(start_paused = true)]
async fn email_under_a_reused_id_is_returned_until_it_is_a_dead_letter() {
    let world = world();
    handle(&world, vec![job("a")]).await;
    let other = message("m-b", &job("a").body.replace("Hello", "Something else"));
    world.dead_letters.calls.fail();
    assert_eq!(handle(&world, vec![other.clone()]).await, ["m-b"]);
    world.dead_letters.calls.succeed();
    assert!(handle(&world, vec![other]).await.is_empty());
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn job_whose_ledger_entry_is_of_an_earlier_version_is_sent() {
    let world = world();
    let row = Row { content: None, ..Row::claimed("another's", MIDNIGHT, MIDNIGHT) };
    world.ledger.rows().insert("a", row);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    assert_eq!(world.sent(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn job_that_is_too_large_to_be_kept_with_its_reason_is_a_dead_letter_now() {
    let world = world();
    let body = job("a").body.replace("Hello", &"x".repeat(email::job::MAX_JOB_BYTES));
    assert!(handle(&world, vec![message("m-a", &body)]).await.is_empty());
    let [letter] = &world.letters()[..] else { panic!("{}", world.letters().len()) };
    assert_eq!(letter.reason.code, "job_too_large");
    assert_eq!(letter.reason.text, "the body is larger than 1040384 bytes");
    assert_eq!(letter.body, body);
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn job_id_with_dots_number_as_a_float_and_byte_order_mark_are_sent() {
    let world = world();
    let body = r#"{"v":1,"id":"receipt.42","to":"ada@example.com","subject":"Your receipt","text":"Thank you"}"#;
    let with_mark = format!("\u{feff}{}", body.replace("receipt.42", "b"));
    let float = body.replace("receipt.42", "c").replace("\"v\":1", "\"v\":1.0");
    let batch = [("m-1", body), ("m-2", &with_mark), ("m-3", &float)];
    let batch = batch.map(|(id, body)| message(id, body)).to_vec();
    assert!(handle(&world, batch).await.is_empty());
    assert_eq!(world.sent(), ["receipt.42", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn job_that_cannot_be_rendered_is_a_dead_letter_and_uses_no_permit() {
    let unknown = r#"{"v":1,"id":"x","to":"ada@example.com","template":"novel","data":{}}"#;
    let world = world();
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters()[0].reason.code, "unknown_template");
    assert_eq!(world.row("x").state, State::Failed);
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.letters().len(), 1, "kept once");
    assert!(world.sent().is_empty());
}

/// The jobs of an earlier release, as its producers wrote them.
fn released_jobs(file: &std::path::Path) -> Vec<Received> {
    let jobs = std::fs::read_to_string(file).unwrap();
    let jobs = jobs.lines().enumerate();
    jobs.map(|(n, body)| message(&format!("m-{n}"), body)).collect()
}

#[tokio::test(start_paused = true)]
async fn jobs_of_every_earlier_release_are_sent() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    let mut releases = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let jobs = released_jobs(&file);
        let world = world();
        assert!(handle(&world, jobs.clone()).await.is_empty(), "{file:?}");
        assert_eq!(world.sent().len(), jobs.len(), "{file:?}");
        assert!(world.letters().is_empty(), "{file:?}");
        releases += 1;
    }
    assert!(releases > 0);
}

/// Jobs that a later release may be able to send, with the reasons that this one cannot.
fn later_jobs() -> [(&'static str, Received); 4] {
    let job = |n: u8, rest: &str| {
        let body = format!(r#"{{"id":"new-{n}","to":"ada@example.com",{rest}}}"#);
        Received { first_received_at: Some(MIDNIGHT), ..message(&format!("m-{n}"), &body) }
    };
    [
        ("unknown_version", job(1, r#""v":2,"channel":"push","message":{"title":"Hi"}"#)),
        ("unknown_template", job(2, r#""v":1,"template":"novel","data":{"x":1}"#)),
        (
            "invalid_data",
            job(3, r#""v":1,"template":"enrollment-refund","data":{"student":{"name":"Ada"}}"#),
        ),
        ("unknown_version", job(4, r#""v":1.5,"subject":"s","text":"t""#)),
    ]
}

#[tokio::test(start_paused = true)]
async fn job_of_a_later_release_waits_for_half_an_hour_before_it_is_a_dead_letter() {
    for (code, first) in later_jobs() {
        let world = world();
        let (mut now, mut receives) = (MIDNIGHT, 1);
        while handle_at(&world, now, vec![Received { receives, ..first.clone() }]).await.len() == 1
        {
            assert!(world.letters().is_empty(), "{code} at {now}");
            // A new worker may claim it at once.
            assert!(world.ledger.rows().iter().all(|(_, row)| row.attempts == 0), "{code}");
            now += world.delays()[&first.sqs_message_id];
            receives += 1;
        }
        let waited = (now - MIDNIGHT).whole_seconds();
        assert!((29 * 60 + 59..=30 * 60).contains(&waited), "{code}: {waited} s");
        assert!(receives < 12, "{code}: {receives}");
        assert_eq!(world.letters()[0].reason.code, code);
        assert!(world.sent().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn job_that_no_release_can_send_is_a_dead_letter_at_once() {
    for body in ["this is not a job", "[]", "{}", r#"{"v":1,"to":"ada@example.com"}"#] {
        let world = world();
        let first = Received { first_received_at: Some(MIDNIGHT), ..message("m", body) };
        assert!(handle_at(&world, MIDNIGHT, vec![first]).await.is_empty(), "{body}");
        assert_eq!(world.letters()[0].reason.code, "malformed_job");
    }
}
