//! The operator's command, with only the permissions of the template's policy.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use journeys::{
    DeployedStack, Student, eventually,
    operator::{AWS_FAILED, LETTERS_LEFT, NEEDS_PERSON, registrar, registrar_as},
    refusing_provider, unique_id,
};
use serde_json::json;

/// A job, its id, and its recipient's address.
fn job() -> (String, String, String) {
    let (id, to) = (unique_id("job"), format!("{}@example.com", unique_id("recipient")));
    let job = json!({"v": 1, "id": id, "to": to, "subject": "A plain job", "text": "Plain text."});
    (job.to_string(), id, to)
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn rejected_email_is_sent_by_a_redrive_after_its_cause_is_fixed() {
    let stack = DeployedStack::exclusive().await;
    let (job, id, to) = job();

    let worker = stack.output("EmailWorkerFunctionName");
    let provider = refusing_provider::start();
    stack
        .with_environment(worker, &[("AWS_ENDPOINT_URL_SESV2", provider.as_str())], async || {
            stack.enqueue(job.clone()).await;
            eventually("a dead letter", async || {
                let list = registrar(&stack, &["dead-letters", "list"]).await;
                list.out.contains(&id).then_some(())
            })
            .await;
        })
        .await;

    registrar(&stack, &["dead-letters", "list", "--reason", "MessageRejected"])
        .await
        .expect(0, &[&id, "it says that ***"])
        .expect_without("@");
    let list = registrar(&stack, &["dead-letters", "list", "--json"]).await;
    list.expect(0, &[r#""error_code":"MessageRejected""#]).expect_without("@");
    registrar(&stack, &["dead-letters", "show", &id])
        .await
        .expect(0, &[&to, "Plain text.", "error_code", "MessageRejected", "failed"]);

    // A dry run changes nothing.
    let redrive = ["dead-letters", "redrive", "--id", &id];
    let applied = ["dead-letters", "redrive", "--id", &id, "--apply"];
    for _ in 0..2 {
        registrar(&stack, &redrive).await.expect(0, &["would redrive 1 letter"]);
    }
    assert!(stack.emails_to(&to).await.is_empty(), "the dry run sent the email");

    registrar(&stack, &applied).await.expect(0, &["redriven: 1 letter"]);
    stack.wait_for_email_to(&to).await;
    stack.only_email_to(&to).await;
    registrar(&stack, &applied).await.expect(LETTERS_LEFT, &["no dead letter has this id"]);

    // As after a crash between putting the job on its queue and deleting the dead letter.
    stack.put_dead_letter(job).await;
    registrar(&stack, &redrive).await.expect(0, &["already sent (", "would be deleted"]);
    registrar(&stack, &applied).await.expect(0, &["already sent (", "left: 0"]);
    registrar(&stack, &["dead-letters", "show", &id]).await.expect(LETTERS_LEFT, &[]);
    stack.only_email_to(&to).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn dead_letter_is_sent_if_it_is_moved_back_and_kept_again_if_only_its_body_is_enqueued() {
    let stack = DeployedStack::exclusive().await;
    let (job, id, to) = job();
    let worker = stack.output("EmailWorkerFunctionName");
    let provider = refusing_provider::start();
    let letter = stack
        .with_environment(worker, &[("AWS_ENDPOINT_URL_SESV2", provider.as_str())], async || {
            stack.enqueue(job.clone()).await;
            stack.take_dead_letter(&id).await
        })
        .await;

    // The letter was purged, and the ledger still has the job as failed.
    stack.enqueue(job.clone()).await;
    let again = stack.take_dead_letter(&id).await;
    assert_eq!(again.attribute("error_code"), "MessageRejected");
    assert!(again.attribute("reason").contains("enqueued again"), "{again:?}");
    assert_eq!(again.body, letter.body);
    assert!(stack.emails_to(&to).await.is_empty(), "it was sent");

    stack.move_back(&again).await;
    stack.wait_for_email_to(&to).await;
    stack.wait_until_not_queued(&id).await;
    stack.only_email_to(&to).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn enrollment_that_cannot_be_read_is_put_off_and_listed() {
    let stack = DeployedStack::shared().await;
    let student_id = unique_id("student");
    stack.put_unreadable_enrollment(&student_id).await;
    // This run finds it, or one of another journey did before.
    let report = stack.run_resumer().await;
    assert!(report["enrollments"]["unreadable"].is_u64(), "{report}");
    registrar(&stack, &["enrollment", "list", "--stuck"])
        .await
        .expect(0, &[&student_id, "unreadable"])
        .expect_without("@");
    registrar(&stack, &["enrollment", "list", "--overdue", "--json"])
        .await
        .expect(0, &[&student_id, r#""state":"unreadable""#]);
    let status = ["status", "--api-url", &stack.description.api_url];
    registrar_as(&stack, &stack.description.reader, &status)
        .await
        .expect(NEEDS_PERSON, &["needs a person\n", "`registrar enrollment list --stuck`"])
        .expect_without("@");
    stack.delete_unreadable_enrollment(&student_id).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn dead_letter_that_is_not_a_job_cannot_be_redriven_and_can_be_purged() {
    let stack = DeployedStack::exclusive().await;
    let poison = format!("not a job: {}", unique_id("poison"));
    let message_id = stack.enqueue(poison.clone()).await;
    let show = ["dead-letters", "show", &message_id];
    eventually("a dead letter", async || {
        registrar(&stack, &show).await.out.contains(&poison).then_some(())
    })
    .await;

    registrar(&stack, &["dead-letters", "redrive", "--id", &message_id, "--apply"])
        .await
        .expect(LETTERS_LEFT, &["it can never be sent", "left: 1"]);
    registrar(&stack, &["dead-letters", "purge", "--id", &message_id])
        .await
        .expect(0, &["would delete 1 letter"]);
    registrar(&stack, &show).await.expect(0, &[&poison, "malformed_job"]);
    registrar(&stack, &["dead-letters", "purge", "--id", &message_id, "--apply"])
        .await
        .expect(0, &["deleted: 1 letter"]);
    registrar(&stack, &show).await.expect(LETTERS_LEFT, &[]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn purge_by_reason_deletes_all_dead_letters_with_that_reason() {
    let stack = DeployedStack::exclusive().await;
    let ids: Vec<String> = (0..35).map(|_| unique_id("nothing")).collect();
    for id in &ids {
        stack.put_dead_letter(format!("{{\"id\": \"{id}\"}}")).await;
    }
    let listed =
        registrar(&stack, &["dead-letters", "list", "--reason", "too_many_receives"]).await;
    listed.expect(0, &["too_many_receives"]);
    let lines = listed.out.lines().filter(|line| line.contains("  too_many_receives  ")).count();
    assert_eq!(lines, ids.len(), "{listed:?}");
    let list = ["dead-letters", "list", "--json", "--reason", "too_many_receives"];
    let oldest = registrar(&stack, &[&list[..], &["--since", "1h", "--limit", "5"]].concat()).await;
    oldest.expect(0, &["kept_at"]);
    assert_eq!(oldest.out.lines().count(), 5, "{oldest:?}");
    assert!(oldest.err.contains("note: 30 letters beyond --limit"), "{oldest:?}");
    let earlier = registrar(&stack, &[&list[..], &["--until", "1h"]].concat()).await;
    assert!(earlier.out.is_empty(), "{earlier:?}");

    registrar(&stack, &["dead-letters", "purge", "--reason", "too_many_receives", "--apply"])
        .await
        .expect(0, &["deleted: 35 letters; left: 0"]);
    registrar(&stack, &["dead-letters", "list", "--reason", "too_many_receives"])
        .await
        .expect(0, &["0 letters"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn email_during_an_operators_hold_waits_and_is_sent_once_after_it() {
    let stack = DeployedStack::exclusive().await;
    let course = stack.create_free_course("While It Is Held").await;
    let student = Student::named("Ada Lovelace");

    registrar(&stack, &["hold", "--reason", "moving house"])
        .await
        .expect(0, &["held by an operator", "moving house"]);
    let held = async {
        registrar(&stack, &["holds"])
            .await
            .expect(0, &["held by an operator", "moving house", "event source  off"]);
        let response = stack.enroll(&student, &course).await;
        assert_eq!(response.status, 201, "{:?}", response.body);
        stack.assert_job_is_not_received(&student.email).await;
    };
    let outcome = AssertUnwindSafe(held).catch_unwind().await;
    // Even if it failed. Otherwise the journeys after it would fail for the same reason.
    let released = registrar(&stack, &["release"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));

    released.expect(0, &["ended:", "moving house"]);
    stack.wait_for_email_to(&student.email).await;
    stack.only_email_to(&student.email).await;
    registrar(&stack, &["holds"]).await.expect(0, &["nothing is held", "event source  on"]);
    registrar(&stack, &["release"]).await.expect(0, &["nothing was held"]);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn command_without_the_policy_reports_access_denied() {
    let stack = DeployedStack::shared().await;
    // A caller may not find the stack. An operator of courses may, and nothing behind it.
    for credentials in [&stack.description.caller, &stack.description.operator] {
        for command in [&["dead-letters", "list"][..], &["holds"]] {
            let output = registrar_as(&stack, credentials, command).await;
            output.expect(AWS_FAILED, &[]);
            let err = output.err.to_lowercase().replace(' ', "");
            assert!(err.contains("accessdenied"), "{output:?}");
        }
    }
    let output = registrar(&stack, &["holds", "--stack", "no-such-stack"]).await;
    output.expect(AWS_FAILED, &[]);
}
