use serde_json::json;

use super::*;
use crate::testing::{Decline, KEPT_FOR};

mod keys;
mod properties;

const KEY: &str = "sk_test_1";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn account() -> Account {
    Account::new(KEY, now())
}

fn send(account: &mut Account, request: Request) -> Response {
    account.handle(&request.api_key(KEY)).expect("a response")
}

fn create_form<'a>(method: &'a str, amount: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("amount", amount),
        ("currency", "usd"),
        ("payment_method", method),
        ("payment_method_types[0]", "card"),
        ("metadata[student_id]", "s-1"),
    ]
}

fn creation(method: &str) -> Request {
    Request::post("/v1/payment_intents", &create_form(method, "4900"))
}

fn confirmation(intent: &str) -> Request {
    Request::post(&format!("/v1/payment_intents/{intent}/confirm"), &[])
}

fn cancellation(intent: &str) -> Request {
    Request::post(&format!("/v1/payment_intents/{intent}/cancel"), &[])
}

fn refund(intent: &str) -> Request {
    Request::post("/v1/refunds", &[("payment_intent", intent)])
}

fn intent(account: &Account) -> String {
    account.intents("student_id", "s-1").pop().expect("an intent")
}

fn created(account: &mut Account, method: &str) -> String {
    let response = send(account, creation(method));
    assert_eq!(response.status, 200, "{}", response.body);
    intent(account)
}

fn paid(account: &mut Account, method: &str) -> String {
    let id = created(account, method);
    assert_eq!(send(account, confirmation(&id)).json()["status"], "succeeded");
    id
}

fn get(account: &mut Account, id: &str) -> Value {
    send(account, Request::get(&format!("/v1/payment_intents/{id}"))).json()
}

fn counts(account: &Account) -> Counts {
    account.counts("student_id", "s-1")
}

/// Status, type, code.
fn error(response: &Response) -> (u16, String, String) {
    let error = &response.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (response.status, text("type"), text("code"))
}

fn refused(status: u16, kind: &str, code: &str) -> (u16, String, String) {
    (status, kind.to_owned(), code.to_owned())
}

fn kinds(account: &mut Account) -> Vec<String> {
    account.take_events().into_iter().map(|event| event.kind).collect()
}

#[test]
fn an_intent_charges_when_it_is_confirmed() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    let intent = get(&mut account, &id);
    assert_eq!(intent["status"], "requires_confirmation");
    assert_eq!(
        (&intent["amount"], &intent["currency"], &intent["livemode"], &intent["latest_charge"]),
        (&json!(4900), &json!("usd"), &json!(false), &Value::Null)
    );
    assert_eq!(intent["metadata"], json!({"student_id": "s-1"}));
    assert!(intent["client_secret"].as_str().unwrap().starts_with(&format!("{id}_secret_")));
    assert_eq!(counts(&account), Counts { intents: 1, ..Counts::default() });

    let confirmed = send(&mut account, confirmation(&id)).json();
    assert_eq!(confirmed["status"], "succeeded");
    assert!(confirmed["latest_charge"].as_str().unwrap().starts_with("ch_"));
    let paid = Counts { intents: 1, confirmations: 1, charges: 1, kept: 1, refunds: 0 };
    assert_eq!(counts(&account), paid);
    let expected = ["payment_intent.created", "payment_intent.succeeded", "charge.succeeded"];
    assert_eq!(kinds(&mut account), expected);
}

#[test]
fn what_an_intent_does_not_allow_is_unexpected_and_shows_the_intent() {
    let mut account = account();
    let id = paid(&mut account, "pm_card_visa");
    let unexpected = refused(400, "invalid_request_error", "payment_intent_unexpected_state");
    for request in [confirmation(&id), cancellation(&id)] {
        let response = send(&mut account, request);
        assert_eq!(error(&response), unexpected);
        assert_eq!(response.json()["error"]["payment_intent"]["status"], "succeeded");
    }
    let id = created(&mut account, "pm_card_visa");
    assert_eq!(send(&mut account, cancellation(&id)).json()["status"], "canceled");
    for request in [confirmation(&id), cancellation(&id)] {
        assert_eq!(error(&send(&mut account, request)), unexpected);
    }
    assert_eq!(counts(&account).charges, 1);
}

#[test]
fn a_declined_card_takes_the_intent_back_and_its_payment_method_is_used_up() {
    let mut account = account();
    account.add_payment_method("pm_x", Card::Declined(Decline::INSUFFICIENT_FUNDS));
    let id = created(&mut account, "pm_x");
    let declined = send(&mut account, confirmation(&id));
    assert_eq!(error(&declined), refused(402, "card_error", "card_declined"));
    let error_object = &declined.json()["error"];
    assert_eq!(error_object["decline_code"], "insufficient_funds");
    assert_eq!(error_object["message"], "Your card has insufficient funds.");
    assert_eq!(error_object["payment_intent"]["status"], "requires_payment_method");
    let intent = get(&mut account, &id);
    assert_eq!(intent["payment_method"], Value::Null);
    assert_eq!(intent["last_payment_error"]["decline_code"], "insufficient_funds");
    assert_eq!(counts(&account).charges, 0);

    let used = send(&mut account, creation("pm_x"));
    assert_eq!(error(&used), refused(400, "invalid_request_error", ""));
    let message = used.json()["error"]["message"].to_string();
    assert!(message.contains("It may not be used again."), "{message}");
}

#[test]
fn a_payment_method_without_a_customer_is_used_once_and_a_shared_one_often() {
    let mut account = account();
    account.add_payment_method("pm_x", Card::Accepted);
    let first = created(&mut account, "pm_x");
    let second = created(&mut account, "pm_x");
    assert_eq!(send(&mut account, confirmation(&first)).status, 200);
    assert_eq!(send(&mut account, confirmation(&second)).status, 400, "used by the first");
    assert_eq!(send(&mut account, creation("pm_x")).status, 400);
    for _ in 0..2 {
        paid(&mut account, "pm_card_visa");
    }
}

#[test]
fn a_test_cards_number_becomes_a_payment_method() {
    let mut account = account();
    let form = |number| {
        Request::post("/v1/payment_methods", &[("type", "card"), ("card[number]", number)])
    };
    let method = send(&mut account, form("4000 0025 0000 3155")).json();
    let id = created(&mut account, method["id"].as_str().unwrap());
    assert_eq!(send(&mut account, confirmation(&id)).json()["status"], "requires_action");
    let wrong = send(&mut account, form("4242424242424241"));
    assert_eq!(error(&wrong), refused(402, "card_error", "incorrect_number"));
}

#[test]
fn an_unknown_payment_method_or_intent_is_missing() {
    let mut account = account();
    let missing = |status| refused(status, "invalid_request_error", "resource_missing");
    let response = send(&mut account, creation("pm_nobody"));
    assert_eq!(error(&response), missing(400));
    assert_eq!(response.json()["error"]["param"], "payment_method");
    let unknown = Request::get("/v1/payment_intents/pi_1");
    assert_eq!(error(&send(&mut account, unknown)), missing(404));
    assert_eq!(error(&send(&mut account, confirmation("pi_1"))), missing(404));
}

#[test]
fn three_d_secure_waits_for_the_student() {
    for (success, card, status) in [
        (true, "pm_card_authenticationRequired", "succeeded"),
        (false, "pm_card_authenticationRequired", "requires_payment_method"),
        (
            true,
            "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
            "requires_payment_method",
        ),
    ] {
        let mut account = account();
        let id = created(&mut account, card);
        let confirmed = send(&mut account, confirmation(&id)).json();
        assert_eq!(confirmed["status"], "requires_action");
        assert!(confirmed["next_action"].is_object());
        assert_eq!(counts(&account).charges, 0);
        assert!(account.authenticate(&id, success));
        assert!(!account.authenticate(&id, success), "only once");
        assert_eq!(get(&mut account, &id)["status"], status, "{card} {success}");
    }
}

#[test]
fn a_failed_authentication_says_so_and_the_student_may_pay_on_the_screen() {
    let mut account = account();
    let id = created(&mut account, "pm_card_authenticationRequired");
    send(&mut account, confirmation(&id));
    account.authenticate(&id, false);
    let intent = get(&mut account, &id);
    assert_eq!(intent["last_payment_error"]["code"], "payment_intent_authentication_failure");
    let secret = intent["client_secret"].as_str().unwrap();
    assert_eq!(account.confirm_on_screen("pi_1_secret_x", "pm_card_visa"), None);
    let paid = account.confirm_on_screen(secret, "pm_card_visa").unwrap();
    assert_eq!(paid.json()["status"], "succeeded");
}

#[test]
fn what_is_processing_cannot_be_stopped_and_ends_either_way() {
    for (success, status) in [(true, "succeeded"), (false, "requires_payment_method")] {
        let mut account = account();
        let id = created(&mut account, "pm_card_processing");
        assert_eq!(send(&mut account, confirmation(&id)).json()["status"], "processing");
        assert_eq!(send(&mut account, cancellation(&id)).status, 400);
        assert_eq!(send(&mut account, confirmation(&id)).status, 400);
        assert!(account.settle(&id, success));
        assert_eq!(get(&mut account, &id)["status"], status);
    }
}

#[test]
fn an_invalid_creation_is_refused_by_name() {
    let mut account = account();
    let form = |change: (&'static str, &'static str)| {
        let form = create_form("pm_card_visa", "4900");
        let form: Vec<_> = form.into_iter().filter(|(name, _)| *name != change.0).collect();
        Request::post("/v1/payment_intents", &[form, vec![change]].concat())
    };
    for (change, code, param) in [
        (("amount", "1"), "amount_too_small", "amount"),
        (("amount", "999999999999"), "amount_too_large", "amount"),
        (("currency", "abc"), "", "currency"),
        (("colour", "red"), "parameter_unknown", "colour"),
    ] {
        let response = send(&mut account, form(change));
        assert_eq!(error(&response), refused(400, "invalid_request_error", code));
        assert_eq!(response.json()["error"]["param"], param);
    }
}

#[test]
fn a_refund_is_made_read_and_listed() {
    let mut account = account();
    let id = paid(&mut account, "pm_card_visa");
    let made = send(&mut account, refund(&id)).json();
    assert_eq!((&made["status"], &made["amount"]), (&json!("succeeded"), &json!(4900)));
    let path = format!("/v1/refunds/{}", made["id"].as_str().unwrap());
    assert_eq!(send(&mut account, Request::get(&path)).json(), made);
    let path = format!("/v1/refunds?payment_intent={id}");
    let listing = Request::read("GET", &path, [], b"");
    assert_eq!(send(&mut account, listing).json()["data"], json!([made]));
    assert_eq!((counts(&account).kept, counts(&account).refunds), (0, 1));
    let again = send(&mut account, refund(&id));
    assert_eq!(error(&again), refused(400, "invalid_request_error", "charge_already_refunded"));
}

#[test]
fn a_refund_is_of_what_was_paid_and_is_left() {
    let mut account = account();
    let unpaid = created(&mut account, "pm_card_visa");
    assert_eq!(send(&mut account, refund(&unpaid)).status, 400);
    let id = paid(&mut account, "pm_card_visa");
    let partial =
        |amount| Request::post("/v1/refunds", &[("payment_intent", &id), ("amount", amount)]);
    assert_eq!(send(&mut account, partial("4000")).status, 200);
    assert_eq!(counts(&account).kept, 1, "not in full");
    assert_eq!(send(&mut account, partial("901")).json()["error"]["param"], "amount");
    assert_eq!(send(&mut account, partial("900")).status, 200);
    assert_eq!(counts(&account).kept, 0);
}

#[test]
fn a_refund_can_fail_after_it_was_reported_as_done() {
    let mut account = account();
    let id = paid(&mut account, "pm_card_visa");
    send(&mut account, refund(&id));
    kinds(&mut account);
    let refund_id = account.refunds(&id).pop().unwrap();
    assert!(account.fail_refund(&refund_id, "lost_or_stolen_card"));
    assert!(!account.fail_refund(&refund_id, "lost_or_stolen_card"), "only once");
    let expected = ["refund.updated", "charge.refund.updated", "refund.failed"];
    assert_eq!(kinds(&mut account), expected);
    let failed = send(&mut account, Request::get(&format!("/v1/refunds/{refund_id}"))).json();
    assert_eq!(
        (&failed["status"], &failed["failure_reason"]),
        (&json!("failed"), &json!("lost_or_stolen_card"))
    );
    assert_eq!(counts(&account).kept, 1);
    assert_eq!(send(&mut account, refund(&id)).status, 200, "there is something to refund again");
}

#[test]
fn refunds_of_test_cards_change_by_themselves() {
    for (card, first, then) in [
        ("pm_card_pendingRefund", "pending", "succeeded"),
        ("pm_card_refundFail", "succeeded", "failed"),
    ] {
        let mut account = account();
        let id = paid(&mut account, card);
        assert_eq!(send(&mut account, refund(&id)).json()["status"], first);
        account.advance(Duration::hours(1));
        let refund_id = account.refunds(&id).pop().unwrap();
        let path = format!("/v1/refunds/{refund_id}");
        assert_eq!(send(&mut account, Request::get(&path)).json()["status"], then);
    }
}

#[test]
fn keys_that_are_wrong_restricted_or_of_the_other_mode_are_refused() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    let request = Request::get(&format!("/v1/payment_intents/{id}"));
    account.add_api_key("rk_test_1");
    account.add_api_key("sk_live_1");
    let mut ask = |request: Request| error(&account.handle(&request).unwrap());
    assert_eq!(ask(request.clone()), refused(401, "invalid_request_error", ""));
    assert_eq!(ask(request.clone().api_key("sk_test_2")).0, 401);
    assert_eq!(ask(request.clone().api_key("rk_test_1")).0, 403);
    let missing = |status| refused(status, "invalid_request_error", "resource_missing");
    assert_eq!(ask(request.clone().api_key("sk_live_1")), missing(404));
    let response = account.handle(&creation("pm_card_visa").api_key("sk_live_1")).unwrap();
    assert_eq!(error(&response), missing(400));
    let message = "No such PaymentMethod: 'pm_card_visa'; a similar object exists in test mode, but a live mode key was used to make this request.";
    assert_eq!(response.json()["error"]["message"], message);
    account.revoke_api_key(KEY);
    assert_eq!(account.handle(&request.api_key(KEY)).unwrap().status, 401);
}

#[test]
fn rules_choose_the_calls_that_fail() {
    let mut account = account();
    let rule = Rule::next(Fault::RateLimit).on("POST", "/v1/payment_intents/*/confirm");
    account.inject(rule.about("student_id", "s-1").times(2));
    account.inject(Rule::next(Fault::Forbidden).about("student_id", "s-2").always());
    let id = created(&mut account, "pm_card_visa");
    for _ in 0..2 {
        let limited = refused(429, "invalid_request_error", "rate_limit");
        assert_eq!(error(&send(&mut account, confirmation(&id))), limited);
    }
    assert_eq!(send(&mut account, confirmation(&id)).status, 200);
    let other = Request::post("/v1/payment_intents", &[("metadata[student_id]", "s-2")]);
    for _ in 0..3 {
        assert_eq!(send(&mut account, other.clone()).status, 403);
    }
    account.clear_faults();
    assert_eq!(send(&mut account, other).status, 400);
}

#[test]
fn faults_have_their_statuses_and_names() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    for (name, status, code) in [
        ("rate_limit", 429, "rate_limit"),
        ("lock_timeout", 429, "lock_timeout"),
        ("dependency_failed", 424, ""),
        ("key_in_use", 409, "idempotency_key_in_use"),
        ("unauthorized", 401, ""),
        ("forbidden", 403, "more_permissions_required"),
        ("error_before:500", 500, ""),
        ("error_before:503", 503, ""),
    ] {
        account.inject(Rule::next(name.parse().unwrap()));
        let response = send(&mut account, confirmation(&id));
        assert_eq!((error(&response).0, error(&response).2), (status, code.to_owned()), "{name}");
    }
    assert_eq!(counts(&account).confirmations, 0);
    assert!("error_before".parse::<Fault>().is_err());
    assert!("unheard_of".parse::<Fault>().is_err());
}

#[test]
fn the_same_seed_rolls_the_same_faults() {
    let run = |seed| {
        let mut account = account();
        account.roll_dice(seed, 500, &[Fault::RateLimit, Fault::SilenceBefore]);
        let call = Request::get("/v1/payment_intents").api_key(KEY);
        let statuses = (0..64).map(|_| account.handle(&call).map(|response| response.status));
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    for outcome in [Some(200), Some(429), None] {
        assert!(run(7).contains(&outcome), "{outcome:?}");
    }
}

#[test]
fn events_are_snapshots_that_are_signed_and_taken_once() {
    let mut account = account();
    paid(&mut account, "pm_card_visa");
    let events = account.take_events();
    assert_eq!(account.take_events(), []);
    assert_eq!(account.events(), events);
    let statuses: Vec<Value> = events
        .iter()
        .map(|event| {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            body["data"]["object"]["status"].clone()
        })
        .collect();
    assert_eq!(statuses, ["requires_confirmation", "succeeded", "succeeded"]);
    let secret: Secret = serde_json::from_value(json!("whsec_1")).unwrap();
    let signature = account.sign(&events[1], &secret);
    let body = events[1].body.as_bytes();
    assert_eq!(webhook::verify(&[secret], Some(&signature), body, now()), Ok(()));
}

#[test]
fn a_ping_is_a_thin_event() {
    let mut account = account();
    account.ping();
    let event = account.take_events().pop().unwrap();
    let body: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(body["object"], "v2.core.event");
    assert_eq!(body["type"], "v2.core.event_destination.ping");
    assert_eq!(body["data"], Value::Null);
}

#[test]
fn calls_are_recorded() {
    let mut account = account();
    account.inject(Rule::next(Fault::SilenceAfter));
    for _ in 0..2 {
        let _ = account.handle(&creation("pm_card_visa").key("k").api_key(KEY));
    }
    let calls: Vec<_> = account.calls().iter().map(|call| (call.status, call.is_replay)).collect();
    assert_eq!(calls, [(None, false), (Some(200), true)]);
    assert_eq!(account.calls()[0].key.as_deref(), Some("k"));
}
