//! Any sequence of calls.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CARDS: [&str; 6] = [
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_processing",
    "pm_card_refundFail",
    "pm_single",
];

const FAULTS: [Fault; 7] = [
    Fault::SilenceBefore,
    Fault::SilenceAfter,
    Fault::ErrorBefore(500),
    Fault::ErrorAfter(500),
    Fault::ErrorAfter(503),
    Fault::Slow(Duration::seconds(40)),
    Fault::Late(Duration::seconds(90)),
];

#[derive(Debug, Clone)]
enum Step {
    Call { what: usize, intent: usize, card: usize, key: u8 },
    Fault(usize),
    Student(usize, bool),
    Settle(usize, bool),
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = (0..4_usize, 0..3_usize, 0..CARDS.len(), 0..4_u8)
        .prop_map(|(what, intent, card, key)| Step::Call { what, intent, card, key });
    let step = prop_oneof![
        8 => call,
        2 => (0..FAULTS.len()).prop_map(Step::Fault),
        1 => (0..3_usize, any::<bool>()).prop_map(|(intent, success)| Step::Student(intent, success)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(intent, success)| Step::Settle(intent, success)),
        2 => (1..40_000_u32).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

fn request(what: usize, intent: &str, card: &str, key: u8) -> Request {
    let request = match what {
        0 => creation(card),
        1 => confirmation(intent),
        2 => cancellation(intent),
        _ => refund(intent),
    };
    request.key(&format!("{key}")).api_key(KEY)
}

proptest! {
    #[test]
    fn a_key_charges_once_and_its_replays_are_identical(steps in steps()) {
        let mut account = account();
        account.add_payment_method("pm_single", Card::Accepted);
        // The response that is saved under a key, and since when, where that is known.
        let mut first = BTreeMap::<String, (OffsetDateTime, Response)>::new();
        for step in steps {
            let ids = account.intents("student_id", "s-1");
            let id = |index: usize| ids.get(index).map_or("pi_none", String::as_str);
            match step {
                Step::Fault(index) => account.inject(Rule::next(FAULTS[index])),
                Step::Student(intent, success) => drop(account.authenticate(id(intent), success)),
                Step::Settle(intent, success) => drop(account.settle(id(intent), success)),
                Step::Wait(seconds) => account.advance(Duration::seconds(seconds.into())),
                Step::Call { what, intent, card, key } => {
                    let request = request(what, id(intent), CARDS[card], key);
                    let key = request.headers["idempotency-key"].clone();
                    let Some(response) = account.handle(&request) else {
                        first.remove(&key);
                        continue;
                    };
                    if response.is_replay() {
                        if let Some((at, saved)) = first.get(&key) {
                            prop_assert!(account.now() - *at < KEPT_FOR);
                            prop_assert_eq!((saved.status, &saved.body), (response.status, &response.body));
                        }
                        first.entry(key).or_insert((account.now(), response));
                    } else if [200, 402, 500].contains(&response.status) {
                        first.insert(key, (account.now(), response));
                    } else {
                        first.remove(&key);
                    }
                }
            }
            for id in account.intents("student_id", "s-1") {
                prop_assert!(account.paid_charges(&id).count() <= 1, "one charge per intent");
            }
        }
    }

    #[test]
    fn within_a_day_a_key_charges_once(steps in steps()) {
        let mut account = account();
        account.add_payment_method("pm_single", Card::Accepted);
        for step in steps {
            let ids = account.intents("student_id", "s-1");
            let id = |index: usize| ids.get(index).map_or("pi_none", String::as_str);
            match step {
                Step::Fault(index) => account.inject(Rule::next(FAULTS[index])),
                Step::Student(intent, success) => drop(account.authenticate(id(intent), success)),
                Step::Settle(intent, success) => drop(account.settle(id(intent), success)),
                Step::Wait(seconds) => account.advance(Duration::seconds((seconds / 40).into())),
                Step::Call { what, intent, card, key } => {
                    drop(account.handle(&request(what, id(intent), CARDS[card], key)));
                }
            }
        }
        prop_assert!(account.now() - now() < KEPT_FOR);
        for key in 0..4_u8 {
            prop_assert!(account.charges_of_key(&key.to_string()) <= 1);
        }
    }
}
