//! The API in a world in memory: every route, every status code.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header::RETRY_AFTER},
};
use email::{Job, JobId, ledger::Entry};
use enrollment::{
    Course, Enrollment, StudentId,
    payment::{Charge, Created, Decline, Intent, IntentId, IntentStatus},
    ports::{Inserted, PaymentProvider, Saved},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

struct Memory {
    courses: Mutex<HashMap<CourseId, Course>>,
    enrollments: Mutex<HashMap<(StudentId, CourseId), Enrollment>>,
    jobs: Mutex<Vec<Job>>,
    ledger: Mutex<HashMap<JobId, Entry>>,
    tables_down: AtomicBool,
    queue_down: AtomicBool,
    payment: Option<Bank>,
    keys: Secrets,
}

impl Memory {
    fn up(down: &AtomicBool) -> Result<(), Unavailable> {
        if down.load(Ordering::Relaxed) {
            Err(Unavailable::new("a test's call", "table arn:secret is down"))
        } else {
            Ok(())
        }
    }
}

impl FindCourse for Memory {
    async fn find_course(&self, id: &CourseId) -> Result<Option<Course>, Unavailable> {
        Self::up(&self.tables_down)?;
        Ok(self.courses.lock().unwrap().get(id).cloned())
    }
}

impl PutCourse for Memory {
    async fn put_course(&self, course: &Course) -> Result<bool, Unavailable> {
        Self::up(&self.tables_down)?;
        Ok(self.courses.lock().unwrap().insert(course.id.clone(), course.clone()).is_none())
    }
}

impl FindEnrollment for Memory {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        Self::up(&self.tables_down)?;
        let key = (student_id.clone(), course_id.clone());
        Ok(self.enrollments.lock().unwrap().get(&key).cloned())
    }
}

impl InsertEnrollment for Memory {
    async fn insert_enrollment(&self, enrollment: &Enrollment) -> Result<Inserted, Unavailable> {
        Self::up(&self.tables_down)?;
        let key = (enrollment.student.id.clone(), enrollment.course_id.clone());
        let mut table = self.enrollments.lock().unwrap();
        if let Some(existing) = table.get(&key) {
            return Ok(Inserted::Exists(existing.clone()));
        }
        table.insert(key, enrollment.clone());
        Ok(Inserted::New)
    }
}

impl SaveEnrollment for Memory {
    async fn save_enrollment(&self, enrollment: &Enrollment) -> Result<Saved, Unavailable> {
        Self::up(&self.tables_down)?;
        let key = (enrollment.student.id.clone(), enrollment.course_id.clone());
        self.enrollments.lock().unwrap().insert(key, enrollment.clone());
        Ok(Saved::Done)
    }
}

/// Says this of any confirmed payment.
struct Bank(Mutex<IntentStatus>);

impl PaymentProvider for Bank {
    async fn create(&self, _: Charge<'_>) -> Result<Created, Unavailable> {
        Ok(Created::Intent(intent(IntentStatus::AwaitingConfirmation)))
    }

    async fn confirm(&self, _: Charge<'_>, _: &IntentId) -> Result<Intent, Unavailable> {
        Ok(intent(self.0.lock().unwrap().clone()))
    }

    async fn cancel(&self, _: Charge<'_>, _: &IntentId) -> Result<Intent, Unavailable> {
        Ok(intent(IntentStatus::Cancelled))
    }

    async fn refund(&self, _: Charge<'_>, _: &IntentId) -> Result<(), Unavailable> {
        Ok(())
    }
}

fn intent(status: IntentStatus) -> Intent {
    Intent { id: "pi_1".parse().unwrap(), status }
}

impl Payments for Memory {
    type Provider = Bank;

    fn payments(&self) -> Option<&Self::Provider> {
        self.payment.as_ref()
    }
}

impl WebhookKeys for Memory {
    async fn webhook_keys(&self) -> Result<Option<&Secrets>, Unavailable> {
        Ok(self.payment.as_ref().map(|_| &self.keys))
    }
}

impl EnqueueEmail for Memory {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        Self::up(&self.queue_down)?;
        self.jobs.lock().unwrap().push(job.clone());
        Ok(())
    }
}

impl Timeline for Memory {
    async fn find(&self, job_id: &JobId) -> Result<Option<Entry>, Unavailable> {
        Ok(self.ledger.lock().unwrap().get(job_id).cloned())
    }
}

/// A world with an open, a closed and a priced course, and no payment provider.
fn memory() -> Arc<Memory> {
    Arc::new(world_with(None))
}

/// The same, with a payment provider that says this of a confirmed payment.
fn paying(status: IntentStatus) -> Arc<Memory> {
    Arc::new(world_with(Some(Bank(Mutex::new(status)))))
}

fn world_with(payment: Option<Bank>) -> Memory {
    let memory = Memory {
        courses: Mutex::default(),
        enrollments: Mutex::default(),
        jobs: Mutex::default(),
        ledger: Mutex::default(),
        tables_down: AtomicBool::default(),
        queue_down: AtomicBool::default(),
        payment,
        keys: Secrets::parse(r#"{"api_key":"sk_1","webhook_secret":"whsec_1"}"#).unwrap(),
    };
    for (id, price, state) in
        [("open", 0, "open"), ("closed", 0, "closed"), ("priced", 4900, "open")]
    {
        let row = json!({"course_id": id, "title": "T", "price": price, "currency": "USD", "state": state});
        let course: Course = serde_json::from_value(row).unwrap();
        memory.courses.lock().unwrap().insert(course.id.clone(), course);
    }
    memory
}

fn ada() -> Value {
    json!({"student_id": "s-1", "course_id": "open", "email": "ada@example.com", "name": "Ada"})
}

fn ada_pays() -> Value {
    let mut body = ada();
    body["course_id"] = json!("priced");
    body["payment_method"] = json!("pm_card");
    body
}

async fn call(world: &Arc<Memory>, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
    let (status, _, body) = call_whole(world, method, path, body).await;
    (status, body)
}

async fn call_whole(
    world: &Arc<Memory>,
    method: &str,
    path: &str,
    body: impl ToString,
) -> (u16, axum::http::HeaderMap, Value) {
    let request =
        Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
    answer(world, request).await
}

async fn answer(
    world: &Arc<Memory>,
    request: Request<Body>,
) -> (u16, axum::http::HeaderMap, Value) {
    let response = router(world.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn health_needs_nothing() {
    let (status, body) = call(&memory(), "GET", "/", "").await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({"status": "success", "message": "Registrar is up"}));
}

#[tokio::test]
async fn enrolling_answers_201_then_200_with_the_same_body() {
    for path in ["/enrollments", "/add-user-to-course"] {
        let world = memory();
        let (status, first) = call(&world, "POST", path, ada()).await;
        assert_eq!(status, 201);
        assert_eq!(first["status"], "success");
        assert_eq!(first["data"]["message"], "Enrolled Success");
        assert_eq!(first["data"]["enrollment"]["state"], "active");
        let (status, again) = call(&world, "POST", path, ada()).await;
        assert_eq!((status, again), (200, first));
        assert_eq!(world.jobs.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_the_caller_can_mend_is_named() {
    let with = |field: &str, value: Value| {
        let mut body = ada();
        body[field] = value;
        body.to_string()
    };
    let world = memory();
    for (body, status, field, why) in [
        ("{".to_owned(), 400, "body", "is not JSON (line 1, column 1)"),
        ("[]".to_owned(), 400, "body", "is not a JSON object"),
        (" ".repeat(65_537), 413, "body", "is larger than 65536 bytes"),
        (with("email", json!("ada")), 422, "email", "is not an email address"),
        (with("name", json!(7)), 422, "name", "is not a string"),
        (with("student_id", Value::Null), 422, "student_id", "is missing"),
        (with("course_id", json!("none")), 404, "course_id", "there is no course none"),
        (with("course_id", json!("closed")), 409, "course_id", "this course takes no new students"),
    ] {
        let (answered, answer) = call(&world, "POST", "/enrollments", &body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(answered, status, "{shown}");
        assert_eq!(answer, json!({"status": "fail", "data": {field: why}}), "{shown}");
    }
    assert!(world.enrollments.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_of_exactly_64_kb_is_read() {
    let body = ada().to_string();
    let padded = format!("{body}{}", " ".repeat(65_536 - body.len()));
    assert_eq!(call(&memory(), "POST", "/enrollments", padded).await.0, 201);
}

#[tokio::test]
async fn other_details_for_the_same_enrollment_conflict() {
    let world = memory();
    call(&world, "POST", "/enrollments", ada()).await;
    let mut other = ada();
    other["email"] = json!("eve@example.com");
    let (status, body) = call(&world, "POST", "/enrollments", other).await;
    assert_eq!(status, 409);
    assert_eq!(
        body["data"],
        json!({"email": "is not the one that this student was enrolled with"})
    );
}

#[tokio::test]
async fn a_priced_course_says_that_payments_are_not_configured() {
    let mut body = ada();
    body["course_id"] = json!("priced");
    let (status, body) = call(&memory(), "POST", "/enrollments", body).await;
    assert_eq!(status, 503);
    assert_eq!(body["status"], "error");
    assert!(body["message"].as_str().unwrap().contains("payments are not configured"));
}

#[tokio::test]
async fn a_dependency_that_is_down_answers_503_and_tells_nothing_of_itself() {
    let world = memory();
    world.tables_down.store(true, Ordering::Relaxed);
    let (status, headers, body) = call_whole(&world, "POST", "/enrollments", ada()).await;
    assert_eq!(status, 503);
    assert_eq!(headers[RETRY_AFTER], "5");
    assert_eq!(body["status"], "error");
    assert!(!body.to_string().contains("secret"));
}

#[tokio::test]
async fn a_queue_that_is_down_never_fails_an_enrollment() {
    let world = memory();
    world.queue_down.store(true, Ordering::Relaxed);
    assert_eq!(call(&world, "POST", "/enrollments", ada()).await.0, 201);
}

#[tokio::test]
async fn an_enrollment_shows_its_emails_timeline() {
    let world = memory();
    let (_, made) = call(&world, "POST", "/enrollments", ada()).await;
    let path = "/enrollments/open?student_id=s-1";
    let (status, body) = call(&world, "GET", path, "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["enrollment"], made["data"]["enrollment"]);
    assert_eq!(body["data"]["email"], json!({"state": "queued"}));

    let entry = json!({
        "state": "sent", "attempts": 1, "ses_message_id": "m-1", "sent_at": "2026-01-01T00:00:01Z",
        "first_attempt_at": "2026-01-01T00:00:00Z", "last_attempt_at": "2026-01-01T00:00:00Z",
    });
    let id = world.jobs.lock().unwrap()[0].id.clone();
    world.ledger.lock().unwrap().insert(id, serde_json::from_value(entry.clone()).unwrap());
    assert_eq!(call(&world, "GET", path, "").await.1["data"]["email"], entry);
}

#[tokio::test]
async fn an_enrollment_is_asked_for_by_course_and_student() {
    let world = memory();
    for (path, status, field) in [
        ("/enrollments/open", 422, "student_id"),
        ("/enrollments/open?student_id=a%20b", 422, "student_id"),
        ("/enrollments/a%20b?student_id=s-1", 422, "course_id"),
        ("/enrollments/%FF?student_id=s-1", 422, "course_id"),
        ("/enrollments/open?student_id=s-1", 404, "course_id"),
    ] {
        let (answered, body) = call(&world, "GET", path, "").await;
        assert_eq!(answered, status, "{path}");
        assert!(body["data"][field].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn the_catalogue_is_written_and_read() {
    let world = memory();
    let course = json!({"title": "Rust 101", "price": 0, "currency": "EUR", "state": "open"});
    let (status, put) = call(&world, "PUT", "/courses/rust-101", &course).await;
    assert_eq!(status, 201);
    assert_eq!(put["data"]["course"]["course_id"], "rust-101");
    assert_eq!(call(&world, "PUT", "/courses/rust-101", &course).await, (200, put.clone()));
    assert_eq!(call(&world, "GET", "/courses/rust-101", "").await, (200, put));
    assert_eq!(call(&world, "GET", "/courses/none", "").await.0, 404);
    let (status, body) = call(&world, "PUT", "/courses/rust-101", json!({"price": -1})).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"].as_object().unwrap().len(), 4, "{body}");
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_same_form() {
    let world = memory();
    assert_eq!(call(&world, "GET", "/nowhere", "").await.0, 404);
    let (status, body) = call(&world, "DELETE", "/courses/open", "").await;
    assert_eq!(status, 405);
    assert_eq!(body["status"], "fail");
}

#[tokio::test]
async fn a_paid_course_is_granted_and_shows_its_payment() {
    let world = paying(IntentStatus::Succeeded);
    let (status, body) = call(&world, "POST", "/enrollments", ada_pays()).await;
    assert_eq!(status, 201);
    assert_eq!(body["data"]["enrollment"]["state"], "active");
    assert_eq!(world.jobs.lock().unwrap().len(), 1);
    let (status, body) = call(&world, "GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"]["payment"]["price"], 4900);
    assert!(!body.to_string().contains("pm_card"), "with what was paid is nobody's business");
}

#[tokio::test]
async fn a_payment_that_is_not_made_answers_402_and_how_to_go_on() {
    let declined = Decline { code: "insufficient_funds".to_owned(), message: "No.".to_owned() };
    let secret = IntentStatus::RequiresAction { client_secret: "pi_1_secret".to_owned() };
    for (status, field, value) in [
        (IntentStatus::Declined(declined), "code", "insufficient_funds"),
        (secret, "client_secret", "pi_1_secret"),
    ] {
        let world = paying(status);
        let (answered, body) = call(&world, "POST", "/enrollments", ada_pays()).await;
        assert_eq!((answered, &body["status"]), (402, &json!("fail")));
        assert_eq!(body["data"][field], value);
        assert!(world.jobs.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_declined_payment_can_be_made_again_with_another_card() {
    let world = paying(IntentStatus::Declined(Decline::abandoned()));
    assert_eq!(call(&world, "POST", "/enrollments", ada_pays()).await.0, 402);
    let (_, shown) = call(&world, "GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(shown["data"]["enrollment"]["state"], "payment_failed");
    assert_eq!(shown["data"]["payment"]["failure"]["code"], "abandoned");
    *world.payment.as_ref().unwrap().0.lock().unwrap() = IntentStatus::Succeeded;
    let mut other = ada_pays();
    other["payment_method"] = json!("pm_other");
    assert_eq!(call(&world, "POST", "/enrollments", other).await.0, 201);
}

#[tokio::test]
async fn a_payment_under_way_takes_no_other_card() {
    let world = paying(IntentStatus::Processing);
    let (status, headers, _) = call_whole(&world, "POST", "/enrollments", ada_pays()).await;
    assert_eq!((status, &headers[RETRY_AFTER]), (503, &"5".parse().unwrap()));
    let mut other = ada_pays();
    other["payment_method"] = json!("pm_other");
    let (status, body) = call(&world, "POST", "/enrollments", other).await;
    assert_eq!(status, 409);
    assert!(body["data"]["payment_method"].is_string());
}

#[tokio::test]
async fn a_new_price_does_not_touch_a_payment_under_way() {
    let world = paying(IntentStatus::Processing);
    call(&world, "POST", "/enrollments", ada_pays()).await;
    let dearer = json!({"title": "T", "price": 9900, "currency": "USD", "state": "open"});
    assert_eq!(call(&world, "PUT", "/courses/priced", dearer).await.0, 200);
    let (status, body) = call(&world, "POST", "/enrollments", ada_pays()).await;
    assert_eq!(status, 409, "{body}");
    let (_, shown) = call(&world, "GET", "/enrollments/priced?student_id=s-1", "").await;
    assert_eq!(shown["data"]["payment"]["price"], 4900);
}

#[tokio::test]
async fn a_priced_course_asks_for_a_payment_method() {
    let mut body = ada_pays();
    body.as_object_mut().unwrap().remove("payment_method");
    let (status, body) = call(&paying(IntentStatus::Succeeded), "POST", "/enrollments", body).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"], json!({"payment_method": "is missing, and this course has a price"}));
}

async fn hook(world: &Arc<Memory>, body: &Value, signed: bool) -> u16 {
    let body = body.to_string();
    let header = if signed {
        let key: stripe::secret::Secret = serde_json::from_value(json!("whsec_1")).unwrap();
        stripe::webhook::sign(&key, body.as_bytes(), time::OffsetDateTime::now_utc())
    } else {
        "t=1,v1=00".to_owned()
    };
    let request = Request::builder()
        .method("POST")
        .uri("/webhooks/stripe")
        .header("stripe-signature", header)
        .body(Body::from(body))
        .unwrap();
    answer(world, request).await.0
}

#[tokio::test]
async fn the_webhook_finishes_what_waited_for_the_student_and_is_safe_to_replay() {
    let secret = IntentStatus::RequiresAction { client_secret: "s".to_owned() };
    let world = paying(secret);
    call(&world, "POST", "/enrollments", ada_pays()).await;
    let path = "/enrollments/priced?student_id=s-1";
    let (_, shown) = call(&world, "GET", path, "").await;
    assert_eq!(shown["data"]["enrollment"]["state"], "payment_pending");
    let event = json!({"type": "payment_intent.succeeded", "data": {"object": {
        "id": "pi_1", "status": "succeeded", "metadata": {
            "student_id": "s-1", "course_id": "priced", "attempt": "1",
            "enrollment_id": shown["data"]["enrollment"]["id"],
        },
    }}});
    assert_eq!(hook(&world, &event, false).await, 403, "unsigned");
    assert_eq!(hook(&world, &json!({"type": "novel", "data": {"object": {}}}), true).await, 200);
    for _ in 0..2 {
        assert_eq!(hook(&world, &event, true).await, 200);
        let (_, shown) = call(&world, "GET", path, "").await;
        assert_eq!(shown["data"]["enrollment"]["state"], "active");
    }
    assert_eq!(world.jobs.lock().unwrap().len(), 1);
    world.tables_down.store(true, Ordering::Relaxed);
    assert_eq!(hook(&world, &event, true).await, 503, "so that Stripe tells it again");
}

#[tokio::test]
async fn the_webhook_is_closed_where_payments_are_not_configured() {
    assert_eq!(hook(&memory(), &json!({}), true).await, 503);
}

/// What each sample event of the API answers, in a world that has its courses and takes payments.
const EVENTS: [(&str, u16); 8] = [
    ("health", 200),
    ("put-course", 201),
    ("get-course", 200),
    ("enroll", 201),
    ("add-user-to-course", 200),
    ("get-enrollment", 200),
    ("enroll-paid", 201),
    ("stripe-webhook", 403),
];

#[tokio::test]
async fn every_sample_event_is_answered() {
    let world = paying(IntentStatus::Succeeded);
    let priced = json!({"course_id": "serverless-payments", "title": "T", "price": 4900, "currency": "USD", "state": "open"});
    let priced: Course = serde_json::from_value(priced).unwrap();
    world.courses.lock().unwrap().insert(priced.id.clone(), priced);
    for (name, expected) in EVENTS {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = std::fs::read_to_string(path).unwrap();
        let request = lambda_http::request::from_str(&event).unwrap();
        let request = request.map(|body| Body::from(body.to_vec()));
        let (status, _, body) = answer(&world, request).await;
        assert_eq!(status, expected, "{name}: {body}");
    }
}

#[test]
fn no_sample_event_of_the_api_is_left_out() {
    let folder = format!("{}/../../events", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // The others are the worker's batches and the resumer's schedule, read by their own tests.
        if event["rawPath"].is_string() {
            assert!(EVENTS.iter().any(|(known, _)| *known == name), "{name} is read by no test");
        }
    }
}
