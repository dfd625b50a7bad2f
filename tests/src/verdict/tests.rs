use std::time::SystemTime;

use bytes::Bytes;
use http::Method;

use super::*;
use crate::faults::{Request, Response, Service};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

fn exchange(service: Service, operation: &str, body: &'static str, second: u64) -> Exchange {
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
    Exchange {
        real_status: Some(200),
        response: Response::Real(200),
        ..Exchange::new(request, Vec::new())
    }
}

fn send(second: u64) -> Exchange {
    exchange(Service::Ses, "SendEmail", "", second)
}

fn recorded_as_sent(second: u64) -> Exchange {
    exchange(Service::DynamoDb, "UpdateItem", r#"{":sent":{"S":"sent"}}"#, second)
}

fn killed(process: u32, second: u64) -> [Kill; 1] {
    [Kill { process, at: at(second) }]
}

#[test]
fn only_a_lost_response_or_a_kill_excuses_a_second_email() {
    let excused = |exchanges: &[Exchange], kills: &[Kill]| {
        let accepted = accepted("a", exchanges);
        let first = first_email(accepted[0], exchanges, kills);
        second_email_is_excused(&first, &accepted[1].at)
    };
    let both = [send(1), send(9)];
    assert!(!excused(&both, &[]), "there was no fault");
    assert!(excused(&both, &killed(7, 2)));
    assert!(!excused(&both, &killed(8, 2)), "another worker was killed");
    assert!(!excused(&both, &killed(7, 10)), "the kill was later");
    let mut unknown = both.clone();
    unknown[0].request.process = None;
    assert!(excused(&unknown, &killed(8, 2)), "the process had exited");
    assert!(!excused(&unknown, &[]), "nothing was killed");
    let recorded = [send(1), recorded_as_sent(2), send(9)];
    assert!(!excused(&recorded, &killed(7, 3)), "the ledger had it as sent");
    let losses = [Response::None, Response::Half, Response::Garbage, Response::Falsified(500)];
    for response in losses {
        let lost = Exchange { response, ..send(1) };
        assert!(excused(&[lost.clone(), send(9)], &[]), "{response:?}");
        let refused = Exchange { real_status: Some(400), ..recorded_as_sent(2) };
        assert!(excused(&[lost, refused, send(9)], &[]), "{response:?}");
    }
}

#[test]
fn refused_attempt_is_not_an_email() {
    let refused = Exchange { real_status: Some(429), response: Response::Real(429), ..send(1) };
    let not_forwarded =
        Exchange { real_status: None, response: Response::Falsified(500), ..send(2) };
    assert_eq!(accepted("a", &[refused, not_forwarded, send(3)]).len(), 1);
}

#[test]
fn audit_judges_the_limit() {
    let limit = Limit { sends: "2".to_owned(), window_seconds: "10".to_owned() };
    limit.assert_kept(&[send(1), send(2), send(11), send(12)]);
    let broken = std::panic::catch_unwind(|| limit.assert_kept(&[send(1), send(2), send(10)]));
    let report = *broken.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("the limit was     BROKEN"), "{report}");
}
