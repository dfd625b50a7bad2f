//! Idempotency keys, with and without faults.

use super::*;

#[test]
fn a_repeated_key_replays_the_first_response_and_changes_nothing() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    let first = send(&mut account, confirmation(&id).key("k"));
    let again = send(&mut account, confirmation(&id).key("k"));
    assert!(!first.is_replay() && again.is_replay());
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(counts(&account).confirmations, 1);
}

#[test]
fn a_replay_is_what_was_and_not_what_is() {
    let mut account = account();
    send(&mut account, creation("pm_card_visa").key("k"));
    let id = intent(&account);
    send(&mut account, confirmation(&id));
    let again = send(&mut account, creation("pm_card_visa").key("k")).json();
    assert_eq!(again["status"], "requires_confirmation");
}

#[test]
fn declines_and_missing_objects_are_saved_too() {
    let mut account = account();
    account.add_payment_method("pm_x", Card::Declined(Decline::GENERIC));
    let id = created(&mut account, "pm_x");
    for request in [confirmation(&id), creation("pm_nobody")] {
        let request = {
            let key = request.path.clone();
            request.key(&key)
        };
        let first = send(&mut account, request.clone());
        account.add_payment_method("pm_nobody", Card::Accepted);
        let again = send(&mut account, request);
        assert!(again.is_replay() && again.body == first.body, "{}", again.body);
    }
}

#[test]
fn a_known_key_with_other_parameters_is_an_idempotency_error() {
    let mut account = account();
    send(&mut account, creation("pm_card_visa").key("k"));
    for other in [creation("pm_card_mastercard"), refund("pi_1")] {
        let response = send(&mut account, other.key("k"));
        assert_eq!(error(&response), refused(400, "idempotency_error", ""));
        assert!(!response.is_replay());
    }
    assert_eq!(counts(&account).intents, 1);
}

#[test]
fn failed_validation_and_limits_are_not_saved() {
    let mut account = account();
    let low = Request::post("/v1/payment_intents", &create_form("pm_card_visa", "1")).key("k");
    assert_eq!(send(&mut account, low).status, 400);
    for fault in [
        Fault::RateLimit,
        Fault::LockTimeout,
        Fault::KeyInUse,
        Fault::Unauthorized,
        Fault::Forbidden,
        Fault::ErrorBefore(503),
        Fault::SilenceBefore,
    ] {
        account.inject(Rule::next(fault));
        let _ = account.handle(&creation("pm_card_visa").key("k").api_key(KEY));
    }
    let response = send(&mut account, creation("pm_card_visa").key("k"));
    assert_eq!((response.status, response.is_replay()), (200, false));
}

#[test]
fn a_key_is_forgotten_after_a_day_and_not_before() {
    let mut account = account();
    send(&mut account, creation("pm_card_visa").key("k"));
    account.advance(KEPT_FOR - Duration::SECOND);
    assert!(send(&mut account, creation("pm_card_visa").key("k")).is_replay());
    account.advance(Duration::SECOND);
    assert!(!send(&mut account, creation("pm_card_visa").key("k")).is_replay());
    assert_eq!(counts(&account).intents, 2);
}

#[test]
fn keys_of_reads_are_ignored_and_long_keys_refused() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    let read = Request::get(&format!("/v1/payment_intents/{id}")).key("k");
    send(&mut account, read.clone());
    assert!(!send(&mut account, read).is_replay());
    assert_eq!(send(&mut account, creation("pm_card_visa").key(&"k".repeat(256))).status, 400);
    assert_eq!(send(&mut account, creation("pm_card_visa").key(&"k".repeat(255))).status, 200);
}

#[test]
fn a_500_is_saved_whether_its_effect_took_place_or_not() {
    for (fault, intents) in
        [(Fault::ErrorBefore(500), 0), (Fault::ErrorAfter(500), 1), (Fault::DependencyFailed, 0)]
    {
        let mut account = account();
        account.inject(Rule::next(fault));
        let first = send(&mut account, creation("pm_card_visa").key("k"));
        assert!([424, 500].contains(&first.status));
        let again = send(&mut account, creation("pm_card_visa").key("k"));
        assert_eq!((again.status, again.is_replay()), (first.status, true), "{fault:?}");
        assert_eq!(counts(&account).intents, intents, "{fault:?}");
        assert_eq!(send(&mut account, creation("pm_card_visa").key("l")).status, 200);
    }
}

#[test]
fn a_lost_response_is_replayed() {
    for fault in [Fault::SilenceAfter, Fault::ErrorAfter(502)] {
        let mut account = account();
        account.inject(Rule::next(fault));
        let lost = account.handle(&creation("pm_card_visa").key("k").api_key(KEY));
        assert_ne!(lost.map(|response| response.status), Some(200));
        let again = send(&mut account, creation("pm_card_visa").key("k"));
        assert_eq!((again.status, again.is_replay()), (200, true));
        assert_eq!(counts(&account).intents, 1);
    }
}

#[test]
fn a_slow_request_keeps_its_key_and_its_intent_until_it_takes_effect() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    account.inject(Rule::next(Fault::Slow(Duration::seconds(30))));
    let slow = confirmation(&id).key("k").api_key(KEY);
    assert_eq!(account.handle(&slow), None);
    let again = send(&mut account, confirmation(&id).key("k"));
    assert_eq!((again.status, error(&again).2.as_str()), (409, "idempotency_key_in_use"));
    let cancel = send(&mut account, cancellation(&id).key("c"));
    assert_eq!((cancel.status, error(&cancel).2.as_str()), (429, "lock_timeout"));
    assert_eq!(get(&mut account, &id)["status"], "requires_confirmation");
    account.advance(Duration::seconds(30));
    assert_eq!(get(&mut account, &id)["status"], "succeeded");
    assert!(send(&mut account, confirmation(&id).key("k")).is_replay());
    assert_eq!(send(&mut account, cancellation(&id).key("c")).status, 400);
}

#[test]
fn a_late_request_takes_effect_although_nobody_waits_for_it() {
    let mut account = account();
    let id = created(&mut account, "pm_card_visa");
    account.inject(Rule::next(Fault::Late(Duration::seconds(30))));
    assert_eq!(account.handle(&confirmation(&id).key("k").api_key(KEY)), None);
    assert_eq!(get(&mut account, &id)["status"], "requires_confirmation");
    let mut cancelled = account.clone();
    assert_eq!(send(&mut cancelled, cancellation(&id)).status, 200);
    for account in [&mut account, &mut cancelled] {
        account.advance(Duration::minutes(1));
    }
    assert_eq!((counts(&account).charges, counts(&cancelled).charges), (1, 0));
}
