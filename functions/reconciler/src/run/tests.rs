//! A run over the real client of Stripe and its stand-in, and enrollments that the rules have made.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use enrollment::{
    Adapters, CourseId, Deadline, EnrollRequest, Ports, StudentId, enroll,
    testing::{Bank, Dependency, World},
};
use serde_json::json;
use stripe::{
    Secrets, Stripe,
    testing::{Account, Fault, InProcess, Request as StripeRequest, Rule},
};
use unavailable::Unavailable;

use super::*;

const KEY: &str = "sk_test_1";
const INTENTS: &str = "/v1/payment_intents";

type Client = Stripe<Arc<Secrets>, InProcess>;

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

/// Every payment of the test is older than the grace.
fn night() -> OffsetDateTime {
    start() + Duration::from_hours(12)
}

struct Deployed;

impl Adapters for Deployed {
    type Courses = World;
    type Enrollments = World;
    type Payments = Client;
    type EmailQueue = World;
    type Ledger = World;
}

struct Shop {
    world: World,
    line: InProcess,
    ports: Ports<Deployed>,
}

fn client(line: &InProcess) -> Client {
    let keys = json!({"api_key": KEY, "webhook_secret": "whsec_1"}).to_string();
    Stripe::over(line.clone(), Arc::new(Secrets::parse(&keys).unwrap()), clock::instant)
}

fn shop() -> Shop {
    let course = json!({
        "course_id": "c", "title": "T", "price": 4900, "currency": "USD", "state": "open",
    });
    let world = World::new([serde_json::from_value(course).unwrap()], Bank::Accepts);
    let line = InProcess::new(Account::new(KEY, start()));
    let ports = Ports {
        courses: world.clone(),
        enrollments: world.clone(),
        payments: Some(client(&line)),
        email_queue: world.clone(),
        ledger: world.clone(),
    };
    Shop { world, line, ports }
}

impl Shop {
    async fn buys(&self, student: &str, method: &str) -> bool {
        let body = json!({
            "student_id": student, "course_id": "c", "email": "ada@example.com", "name": "Ada",
            "payment_method": method,
        });
        let request = EnrollRequest::from_fields(body.as_object().unwrap()).unwrap();
        let left = || Duration::from_secs(29);
        Box::pin(enroll(&self.ports, request, start(), Deadline::new(&left))).await.is_ok()
    }

    fn intent(&self, student: &str) -> String {
        self.line.account().intents("student_id", student).pop().unwrap()
    }

    fn foreign_payment(&self) {
        let form = [
            ("amount", "4900"),
            ("currency", "usd"),
            ("payment_method", "pm_card_visa"),
            ("confirm", "true"),
        ];
        let request = StripeRequest::post(INTENTS, &form).api_key(KEY);
        assert_eq!(self.line.account().handle(&request).unwrap().status, 200);
    }

    fn books(&self) -> Books<Client, World> {
        Books { payments: client(&self.line), enrollments: self.world.clone() }
    }

    async fn compare(&self) -> Report {
        compared(&self.books(), None).await
    }
}

async fn compared<P, E>(books: &Books<P, E>, after: Option<&str>) -> Report
where
    P: ListPayments + Sync,
    E: FindEnrollment + Sync,
{
    let after = after.map(|id| id.parse().unwrap());
    let request = Request { days: "3".parse().unwrap(), after };
    let until = clock::instant() + Duration::from_mins(14);
    books.compare(&request, night(), until).await
}

#[tokio::test]
async fn payments_that_the_table_knows_are_no_differences() {
    let shop = shop();
    assert!(shop.buys("paid", "pm_card_visa").await);
    assert!(!shop.buys("declined", "pm_card_chargeDeclined").await);
    assert!(!shop.buys("on-the-screen", "pm_card_authenticationRequired").await);
    shop.foreign_payment();
    let report = shop.compare().await;
    let expected = Report { payments: 3, foreign: 1, finished: true, ..Report::default() };
    assert_eq!(report, expected);
}

#[tokio::test]
async fn charge_without_an_enrollment_is_named() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    let nobody = World::new([], Bank::Accepts);
    let books = Books { payments: client(&shop.line), enrollments: nobody };
    let report = compared(&books, None).await;
    assert_eq!((report.differences, report.finished), (1, true));
    let found = &report.found[0];
    assert_eq!((found.difference, &found.intent_id), ("no_enrollment", &shop.intent("s-1")));
    assert_eq!((&found.enrollment_id, found.state), (&None, None));
}

#[tokio::test]
async fn charge_that_nobody_has_settled_is_named_once_the_resumer_is_late() {
    let shop = shop();
    assert!(!shop.buys("s-1", "pm_card_authenticationRequired").await);
    let intent = shop.intent("s-1");
    assert!(shop.line.account().authenticate(&intent, true));
    let report = shop.compare().await;
    assert_eq!(report.by_kind, BTreeMap::from([("not_granted", 1)]));
    assert_eq!(report.found[0].state, Some("payment_pending"));
    let soon = start() + GRACE + Duration::from_secs(1);
    let request = Request { days: "3".parse().unwrap(), after: None };
    let until = clock::instant() + Duration::from_mins(14);
    let early = shop.books().compare(&request, start() + Duration::from_hours(1), until).await;
    assert_eq!(early, Report { finished: true, ..Report::default() }, "within the grace");
    let due = shop.books().compare(&request, soon, until).await;
    assert_eq!((due.payments, due.differences), (1, 1));
}

#[tokio::test]
async fn refund_whose_event_never_came_is_named() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    let intent = shop.intent("s-1");
    assert!(shop.line.account().refund_in_dashboard(&intent, Some(4000)));
    assert_eq!(shop.compare().await.differences, 0, "a part");
    assert!(shop.line.account().refund_in_dashboard(&intent, None));
    let report = shop.compare().await;
    assert_eq!(report.by_kind, BTreeMap::from([("refund_not_recorded", 1)]));
    assert_eq!(report.found[0].state, Some("active"));
}

/// Each page takes minutes.
struct Slow(Client);

impl ListPayments for Slow {
    async fn list_payments(
        &self,
        window: Window,
        after: Option<&IntentId>,
    ) -> Result<PaymentPage, PaymentError> {
        pause(Duration::from_mins(8)).await;
        self.0.list_payments(window, after).await
    }

    async fn read_payment(&self, id: &IntentId) -> Result<Option<MadePayment>, PaymentError> {
        self.0.read_payment(id).await
    }
}

#[tokio::test(start_paused = true)]
async fn run_that_has_no_time_left_says_so_and_the_next_one_continues() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    for _ in 0..250 {
        shop.foreign_payment();
    }
    let nobody = World::new([], Bank::Accepts);
    let books = Books { payments: Slow(client(&shop.line)), enrollments: nobody };
    let first = compared(&books, None).await;
    assert_eq!((first.foreign, first.payments, first.finished), (200, 0, false));
    let second = compared(&books, first.continue_after.as_deref()).await;
    assert_eq!((second.foreign, second.payments, second.finished), (50, 1, true));
    assert_eq!((second.differences, second.continue_after), (1, None));
}

#[tokio::test(start_paused = true)]
async fn page_is_requested_again_and_then_the_run_is_unfinished() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    let list_calls = || {
        let account = shop.line.account();
        account.calls().iter().filter(|call| call.method == "GET" && call.path == INTENTS).count()
    };
    shop.line.account().inject(Rule::next(Fault::RateLimit).on("GET", INTENTS));
    assert!(shop.compare().await.finished);
    assert_eq!(list_calls(), 2);
    shop.line.account().inject(Rule::next(Fault::RateLimit).on("GET", INTENTS).always());
    let report = shop.compare().await;
    assert_eq!((report.finished, report.payments, list_calls()), (false, 0, 5));
    shop.line.account().clear_faults();
    shop.line.account().inject(Rule::next(Fault::Forbidden).on("GET", INTENTS).always());
    assert!(!shop.compare().await.finished);
    assert_eq!(list_calls(), 6, "a refusal is not repeated");
}

#[tokio::test]
async fn page_whose_enrollments_cannot_be_read_is_left_for_the_next_run() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    shop.world.take_down(Dependency::Tables);
    assert_eq!(shop.compare().await, Report::default(), "unfinished");
}

/// Says at first that there is no enrollment.
struct Late(World, AtomicU32);

impl FindEnrollment for Late {
    async fn find_enrollment(
        &self,
        student_id: &StudentId,
        course_id: &CourseId,
    ) -> Result<Option<Enrollment>, Unavailable> {
        let is_first = self.1.fetch_add(1, Ordering::Relaxed) == 0;
        let found = self.0.find_enrollment(student_id, course_id).await?;
        Ok(found.filter(|_| !is_first))
    }
}

#[tokio::test]
async fn difference_that_is_gone_at_the_second_look_is_not_one() {
    let shop = shop();
    assert!(shop.buys("s-1", "pm_card_visa").await);
    let enrollments = Late(shop.world.clone(), AtomicU32::new(0));
    let books = Books { payments: client(&shop.line), enrollments };
    assert_eq!(compared(&books, None).await.differences, 0);
    // The student's place, where a forgotten student's enrollment would be, and the place again.
    assert_eq!(books.enrollments.1.load(Ordering::Relaxed), 3);
}
