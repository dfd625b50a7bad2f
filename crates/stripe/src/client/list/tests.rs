use std::sync::Arc;

use enrollment::payment::IntentStatus;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use super::*;
use crate::{
    secret::Secrets,
    testing::{Account, Fault, InProcess, Request, Rule},
};

const KEY: &str = "sk_test_1";
const INTENTS: &str = "/v1/payment_intents";

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test's clock")]
fn clock() -> Instant {
    Instant::now()
}

struct World {
    line: InProcess,
    stripe: Stripe<Arc<Secrets>, InProcess>,
}

fn world() -> World {
    let text = json!({"api_key": KEY, "webhook_secret": "whsec_1"}).to_string();
    let line = InProcess::new(Account::new(KEY, start()));
    let secrets = Arc::new(Secrets::parse(&text).unwrap());
    World { stripe: Stripe::over(line.clone(), secrets, clock), line }
}

impl World {
    /// A payment of this student; without one, it is another system's.
    fn pays(&self, student: Option<&str>) -> IntentId {
        let mut form = vec![
            ("amount", "4900"),
            ("currency", "usd"),
            ("payment_method", "pm_card_visa"),
            ("confirm", "true"),
        ];
        if let Some(student) = student {
            form.extend([
                ("metadata[student_id]", student),
                ("metadata[course_id]", "c"),
                ("metadata[enrollment_id]", "e-1"),
                ("metadata[attempt]", "2"),
            ]);
        }
        let request = Request::post(INTENTS, &form).api_key(KEY);
        let response = self.line.account().handle(&request).unwrap().json();
        response["id"].as_str().unwrap().parse().unwrap()
    }

    async fn list(&self, window: Window, after: Option<&IntentId>) -> PaymentPage {
        self.stripe.list_payments(window, after).await.unwrap()
    }
}

fn everything() -> Window {
    Window { from: start() - Duration::DAY, until: start() + Duration::DAY }
}

#[tokio::test]
async fn every_payment_is_on_one_page_whatever_happens_in_between() {
    let world = world();
    for n in 0..250 {
        world.pays((n % 5 != 0).then_some("s-1"));
    }
    let (mut ids, mut foreign, mut sizes, mut after) = (Vec::new(), 0, Vec::new(), None);
    loop {
        let page = world.list(everything(), after.as_ref()).await;
        sizes.push(page.made_here.len() + page.foreign);
        ids.extend(page.made_here.into_iter().map(|made| made.intent.id));
        foreign += page.foreign;
        after = page.next;
        if after.is_none() {
            break;
        }
        // It is newer than the pages to come.
        world.pays(Some("s-1"));
    }
    assert_eq!((sizes, foreign, ids.len()), (vec![100, 100, 50], 50, 200));
    assert!(ids.is_sorted_by(|one, other| one > other), "the newest first, each once");
}

#[tokio::test]
async fn window_begins_with_its_first_second_and_ends_before_its_last() {
    let world = world();
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(world.pays(Some("s-1")));
        world.line.account().advance(Duration::SECOND);
    }
    let window = Window { from: start() + Duration::SECOND, until: start() + 2 * Duration::SECOND };
    let page = world.list(window, None).await;
    let ids: Vec<_> = page.made_here.iter().map(|made| &made.intent.id).collect();
    assert_eq!(ids, [&created[1]]);
    // A cursor need not be in the window.
    let older = world.list(window, Some(&created[2])).await;
    assert_eq!(older.made_here.len(), 1);
}

#[tokio::test]
async fn payment_has_its_attempt_status_and_refunds() {
    let world = world();
    let id = world.pays(Some("s-7"));
    let made = world.stripe.read_payment(&id).await.unwrap().unwrap();
    assert_eq!((made.student_id.as_str(), made.course_id.as_str()), ("s-7", "c"));
    assert_eq!((made.enrollment_id.as_str(), made.attempt), ("e-1", 2));
    assert_eq!((made.intent.status.clone(), made.refunded), (IntentStatus::Succeeded, 0));
    assert!(world.line.account().refund_in_dashboard(id.as_str(), Some(900)));
    let made = world.stripe.read_payment(&id).await.unwrap().unwrap();
    assert_eq!(made.refunded, 900);
    assert_eq!(world.list(everything(), None).await.made_here, [made]);
    let refund = world.line.account().refunds(id.as_str()).remove(0);
    assert!(world.line.account().fail_refund(&refund, "lost_or_stolen_card"));
    assert_eq!(world.stripe.read_payment(&id).await.unwrap().unwrap().refunded, 0);
    let foreign = world.pays(None);
    assert_eq!(world.stripe.read_payment(&foreign).await.unwrap(), None);
}

#[tokio::test]
async fn failure_is_an_error_and_not_the_last_page() {
    let world = world();
    let unknown = "pi_of_nobody".parse().unwrap();
    let refused = world.stripe.list_payments(everything(), Some(&unknown)).await.unwrap_err();
    assert!(matches!(refused, PaymentError::Refused(_)), "{refused:?}");
    let limited = Rule::next(Fault::RateLimit).on("GET", INTENTS);
    world.line.account().inject(limited);
    let later = world.stripe.list_payments(everything(), None).await.unwrap_err();
    assert!(matches!(later, PaymentError::Unavailable(_)), "{later:?}");
}

#[test]
fn payment_of_ours_that_cannot_be_read_is_named() {
    let metadata = json!({
        "student_id": "s-1", "course_id": "c", "enrollment_id": "e", "attempt": "1",
    });
    let intent = |change: fn(&mut Value)| {
        let mut intent = json!({
            "id": "pi_1", "status": "succeeded", "amount": 4900, "currency": "usd",
            "livemode": true, "metadata": metadata, "latest_charge": {"amount_refunded": 0},
        });
        change(&mut intent);
        page("a test", List { data: vec![intent], has_more: false })
    };
    assert_eq!(intent(|_| {}).unwrap().made_here.len(), 1);
    for change in [
        (|intent| intent["status"] = json!("new_status")) as fn(&mut Value),
        |intent| intent["latest_charge"] = json!("ch_1"),
        |intent| intent["currency"] = json!("?"),
    ] {
        let unreadable = intent(change).unwrap().unreadable;
        assert_eq!(unreadable, ["pi_1".parse().unwrap()]);
    }
    assert_eq!(intent(|intent| intent["metadata"] = json!({})).unwrap().foreign, 1);
    assert!(intent(|intent| intent["id"] = json!(null)).is_err());
    let nothing = List { data: Vec::new(), has_more: true };
    assert!(page("a test", nothing).is_err(), "it would be read forever");
}
