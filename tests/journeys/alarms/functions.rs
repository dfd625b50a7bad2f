//! Functions that fail, are throttled or do not run, and queues for what nobody can handle.

use std::{collections::BTreeSet, time::Duration};

use journeys::{
    DeployedStack, Student, eventually,
    faults::{Faults, Service::EventBridge},
    metrics::Metric,
    operator::registrar,
    unique_id,
};
use serde_json::json;

use super::emails;

/// Each function, with a variable that it cannot start without.
const FUNCTIONS: [(&str, &str); 7] = [
    ("EnrollFunctionName", "ENROLLMENTS_TABLE"),
    ("ResumerFunctionName", "ENROLLMENTS_TABLE"),
    ("ReconcilerFunctionName", "ENROLLMENTS_TABLE"),
    ("EmailWorkerFunctionName", "EMAILS_TABLE"),
    ("HoldWatchFunctionName", "HOLDS_TABLE"),
    ("EmailFeedbackFunctionName", "EMAILS_TABLE"),
    ("AnnouncerFunctionName", "EMAILS_TABLE"),
];

const DEAD_LETTER_QUEUES: [&str; 5] = [
    "StripeEventDeadLetterQueueUrl",
    "StripeEventRuleDeadLetterQueueUrl",
    "EmailFeedbackDeadLetterQueueUrl",
    "EmailFeedbackRuleDeadLetterQueueUrl",
    "AnnouncerDeadLetterQueueUrl",
];

pub(super) async fn clean_up(stack: &DeployedStack) {
    for queue in DEAD_LETTER_QUEUES {
        stack.purge(stack.output(queue)).await;
    }
}

/// SQS's counts are samples: without this, the backlog could end between two of them.
async fn wait_until_backlog_is_published(stack: &DeployedStack) {
    let queue = stack.output("EmailQueueUrl").rsplit('/').next().unwrap_or_default();
    let visible = BTreeSet::from([Metric {
        namespace: "AWS/SQS".to_owned(),
        name: "ApproximateNumberOfMessagesVisible".to_owned(),
        dimension: Some(("QueueName".to_owned(), queue.to_owned())),
    }]);
    eventually("the size of the backlog", async || {
        stack.largest_values(&visible).await.into_values().find(|value| *value > 0.0)
    })
    .await;
}

/// Nobody ends a lowered limit and the hold of a template for two days.
async fn forget_a_limit_and_a_template(stack: &DeployedStack) {
    let template = "enrollment-refund";
    let reason = ["--reason", "a rehearsal"];
    registrar(stack, &[&["limit", "60"], &reason[..]].concat()).await.expect(0, &[]);
    registrar(stack, &[&["hold", "--template", template], &reason[..]].concat())
        .await
        .expect(0, &[]);
    for path in [&["lowered"][..], &["templates", template]] {
        stack.backdate_hold(path, Duration::from_hours(48)).await;
    }
    stack.run_hold_watch().await;
    registrar(stack, &["limit", "--reset"]).await.expect(0, &[]);
    registrar(stack, &["release", "--template", template]).await.expect(0, &[]);
}

/// The event bus refuses an event once.
async fn refuse_an_event(stack: &DeployedStack) {
    let faults = Faults::in_front_of(&stack.description.endpoint);
    let function = stack.output("AnnouncerFunctionName");
    let course = stack.create_free_course("Refused").await;
    let refusal = faults.rule(EventBridge, "PutEvents").up_to(1);
    // In a response with another status, the client would repeat the call before anybody hears of it.
    let entry = json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "a rehearsal"});
    let refusal = refusal.respond(200, json!({"FailedEntryCount": 1, "Entries": [entry]}));
    stack
        .with_environment(function, &faults.environment(), async || {
            let enrolled = stack.enroll(&Student::named("Ada Lovelace"), &course).await;
            assert_eq!(enrolled.status, 201, "{:?}", enrolled.body);
            eventually("a refused event", async || (!refusal.caught().is_empty()).then_some(()))
                .await;
        })
        .await;
}

pub(super) async fn provoke(stack: &DeployedStack) {
    for (output, variable) in FUNCTIONS {
        let function = stack.output(output);
        stack
            .with_environment(function, &[(variable, "")], async || {
                stack.try_to_invoke(output).await;
            })
            .await;
        stack.invoke_throttled(output).await;
    }
    let hold_watch = stack.output("HoldWatchFunctionName");
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")];
    stack
        .with_environment(hold_watch, &nowhere, async || {
            stack.try_to_invoke("HoldWatchFunctionName").await;
        })
        .await;
    registrar(stack, &["hold", "--reason", "a rehearsal"]).await.expect(0, &[]);
    // A backlog meanwhile.
    let student = Student::named("Ada Lovelace");
    stack.enqueue(emails::job(&unique_id("job"), &student).to_string()).await;
    let held = stack.run_hold_watch().await;
    wait_until_backlog_is_published(stack).await;
    registrar(stack, &["release"]).await.expect(0, &["a rehearsal"]);
    assert_eq!(held["emails_held"], true);
    forget_a_limit_and_a_template(stack).await;
    refuse_an_event(stack).await;
    // EventBridge and the event sources put messages there that they could not deliver.
    for queue in DEAD_LETTER_QUEUES {
        stack.put_message(stack.output(queue), "a rehearsal").await;
    }
}
