//! The rules of `doctor`: each check with what makes it wrong.

use pacer::Slots;

use super::{
    Assignment,
    checks::{self, Concurrency, Identity, SendSettings},
    finding::{Finding, Verdict},
    outcome, write,
};
use crate::{account::Account, outcome::Outcome};

fn account() -> Account {
    Account {
        max_send_rate: Some(14.0),
        daily_quota: Some(500_000.0),
        sent_last_24_hours: 0.0,
        is_in_sandbox: false,
        sending_enabled: true,
        is_shut_down: false,
    }
}

fn limit(limit: &str, slots: &str) -> SendSettings {
    SendSettings {
        limit: limit.parse().unwrap(),
        window: "60".parse().unwrap(),
        slack: "250".parse().unwrap(),
        slots: slots.parse().unwrap(),
    }
}

fn slots() -> Slots {
    "2".parse().unwrap()
}

fn expect(finding: &Finding, verdict: Verdict, text: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.what.contains(text), "{finding:?}");
    let must_have_remedy = matches!(verdict, Verdict::Wrong | Verdict::Warning);
    assert_eq!(finding.remedy.is_some(), must_have_remedy, "{finding:?}");
}

#[test]
fn identity_must_exist_be_verified_and_should_sign() {
    let good = Identity { verified: true, dkim_works: true, mail_from_works: true };
    let of = |identity| checks::identity("example.com", identity);
    expect(&of(None), Verdict::Wrong, "no identity example.com");
    expect(&of(Some(Identity { verified: false, ..good })), Verdict::Wrong, "not verified");
    expect(&of(Some(Identity { mail_from_works: false, ..good })), Verdict::Wrong, "MX record");
    expect(&of(Some(Identity { dkim_works: false, ..good })), Verdict::Warning, "DKIM");
    expect(&of(Some(good)), Verdict::Fine, "example.com");
}

#[test]
fn account_must_be_allowed_to_send_to_everybody() {
    expect(&checks::account(&account()), Verdict::Fine, "out of the sandbox");
    for (account, text) in [
        (Account { is_shut_down: true, ..account() }, "suspended"),
        (Account { sending_enabled: false, ..account() }, "paused"),
        (Account { is_in_sandbox: true, ..account() }, "sandbox"),
    ] {
        expect(&checks::account(&account), Verdict::Wrong, text);
    }
}

#[test]
fn limit_above_the_accounts_rate_or_daily_quota_is_a_warning() {
    let [rate, daily] = checks::quota(limit("300", "2"), &account()).try_into().unwrap();
    expect(&rate, Verdict::Fine, "14 per second");
    expect(&daily, Verdict::Fine, "432000");
    let [rate, daily] = checks::quota(limit("3000", "2"), &account()).try_into().unwrap();
    expect(&rate, Verdict::Warning, "50.0 emails per second");
    expect(&daily, Verdict::Warning, "4320000");
    let unlimited = Account { daily_quota: None, ..account() };
    expect(&checks::quota(limit("3000", "2"), &unlimited)[1], Verdict::Fine, "none");
}

#[test]
fn limit_that_cannot_be_shared_is_wrong() {
    expect(&checks::limit(limit("300", "2")), Verdict::Fine, "150");
    expect(&checks::limit(limit("1", "2")), Verdict::Wrong, "cannot be shared by 2 slots");
}

#[test]
fn concurrency_of_a_new_account_cannot_be_reserved() {
    let new = Concurrency { total: 10, unreserved: 10 };
    expect(&checks::can_reserve(new, slots(), true), Verdict::Wrong, "2 cannot be reserved");
    expect(&checks::can_reserve(new, slots(), false), Verdict::Warning, "nothing is reserved");
    let at_the_edge = Concurrency { total: 1000, unreserved: 102 };
    expect(&checks::can_reserve(at_the_edge, slots(), true), Verdict::Fine, "2 of 102");
    let below = Concurrency { total: 1000, unreserved: 101 };
    expect(&checks::can_reserve(below, slots(), true), Verdict::Wrong, "101 are unreserved");
}

#[test]
fn deployed_concurrency_must_be_that_of_the_limit() {
    expect(&checks::reserved(Some(2), slots(), true), Verdict::Fine, "2");
    expect(&checks::reserved(Some(3), slots(), true), Verdict::Wrong, "3 is reserved");
    expect(&checks::reserved(None, slots(), true), Verdict::Wrong, "nothing is reserved");
    expect(&checks::reserved(None, slots(), false), Verdict::Warning, "nothing is reserved");
    expect(&checks::maximum_concurrency(Some(2), slots()), Verdict::Fine, "2");
    expect(&checks::maximum_concurrency(None, slots()), Verdict::Wrong, "not WorkerConcurrency");
}

#[test]
fn redrive_policy_must_lead_to_the_stacks_queue_after_all_receives() {
    let arn = Some("arn:dlq");
    let policy = |target: &str, receives: &str| {
        format!(r#"{{"deadLetterTargetArn":"{target}","maxReceiveCount":{receives}}}"#)
    };
    for good in [policy("arn:dlq", "1000"), policy("arn:dlq", "\"1000\"")] {
        expect(&checks::redrive(Some(&good), arn), Verdict::Fine, "1000");
    }
    expect(&checks::redrive(None, arn), Verdict::Wrong, "no dead-letter queue");
    let other = policy("arn:other", "1000");
    expect(&checks::redrive(Some(&other), arn), Verdict::Wrong, "another dead-letter queue");
    let early = policy("arn:dlq", "3");
    expect(&checks::redrive(Some(&early), arn), Verdict::Wrong, "another number");
}

#[test]
fn configuration_set_must_exist_and_may_send() {
    expect(&checks::configuration_set("set", Some(true)), Verdict::Fine, "exists");
    expect(&checks::configuration_set("set", Some(false)), Verdict::Wrong, "paused for set");
    expect(&checks::configuration_set("set", None), Verdict::Wrong, "no set");
}

#[test]
fn stripes_key_is_never_shown_and_its_mode_is() {
    for (key, verdict) in [
        ("sk_live_secret", Verdict::Fine),
        ("rk_live_secret", Verdict::Fine),
        ("sk_test_secret", Verdict::Warning),
        ("pk_live_secret", Verdict::Wrong),
    ] {
        let finding = checks::stripe_key(key);
        assert_eq!(finding.verdict, verdict);
        assert!(!format!("{finding:?}").contains("_secret"), "{finding:?}");
    }
}

#[test]
fn findings_are_written_with_their_remedy_and_decide_the_exit_code() {
    let fine = checks::account(&account());
    let wrong = checks::configuration_set("set", None);
    let mut out = Vec::new();
    write(&[fine.clone(), wrong.clone()], false, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("WRONG        configuration set     SES has no set\n"), "{text}");
    assert!(text.contains("to fix it: deploy again\n"), "{text}");
    assert_eq!(outcome(std::slice::from_ref(&fine)), Outcome::Fine);
    assert_eq!(outcome(&[fine.clone(), wrong]), Outcome::NeedsPerson);
    let failed = Finding::not_checked("SES account", "access denied");
    assert_eq!(outcome(&[fine, failed]), Outcome::NeedsPerson);
}

#[test]
fn parameters_are_name_and_value() {
    let assignment = Assignment { name: "SendLimit".into(), value: "300".into() };
    assert_eq!("SendLimit=300".parse(), Ok(assignment));
    assert!("SendLimit".parse::<Assignment>().is_err());
}
