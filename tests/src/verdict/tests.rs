use std::time::SystemTime;

use bytes::Bytes;
use http::Method;

use super::*;
use crate::faults::{Given, Request, Service};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

fn passed(service: Service, operation: &str, body: &'static str, second: u64) -> Passed {
    let request = Request {
        at: at(second),
        service,
        operation: operation.to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        body: Bytes::from_static(body.as_bytes()),
        process: Some(7),
        job_id: Some("a".to_owned()),
    };
    Passed { real: Some(200), given: Given::Real(200), ..Passed::new(request, Vec::new()) }
}

fn send(second: u64) -> Passed {
    passed(Service::Ses, "SendEmail", "", second)
}

fn known(second: u64) -> Passed {
    passed(Service::DynamoDb, "UpdateItem", r#"{":sent":{"S":"sent"}}"#, second)
}

fn killed(process: u32, second: u64) -> [Kill; 1] {
    [Kill { process, at: at(second) }]
}

#[test]
fn only_a_lost_answer_or_a_death_excuses_a_second_email() {
    let excused = |passed: &[Passed], kills: &[Kill]| {
        let accepted = accepted("a", passed);
        is_excused(accepted[0], accepted[1], passed, kills)
    };
    let both = [send(1), send(9)];
    assert!(!excused(&both, &[]), "nothing happened");
    assert!(excused(&both, &killed(7, 2)));
    assert!(!excused(&both, &killed(8, 2)), "another worker died");
    assert!(!excused(&both, &killed(7, 10)), "it died later");
    assert!(!excused(&[send(1), known(2), send(9)], &killed(7, 3)), "the ledger knew");
    for given in [Given::Nothing, Given::Half, Given::Garbage, Given::Falsified(500)] {
        let unheard = Passed { given, ..send(1) };
        assert!(excused(&[unheard.clone(), send(9)], &[]), "{given:?}");
        let refused = Passed { real: Some(400), ..known(2) };
        assert!(excused(&[unheard, refused, send(9)], &[]), "{given:?}");
    }
}

#[test]
fn what_was_refused_is_no_email() {
    let refused = Passed { real: Some(429), given: Given::Real(429), ..send(1) };
    let kept_away = Passed { real: None, given: Given::Falsified(500), ..send(2) };
    assert_eq!(accepted("a", &[refused, kept_away, send(3)]).len(), 1);
}

#[test]
fn the_real_audit_judges_the_limit() {
    let limit = Limit { sends: "2".to_owned(), window_seconds: "10".to_owned() };
    limit.was_kept(&[send(1), send(2), send(11), send(12)]);
    let broken = std::panic::catch_unwind(|| limit.was_kept(&[send(1), send(2), send(10)]));
    let report = *broken.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("the limit was     BROKEN"), "{report}");
}
