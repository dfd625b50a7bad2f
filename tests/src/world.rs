//! A journey's view of a deployed stack.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{Message, QueueAttributeName, SendMessageBatchRequestEntry};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

use crate::{
    Answer, Email, Signer,
    feedback::told_of,
    http::Http,
    outside::{Emulator, QueuedMessage, eventually},
    stack::{Credentials, Stack},
};

/// Journeys run side by side, except for the ones that break something.
static DOOR: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

enum Admission {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// A deployed stack, and what a journey does with it.
pub struct World {
    /// The stack.
    pub stack: Stack,
    /// Signs as a trusted backend.
    pub caller: Signer,
    /// Signs as an operator.
    pub operator: Signer,
    pub(crate) http: Http,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) emulator: Emulator,
    admission: Admission,
}

/// Somebody whom no other journey knows.
#[derive(Debug, Clone)]
pub struct Student {
    /// The platform's id.
    pub id: String,
    /// The address, which tells this journey's emails from others'.
    pub email: String,
    /// The name.
    pub name: String,
}

impl Student {
    /// A student of that name.
    pub fn named(name: &str) -> Self {
        let id = unique("student");
        Self { email: format!("{id}@example.com"), id, name: name.to_owned() }
    }

    /// What a backend posts to enroll the student.
    pub fn enrolls_in(&self, course_id: &str) -> Value {
        json!({
            "student_id": self.id,
            "course_id": course_id,
            "email": self.email,
            "name": self.name,
        })
    }
}

/// An id that nothing else has.
pub fn unique(kind: &str) -> String {
    format!("{kind}-{}", Uuid::now_v7().simple())
}

impl World {
    /// The stack, which other journeys use at the same time.
    pub async fn open() -> Self {
        let guard = Arc::clone(&DOOR).read_owned().await;
        Self::admit(Admission::Shared { _guard: guard }).await
    }

    /// The stack, for a journey that breaks something the others need.
    pub async fn open_alone() -> Self {
        let guard = Arc::clone(&DOOR).write_owned().await;
        Self::admit(Admission::Alone { _guard: guard }).await
    }

    async fn admit(admission: Admission) -> Self {
        let stack = Stack::load();
        let http = Http::default();
        let config = sdk(&stack, &stack.root).await;
        Self {
            caller: api_signer(&stack, &stack.caller),
            operator: api_signer(&stack, &stack.operator),
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            emulator: Emulator { http: http.clone(), endpoint: stack.endpoint.clone() },
            http,
            stack,
            admission,
        }
    }

    /// Calls the API.
    pub async fn call(
        &self,
        signer: impl Into<Option<&Signer>>,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let url = format!("{}{path}", self.stack.api_url);
        self.http.send(signer.into(), method, &url, body).await
    }

    /// Calls the API without a signature of AWS's, but with a header.
    pub async fn call_with(
        &self,
        method: &str,
        path: &str,
        header: (&'static str, &str),
        body: impl Into<Bytes>,
    ) -> Answer {
        self.http.send_with(method, &format!("{}{path}", self.stack.api_url), header, body).await
    }

    /// Enrolls a student, as a trusted backend does.
    pub async fn enroll(&self, student: &Student, course_id: &str) -> Answer {
        let body = student.enrolls_in(course_id).to_string();
        self.call(&self.caller, "POST", "/enrollments", body).await
    }

    /// Puts a free and open course of that title into the catalogue, and returns its id.
    pub async fn open_course(&self, title: &str) -> String {
        self.course(json!({"title": title, "price": 0, "currency": "USD", "state": "open"})).await
    }

    /// Puts a course into the catalogue, and returns its id.
    pub async fn course(&self, course: Value) -> String {
        let id = unique("course");
        let path = format!("/courses/{id}");
        let answer = self.call(&self.operator, "PUT", &path, course.to_string()).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        id
    }

    /// Puts a message on the email queue, and returns the queue's id of it.
    pub async fn enqueue(&self, body: impl Into<String>) -> String {
        let sent = self
            .sqs
            .send_message()
            .queue_url(self.stack.output("EmailQueueUrl"))
            .message_body(body)
            .send()
            .await
            .expect("the queue takes messages");
        sent.message_id.expect("a message has an id")
    }

    /// Puts messages on the email queue in one request, so that workers get them together.
    pub async fn enqueue_together(&self, bodies: &[String]) {
        self.put_together(self.stack.output("EmailQueueUrl"), bodies).await;
    }

    /// Puts messages on a queue in one request.
    pub(crate) async fn put_together(&self, queue: &str, bodies: &[String]) {
        let entries = bodies.iter().enumerate().map(|(number, body)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body)
                .build()
                .expect("an entry has an id and a body")
        });
        let sent = self
            .sqs
            .send_message_batch()
            .queue_url(queue)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .expect("the queue takes messages");
        assert!(sent.failed.is_empty(), "{:?}", sent.failed);
    }

    /// Waits for an email to a recipient. [`World::only_email_to`] shows that there is no other.
    pub async fn email_to(&self, recipient: &str) -> Email {
        eventually(&format!("an email to {recipient}"), async || {
            self.emulator.emails_to(recipient).await.into_iter().next()
        })
        .await
    }

    /// Waits until no job that mentions the recipient is left, and returns the emails that came of it.
    pub async fn emails_to(&self, recipient: &str) -> Vec<Email> {
        self.queue_forgets(recipient).await;
        self.emulator.emails_to(recipient).await
    }

    /// Waits until no job that mentions the recipient is left, and returns the email that came of it,
    /// which is the only one.
    pub async fn only_email_to(&self, recipient: &str) -> Email {
        let emails = self.emails_to(recipient).await;
        let [email] = emails.try_into().unwrap_or_else(|emails: Vec<Email>| {
            panic!("{} emails to {recipient} instead of one: {emails:#?}", emails.len())
        });
        email
    }

    /// The emails that SES has accepted so far for recipients whose addresses mention this.
    pub async fn emails_mentioning(&self, mention: &str) -> Vec<Email> {
        let mut emails = self.emulator.emails().await;
        emails.retain(|email| email.to.iter().any(|to| to.contains(mention)));
        emails
    }

    /// The messages of the email queue, waiting or in work, that mention this.
    pub async fn queued(&self, mention: &str) -> Vec<QueuedMessage> {
        self.emulator.messages(self.stack.output("EmailQueueUrl"), mention).await
    }

    /// Waits until the email queue holds nothing, neither waiting nor in work, that mentions this.
    pub async fn queue_forgets(&self, mention: &str) {
        let queue = self.stack.output("EmailQueueUrl");
        eventually(&format!("an email queue without {mention}"), async || {
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until a worker has had the job that mentions this, and has put it off for so long at most.
    pub async fn job_is_put_off(&self, mention: &str, at_most: Duration) {
        let queue = self.stack.output("EmailQueueUrl");
        eventually(&format!("the job with {mention} put off"), async || {
            let messages = self.emulator.messages(queue, mention).await;
            let hidden = messages.iter().find_map(QueuedMessage::hidden_for)?;
            (hidden <= at_most).then_some(())
        })
        .await;
    }

    /// Puts a message on the dead-letter queue, as the email queue itself does with what is received too
    /// often.
    pub async fn give_up(&self, body: impl Into<String>) {
        self.sqs
            .send_message()
            .queue_url(self.stack.output("EmailDeadLetterQueueUrl"))
            .message_body(body)
            .send()
            .await
            .expect("the dead-letter queue takes messages");
    }

    /// That no worker takes the job which mentions this, though it has been on its queue for long enough.
    ///
    /// Long enough is told by the feedback queue, whose messages are taken by the same rounds of the local
    /// AWS: one that was put there later has been taken, and so has one that was put there after that, so
    /// that a whole round lies between.
    pub async fn job_is_left_alone(&self, mention: &str) {
        for _ in 0..2 {
            let witness = unique("witness");
            self.tell(&[told_of("delivered", &witness, &Student::named("Nobody"))]).await;
            self.feedback_is_taken(&witness).await;
        }
        let messages = self.emulator.messages(self.stack.output("EmailQueueUrl"), mention).await;
        assert_eq!(messages.len(), 1, "the job with {mention} is not on its queue");
        assert!(!messages.iter().any(QueuedMessage::was_received), "{messages:?}");
    }

    /// Waits for the dead letter whose body mentions this, and takes it off its queue.
    pub async fn dead_letter(&self, mention: &str) -> DeadLetter {
        let message = eventually(&format!("a dead letter with {mention}"), async || {
            let mut messages = self.look_at_dead_letters().await.into_iter();
            messages.find(|message| message.body().is_some_and(|body| body.contains(mention)))
        })
        .await;
        self.take_off(message).await
    }

    /// The dead letters whose bodies mention this, taken off their queue.
    pub async fn dead_letters(&self, mention: &str) -> Vec<DeadLetter> {
        let queue = self.stack.output("EmailDeadLetterQueueUrl");
        let mut letters = Vec::new();
        eventually(&format!("a dead-letter queue without {mention}"), async || {
            for message in self.look_at_dead_letters().await {
                if message.body().is_some_and(|body| body.contains(mention)) {
                    letters.push(self.take_off(message).await);
                }
            }
            self.emulator.messages(queue, mention).await.is_empty().then_some(())
        })
        .await;
        letters
    }

    async fn look_at_dead_letters(&self) -> Vec<Message> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(self.stack.output("EmailDeadLetterQueueUrl"))
            .max_number_of_messages(10)
            .message_attribute_names("All")
            // Long enough for the next look to see what was behind these, and short enough for
            // the journeys whose letters these are.
            .visibility_timeout(1)
            .send()
            .await
            .expect("the dead-letter queue can be read");
        received.messages.unwrap_or_default()
    }

    async fn take_off(&self, message: Message) -> DeadLetter {
        self.sqs
            .delete_message()
            .queue_url(self.stack.output("EmailDeadLetterQueueUrl"))
            .set_receipt_handle(message.receipt_handle.clone())
            .send()
            .await
            .expect("a dead letter can be taken off its queue");
        message.into()
    }

    /// The item of an enrollment, as it is in the table.
    pub async fn enrollment_item(
        &self,
        student: &Student,
        course_id: &str,
    ) -> HashMap<String, AttributeValue> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(self.stack.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .expect("the table can be read");
        found.item.expect("the enrollment is in the table")
    }

    /// Enrolls a student in a course with a price.
    pub async fn buy(&self, student: &Student, course_id: &str, method: &str) -> Answer {
        let mut body = student.enrolls_in(course_id);
        body["payment_method"] = json!(method);
        self.call(&self.caller, "POST", "/enrollments", body.to_string()).await
    }

    /// What the API says of an enrollment.
    pub async fn enrollment(&self, student: &Student, course_id: &str) -> Value {
        let path = format!("/enrollments/{course_id}?student_id={}", student.id);
        let answer = self.call(&self.caller, "GET", &path, "").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body["data"].clone()
    }

    /// Makes an enrollment overdue, as waiting would, and runs the resumer.
    pub async fn resume(&self, student: &Student, course_id: &str) {
        self.dynamodb
            .update_item()
            .table_name(self.stack.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .update_expression("SET resume_at = :past")
            .condition_expression("attribute_exists(resume_at)")
            .expression_attribute_values(":past", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .expect("the enrollment has a resume_at");
        let report = self.run_resumer().await;
        assert!(report["enrollments"]["finished"].is_u64(), "{report}");
    }

    /// Runs the resumer, as its schedule does each minute, and returns its report.
    pub async fn run_resumer(&self) -> Value {
        self.invoke("ResumerFunctionName").await
    }

    /// Runs hold-watch, as its schedule does each minute, and returns its report.
    pub async fn run_hold_watch(&self) -> Value {
        self.invoke("HoldWatchFunctionName").await
    }

    /// Invokes the function that this output of the template names.
    async fn invoke(&self, output: &str) -> Value {
        let url = format!(
            "{}/2015-03-31/functions/{}/invocations",
            self.stack.endpoint,
            self.stack.output(output)
        );
        let answer = self.http.send(Some(&self.lambda()), "POST", &url, "{}").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body
    }

    /// Sets the state of an alarm, as an operator may to rehearse what follows.
    pub async fn set_alarm(&self, alarm: &str, state: &str) {
        let query = [
            ("Action", "SetAlarmState"),
            ("Version", "2010-08-01"),
            ("AlarmName", alarm),
            ("StateValue", state),
            ("StateReason", "a rehearsal"),
        ];
        let query = serde_urlencoded::to_string(query).expect("texts can be encoded");
        let url = format!("{}/?{query}", self.stack.endpoint);
        let signer = Signer { service: "monitoring", ..self.lambda() };
        let answer = self.http.send(Some(&signer), "POST", &url, "").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }

    /// Takes a course out of the catalogue.
    pub async fn delete_course(&self, course_id: &str) {
        self.dynamodb
            .delete_item()
            .table_name(self.stack.output("CoursesTableName"))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .send()
            .await
            .expect("the course can be deleted");
    }

    /// Waits until the API says that the enrollment's email is in that state, and returns its timeline.
    pub async fn email_state(&self, student: &Student, course_id: &str, state: &str) -> Value {
        let path = format!("/enrollments/{course_id}?student_id={}", student.id);
        eventually(&format!("an email in state {state}"), async || {
            let answer = self.call(&self.caller, "GET", &path, "").await;
            assert_eq!(answer.status, 200, "{:?}", answer.body);
            let email = &answer.body["data"]["email"];
            (email["state"] == state).then(|| email.clone())
        })
        .await
    }

    /// Does something while a function has other environment variables. Only for a journey that is
    /// alone: all others would feel it.
    pub async fn with_environment<T>(
        &self,
        function: &str,
        variables: &[(&str, &str)],
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        let change = |configuration: &mut Value| {
            for &(name, value) in variables {
                configuration["Environment"]["Variables"][name] = json!(value);
            }
        };
        self.with_configuration(function, change, meanwhile).await
    }

    /// Does something while a function has another timeout or environment. Only for a journey that is
    /// alone: all others would feel it.
    pub async fn with_configuration<T>(
        &self,
        function: &str,
        change: impl FnOnce(&mut Value),
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        self.must_be_alone();
        let url = self.configuration_url(function);
        let answer = self.http.send(Some(&self.lambda()), "GET", &url, "").await;
        let before = json!({
            "Environment": answer.body["Environment"],
            "Timeout": answer.body["Timeout"],
        });
        assert!(before["Environment"]["Variables"].is_object(), "{:?}", answer.body);
        let mut changed = before.clone();
        change(&mut changed);

        self.configure(&url, &changed).await;
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Also where that failed, or the journeys after this one would fail for its reason.
        self.configure(&url, &before).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn configure(&self, url: &str, configuration: &Value) {
        let body = configuration.to_string();
        let answer = self.http.send(Some(&self.lambda()), "PUT", url, body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }

    /// Does something while a queue hides what it delivers for so long and no longer. Only for a journey
    /// that is alone: all others would feel it.
    pub async fn with_visibility_timeout<T>(
        &self,
        queue_url: &str,
        hidden: Duration,
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        self.must_be_alone();
        let name = QueueAttributeName::VisibilityTimeout;
        let asked = self.sqs.get_queue_attributes().queue_url(queue_url);
        let answer = asked.attribute_names(name.clone()).send().await;
        let attributes = answer.expect("the queue says how it is set up").attributes;
        let before = attributes.and_then(|attributes| attributes.get(&name).cloned());

        self.hide_for(queue_url, hidden.as_secs().to_string()).await;
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Also where that failed, as above.
        self.hide_for(queue_url, before.expect("a queue has a visibility timeout")).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn hide_for(&self, queue_url: &str, seconds: String) {
        let changed = self
            .sqs
            .set_queue_attributes()
            .queue_url(queue_url)
            .attributes(QueueAttributeName::VisibilityTimeout, seconds)
            .send()
            .await;
        changed.expect("the queue can be set up");
    }

    /// For what all other journeys would feel.
    pub(crate) fn must_be_alone(&self) {
        assert!(matches!(self.admission, Admission::Alone { .. }), "use `World::open_alone`");
    }

    fn configuration_url(&self, function: &str) -> String {
        format!("{}/2015-03-31/functions/{function}/configuration", self.stack.endpoint)
    }

    fn lambda(&self) -> Signer {
        self.root("lambda")
    }

    /// Signs as who may do everything, for a service of AWS.
    pub(crate) fn root(&self, service: &'static str) -> Signer {
        Signer { service, ..api_signer(&self.stack, &self.stack.root) }
    }
}

/// The SDK's configuration for somebody.
pub(crate) async fn sdk(stack: &Stack, credentials: &Credentials) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(stack.region.clone()))
        .endpoint_url(&stack.endpoint)
        .credentials_provider(AwsCredentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            None,
            None,
            "journeys",
        ))
        .load()
        .await
}

fn api_signer(stack: &Stack, credentials: &Credentials) -> Signer {
    Signer {
        credentials: credentials.clone(),
        service: "execute-api",
        region: stack.region.clone(),
    }
}

/// A message on the dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// The job as it was.
    pub body: String,
    attributes: HashMap<String, String>,
}

impl DeadLetter {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("no attribute {name} in {self:?}"))
    }
}

impl From<Message> for DeadLetter {
    fn from(message: Message) -> Self {
        let attributes = message.message_attributes.unwrap_or_default();
        Self {
            body: message.body.unwrap_or_default(),
            attributes: attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.string_value?)))
                .collect(),
        }
    }
}
