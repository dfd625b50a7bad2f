use std::sync::mpsc;

use serde_json::Value;

use super::*;
use crate::testing::{Fault, Rule};

const KEY: &str = "sk_test_1";

fn start() -> Server {
    Server::start("127.0.0.1:0", KEY).unwrap()
}

/// One request on a connection of its own: status and body.
fn call(server: &Server, method: &str, path: &str, form: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let length = form.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n{form}").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn post(server: &Server, path: &str, form: &str) -> (u16, Value) {
    call(server, "POST", path, form)
}

fn create(server: &Server, method: &str) -> String {
    let form = format!("amount=4900&currency=usd&payment_method={method}&metadata[student_id]=s-1");
    let (status, intent) = post(server, "/v1/payment_intents", &form);
    assert_eq!(status, 200, "{intent}");
    intent["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_student_completes_three_d_secure_over_http() {
    let server = start();
    let id = create(&server, "pm_card_authenticationRequired");
    let (_, intent) = post(&server, &format!("/v1/payment_intents/{id}/confirm"), "");
    assert_eq!(intent["status"], "requires_action");
    let form = format!("client_secret={}", intent["client_secret"].as_str().unwrap());
    assert_eq!(post(&server, "/_test/authenticate", &form).0, 200);
    assert_eq!(post(&server, "/_test/authenticate", &form).0, 404, "it does not wait any more");
    let (_, intent) = call(&server, "GET", &format!("/v1/payment_intents/{id}"), "");
    assert_eq!(intent["status"], "succeeded");
    let (_, counts) = call(&server, "GET", "/_test/counts?name=student_id&value=s-1", "");
    assert_eq!((&counts["charges"], &counts["kept"]), (&json!(1), &json!(1)));
    assert_eq!(server.with(|account| account.counts("student_id", "s-1").kept), 1);
}

#[test]
fn faults_and_the_clock_are_set_over_http() {
    let server = start();
    let form = "fault=error_after:500&method=POST&path=/v1/payment_intents&times=1";
    assert_eq!(post(&server, "/_test/faults", form).0, 200);
    assert_eq!(post(&server, "/v1/payment_intents", "amount=4900&currency=usd").0, 500);
    let before = server.with(|account| account.now());
    assert_eq!(post(&server, "/_test/clock", "advance=86400").0, 200);
    assert!(server.with(|account| account.now()) - before >= time::Duration::DAY);
    for (path, form) in
        [("/_test/faults", "fault=x"), ("/_test/clock", "advance=x"), ("/_test/x", "")]
    {
        assert_eq!(post(&server, path, form).0, 400, "{path}");
    }
}

#[test]
fn a_response_that_never_comes_leaves_the_connection_open() {
    let server = start();
    server.with(|account| {
        account.inject(Rule::next(Fault::SilenceAfter));
    });
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let request = "GET /v1/refunds HTTP/1.1\r\nAuthorization: Bearer sk_test_1\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
    assert_eq!(server.with(|account| account.calls()[0].status), None);
}

#[test]
fn an_event_is_delivered_until_it_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for (connection, status) in listener.incoming().flatten().zip([503, 200]) {
            let mut writer = connection.try_clone().unwrap();
            let request = read(&mut BufReader::new(connection)).unwrap();
            write!(writer, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").unwrap();
            sender.send(request).unwrap();
        }
    });
    let server = start();
    assert_eq!(post(&server, "/_test/webhook", &format!("url={url}&secret=whsec_1")).0, 200);
    assert_eq!(post(&server, "/_test/ping", "").0, 200);
    for _ in 0..2 {
        let request = received.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(request.path, "/webhooks/stripe");
        assert!(request.headers["stripe-signature"].starts_with("t="));
    }
}
