//! What an operator does with the command line, with the permissions that the template gives, and no more.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use journeys::{
    Student, World, eventually,
    operator::{FAILED, LEFT, refusing_provider, registrar, registrar_as},
    world::unique,
};
use serde_json::json;

/// A job, its id, and its recipient.
fn job() -> (String, String, String) {
    let (id, to) = (unique("job"), format!("{}@example.com", unique("recipient")));
    let job = json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."});
    (job.to_string(), id, to)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn a_refused_email_is_redriven_once_its_cause_is_mended() {
    let world = World::open_alone().await;
    let (job, id, to) = job();

    let worker = world.stack.output("EmailWorkerFunctionName");
    let provider = refusing_provider();
    world
        .with_environment(worker, &[("AWS_ENDPOINT_URL_SESV2", provider.as_str())], async || {
            world.enqueue(job.clone()).await;
            eventually("a dead letter", async || {
                let list = registrar(&world, &["dead-letters", "list"]).await;
                list.out.contains(&id).then_some(())
            })
            .await;
        })
        .await;

    registrar(&world, &["dead-letters", "list", "--reason", "MessageRejected"])
        .await
        .expect(0, &[&id, "it says that ***"])
        .never_says("@");
    let list = registrar(&world, &["dead-letters", "list", "--json"]).await;
    list.expect(0, &[r#""error_code":"MessageRejected""#]).never_says("@");
    registrar(&world, &["dead-letters", "show", &id])
        .await
        .expect(0, &[&to, "Plain text.", "error_code", "MessageRejected", "failed"]);

    // A dry run changes nothing.
    let redrive = ["dead-letters", "redrive", "--id", &id];
    let applied = ["dead-letters", "redrive", "--id", &id, "--apply"];
    for _ in 0..2 {
        registrar(&world, &redrive).await.expect(0, &["would redrive 1 letter"]);
    }
    assert!(world.emails_to(&to).await.is_empty(), "a dry run sent it");

    registrar(&world, &applied).await.expect(0, &["redriven: 1 letter"]);
    world.email_to(&to).await;
    world.only_email_to(&to).await;
    registrar(&world, &applied).await.expect(LEFT, &["no dead letter has this id"]);

    // As after a crash between putting the job on its queue and deleting the letter.
    world.give_up(job).await;
    registrar(&world, &redrive).await.expect(0, &["already sent (", "would be deleted"]);
    registrar(&world, &applied).await.expect(0, &["already sent (", "left: 0"]);
    registrar(&world, &["dead-letters", "show", &id]).await.expect(LEFT, &[]);
    world.only_email_to(&to).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn what_is_no_job_is_not_redriven_but_purged() {
    let world = World::open_alone().await;
    let poison = format!("not a job: {}", unique("poison"));
    let message_id = world.enqueue(poison.clone()).await;
    let show = ["dead-letters", "show", &message_id];
    eventually("a dead letter", async || {
        registrar(&world, &show).await.out.contains(&poison).then_some(())
    })
    .await;

    registrar(&world, &["dead-letters", "redrive", "--id", &message_id, "--apply"])
        .await
        .expect(LEFT, &["it can never be sent", "left: 1"]);
    registrar(&world, &["dead-letters", "purge", "--id", &message_id])
        .await
        .expect(0, &["would delete 1 letter"]);
    registrar(&world, &show).await.expect(0, &[&poison, "malformed_job"]);
    registrar(&world, &["dead-letters", "purge", "--id", &message_id, "--apply"])
        .await
        .expect(0, &["deleted: 1 letter"]);
    registrar(&world, &show).await.expect(LEFT, &[]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn many_letters_are_gone_through_at_once() {
    let world = World::open_alone().await;
    let ids: Vec<String> = (0..35).map(|_| unique("nothing")).collect();
    for id in &ids {
        world.give_up(format!("{{\"id\": \"{id}\"}}")).await;
    }
    let counted =
        registrar(&world, &["dead-letters", "list", "--reason", "too_many_receives"]).await;
    counted.expect(0, &["too_many_receives"]);
    let lines = counted.out.lines().filter(|line| line.contains("  too_many_receives  ")).count();
    assert_eq!(lines, ids.len(), "{counted:?}");
    registrar(&world, &["dead-letters", "purge", "--reason", "too_many_receives", "--apply"])
        .await
        .expect(0, &["deleted: 35 letters; left: 0"]);
    registrar(&world, &["dead-letters", "list", "--reason", "too_many_receives"])
        .await
        .expect(0, &["0 letters"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn while_it_is_held_an_email_waits_and_is_then_sent_once() {
    let world = World::open_alone().await;
    let course = world.open_course("While It Is Held").await;
    let student = Student::named("Ada Lovelace");

    registrar(&world, &["hold", "--reason", "moving house"])
        .await
        .expect(0, &["held by an operator", "moving house"]);
    let held = async {
        registrar(&world, &["holds"])
            .await
            .expect(0, &["held by an operator", "moving house", "event source  off"]);
        let answer = world.enroll(&student, &course).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        world.job_is_left_alone(&student.email).await;
    };
    let outcome = AssertUnwindSafe(held).catch_unwind().await;
    // Also where that failed, or the journeys after this one would fail for its reason.
    let released = registrar(&world, &["release"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));

    released.expect(0, &["ended:", "moving house"]);
    world.email_to(&student.email).await;
    world.only_email_to(&student.email).await;
    registrar(&world, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    registrar(&world, &["release"]).await.expect(0, &["nothing was held"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn others_are_told_what_they_lack() {
    let world = World::open().await;
    let catalogue_keeper = &world.stack.operator;
    for command in [&["dead-letters", "list"][..], &["holds"]] {
        let ran = registrar_as(&world, catalogue_keeper, command).await;
        ran.expect(FAILED, &[]);
        assert!(ran.err.contains("access denied"), "{ran:?}");
    }
    let ran = registrar(&world, &["holds", "--stack", "no-such-stack"]).await;
    ran.expect(FAILED, &[]);
}
