//! Every sample of a batch, and every mix of outcomes.

use std::collections::HashMap;

use email::{
    dead_letter::Reason, hold::HoldCause, ledger::State, mailer::Outcome, testing::mailer::accepted,
};
use proptest::prelude::*;

use super::{handle, transient};
use crate::{
    testing::world::{job, world},
    worker::Received,
};

/// The messages of a sample event, read as the handler reads them.
fn sample(file: &std::path::Path) -> Vec<Received> {
    let event = std::fs::read_to_string(file).unwrap();
    let event: aws_lambda_events::sqs::SqsEvent = serde_json::from_str(&event).unwrap();
    event.records.into_iter().map(|record| crate::handler::received(record).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_sample_batch_is_handled() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut handled = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (sent, dead) = match name.as_str() {
            "emails" => (3, 0),
            "emails-with-poison" => (2, 1),
            "emails-with-duplicate" => (1, 0),
            _ => {
                assert!(!name.starts_with("emails"), "{name} is read by no test");
                continue;
            }
        };
        let world = world();
        assert!(handle(&world, sample(&path)).await.is_empty(), "{name}");
        assert_eq!(world.sent().len(), sent, "{name}");
        assert_eq!(world.letters().len(), dead, "{name}");
        handled += 1;
    }
    assert_eq!(handled, 3);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(accepted()),
        1 => Just(Outcome::Throttled),
        1 => Just(Outcome::Held(HoldCause::SendingPaused)),
        2 => Just(transient()),
        1 => Just(Outcome::Unknown { code: "Novel".to_owned() }),
        2 => Just(Outcome::Ambiguous),
        2 => Just(Outcome::Rejected(Reason::new("MessageRejected", "no"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every message is acknowledged or returned. An acknowledged job was accepted or is a dead letter.
    /// A job has at most one attempt per invocation.
    #[test]
    fn no_message_is_lost_and_no_job_is_attempted_twice_in_an_invocation(
        jobs in proptest::collection::vec((0_usize..12, outcome()), 1..40),
        dead_letters_down: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = world();
            if dead_letters_down {
                world.dead_letters.calls.fail();
            }
            let (mut batch, mut answers) = (Vec::new(), HashMap::new());
            for (n, (id, outcome)) in jobs.iter().enumerate() {
                let id = format!("job-{id}");
                let first = !answers.contains_key(&id);
                answers.entry(id.clone()).or_insert_with(|| outcome.clone());
                if first {
                    world = world.answering(&id, outcome.clone());
                }
                batch.push(Received { sqs_message_id: format!("{n}/{id}"), ..job(&id) });
            }
            let ids: Vec<String> = batch.iter().map(|m| m.sqs_message_id.clone()).collect();
            let failures = handle(&world, batch).await;
            prop_assert_eq!(failures.len(), world.delays().len());

            let mut sent = world.sent();
            let attempts = sent.len();
            sent.sort();
            sent.dedup();
            prop_assert_eq!(sent.len(), attempts, "a job had two attempts");

            for sqs_message_id in ids.iter().filter(|id| !failures.contains(id)) {
                let job_id = sqs_message_id.split_once('/').unwrap().1;
                prop_assert!(sent.iter().any(|id| id == job_id), "{} was lost", job_id);
                let done = match &answers[job_id] {
                    Outcome::Accepted { .. } => State::Sent,
                    Outcome::Rejected(_) if !dead_letters_down => State::Failed,
                    other => return Err(TestCaseError::fail(format!("{other:?} was acknowledged"))),
                };
                prop_assert_eq!(world.row(job_id).state, done);
            }
            Ok(())
        })?;
    }
}
