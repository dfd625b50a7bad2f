//! Each fault, before and after the real call, with a minimal service behind the proxy.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Service::{DynamoDb, Ses, Sqs},
    *,
};

const LONG_WAIT: Duration = Duration::from_secs(20);
const SHORT_WAIT: Duration = Duration::from_millis(300);

/// A service that responds to every request with its `Host` header, and counts requests.
struct Upstream {
    url: String,
    count: Arc<AtomicUsize>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counting = count.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let host = read_request(&mut stream);
                counting.fetch_add(1, Ordering::SeqCst);
                let body = json!({"host": host}).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        Self { url, count }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Reads a whole request, and returns its `Host`.
fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut host, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "host" => value.clone_into(&mut host),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    host
}

/// What a client received before the connection ended or the client stopped waiting.
#[derive(Debug, Default)]
struct Received {
    text: String,
    /// Whether the connection ended before the client stopped waiting.
    ended: bool,
}

impl Received {
    fn status(&self) -> u16 {
        self.text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_default()
    }
}

struct Client(TcpStream);

impl Client {
    fn of(faults: &Faults, service: Service) -> Self {
        let address = faults.url(service).trim_start_matches("http://");
        Self(TcpStream::connect(address).unwrap())
    }

    fn request(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: aws.example\r\nx-amz-target: X.UpdateItem\r\n\
             connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).unwrap();
    }

    fn receive(mut self, max_wait: Duration) -> Received {
        self.0.set_read_timeout(Some(max_wait)).unwrap();
        let mut bytes = Vec::new();
        let ended = self.0.read_to_end(&mut bytes).is_ok();
        Received { text: String::from_utf8_lossy(&bytes).into_owned(), ended }
    }
}

fn send(faults: &Faults, body: &str, max_wait: Duration) -> Received {
    let mut client = Client::of(faults, Ses);
    client.request("POST", "/v2/email/outbound-emails", body);
    client.receive(max_wait)
}

fn proxied_service() -> (Upstream, Faults) {
    let upstream = Upstream::start();
    let faults = Faults::in_front_of(&upstream.url);
    (upstream, faults)
}

#[test]
fn email_that_ses_does_not_accept_is_refused_without_a_rule() {
    let (upstream, faults) = proxied_service();
    for email in [
        json!({"EmailTags": [{"Name": "job_id", "Value": "receipt.42"}]}),
        json!({"Destination": {"ToAddresses": ["a..b@docomo.ne.jp"]}}),
    ] {
        let received = send(&faults, &email.to_string(), LONG_WAIT);
        let refusal = (received.status(), received.json()["__type"].clone());
        assert_eq!(refusal, (400, json!("BadRequestException")), "{email}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn request_without_a_rule_is_forwarded_unchanged_and_recorded() {
    let (upstream, faults) = proxied_service();
    let before = std::time::SystemTime::now();

    let received = send(&faults, r#"{"EmailTags":[{"Name":"job_id","Value":"j-1"}]}"#, LONG_WAIT);
    assert_eq!((received.status(), received.json()), (200, json!({"host": "aws.example"})));
    let mut ledger = Client::of(&faults, DynamoDb);
    ledger.request("POST", "/", r#"{"Key":{"job_id":{"S":"j-2"}}}"#);
    assert_eq!(ledger.receive(LONG_WAIT).status(), 200);

    assert_eq!(upstream.count(), 2);
    let exchanges = faults.exchanges();
    assert_eq!(exchanges.len(), 2);
    let [send] = faults.sends().try_into().unwrap();
    assert!(send.at >= before && send.forwarded && send.was_done() && send.response_was_received());
    assert_eq!(send.job_id.as_deref(), Some("j-1"));
    assert_eq!(send.process, Some(std::process::id()));
    assert_eq!((exchanges[1].service, exchanges[1].operation.as_str()), (DynamoDb, "UpdateItem"));
    assert_eq!(exchanges[1].job_id.as_deref(), Some("j-2"));
}

#[test]
fn fault_before_the_real_call_prevents_it() {
    let (upstream, faults) = proxied_service();
    let meets = |rule: Rule, max_wait| {
        let received = send(&faults, "{}", max_wait);
        rule.lift();
        let [caught] = rule.caught().try_into().unwrap();
        assert!(!caught.forwarded && caught.real_status.is_none());
        (received, caught.response)
    };
    let rule = || faults.rule(Ses, "SendEmail");

    let (received, response) = meets(rule().silence(), SHORT_WAIT);
    assert_eq!((received.text.as_str(), received.ended, response), ("", false, Response::None));
    let (received, response) = meets(rule().cut(), LONG_WAIT);
    assert_eq!((received.text.as_str(), received.ended, response), ("", true, Response::None));
    let (received, response) = meets(rule().respond(418, json!({"a": 1})), LONG_WAIT);
    assert_eq!(
        (received.status(), received.json(), response),
        (418, json!({"a": 1}), Response::Falsified(418))
    );
    let (received, response) =
        meets(rule().error(429, "TooManyRequestsException", "slow down"), LONG_WAIT);
    assert_eq!((received.status(), response.status()), (429, Some(429)));
    assert!(received.text.contains("x-amzn-errortype: TooManyRequestsException\r\n"));
    assert_eq!(received.json()["message"], "slow down");
    let (received, response) = meets(rule().garbage(), LONG_WAIT);
    assert_eq!(
        (received.status(), received.json(), response),
        (200, Value::Null, Response::Garbage)
    );

    assert_eq!(upstream.count(), 0);
    assert_eq!(send(&faults, "{}", LONG_WAIT).status(), 200, "a lifted rule was applied");
}

#[test]
fn fault_after_the_real_call_replaces_only_the_response() {
    let (upstream, faults) = proxied_service();
    let meets = |rule: Rule, max_wait| {
        let received = send(&faults, "{}", max_wait);
        rule.lift();
        let [caught] = rule.caught().try_into().unwrap();
        assert!(caught.forwarded && caught.was_done() && !caught.response_was_received());
        (received, caught.response)
    };
    let rule = || faults.rule(Ses, "SendEmail").after();

    let (received, response) = meets(rule().silence(), SHORT_WAIT);
    assert_eq!((received.text.as_str(), received.ended, response), ("", false, Response::None));
    let (received, response) = meets(rule().cut(), LONG_WAIT);
    assert_eq!((received.status(), received.ended, response), (200, true, Response::Half));
    assert_eq!(received.body(), r#"{"host":"aw"#, "half of it");
    let (received, response) = meets(rule().respond(500, json!({})), LONG_WAIT);
    assert_eq!((received.status(), response), (500, Response::Falsified(500)));
    let (received, response) = meets(rule().garbage(), LONG_WAIT);
    assert_eq!(
        (received.status(), received.json(), response),
        (200, Value::Null, Response::Garbage)
    );

    assert_eq!(upstream.count(), 4);
}

#[test]
fn delayed_request_still_meets_other_faults() {
    let (upstream, faults) = proxied_service();
    for delayed in [faults.rule(Ses, "SendEmail"), faults.rule(Ses, "SendEmail").after()] {
        let delay = delayed.delay(SHORT_WAIT);
        let began = Instant::now();
        assert_eq!(send(&faults, "{}", LONG_WAIT).status(), 200);
        assert!(began.elapsed() >= SHORT_WAIT, "{:?}", began.elapsed());
        let down = faults.rule(Ses, "SendEmail").error(500, "InternalFailure", "down");
        assert_eq!(send(&faults, "{}", LONG_WAIT).status(), 500);
        delay.lift();
        down.lift();
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn request_that_arrived_is_carried_out_after_its_sender_disconnects() {
    let (upstream, faults) = proxied_service();
    let late = faults.rule(Ses, "SendEmail").delay(SHORT_WAIT);
    drop(send(&faults, "{}", Duration::from_millis(1)));
    let began = Instant::now();
    while late.caught().iter().all(|exchange| !exchange.was_done()) {
        assert!(began.elapsed() < LONG_WAIT, "{:?}", late.caught());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn rule_applies_only_to_the_requests_that_it_names() {
    let (_upstream, faults) = proxied_service();
    let statuses = |bodies: &[&str]| {
        let status = |body: &&str| send(&faults, body, LONG_WAIT).status();
        bodies.iter().map(status).collect::<Vec<_>>()
    };
    let rule = || faults.rule(Ses, "SendEmail");

    rule().mentioning("ada").respond(500, json!({}));
    assert_eq!(statuses(&["to ada", "to grace"]), [500, 200]);
    faults.lift_all();
    rule().from(2).up_to(3).respond(500, json!({}));
    assert_eq!(statuses(&["", "", "", ""]), [200, 500, 500, 200]);
    faults.lift_all();
    // The first rule that applies decides. Later rules do not count the request.
    rule().up_to(1).respond(501, json!({}));
    rule().up_to(2).respond(502, json!({}));
    assert_eq!(statuses(&["", "", "", ""]), [501, 502, 502, 200]);
    faults.lift_all();
    faults.rule(Ses, "GetAccount").respond(500, json!({}));
    faults.rule(Sqs, "SendEmail").respond(500, json!({}));
    assert_eq!(statuses(&[""]), [200]);
    faults.lift_all();

    let drawn = |seed| {
        let rule = rule().share(0.5, seed).respond(500, json!({}));
        let drawn = statuses(&[""; 16]);
        rule.lift();
        drawn
    };
    let (one, again, other) = (drawn(1), drawn(1), drawn(2));
    assert!(one == again && one != other, "{one:?} {again:?} {other:?}");
    assert!(one.contains(&200) && one.contains(&500), "{one:?}");
}

#[test]
fn rule_can_respond_in_place_of_the_service() {
    let (upstream, faults) = proxied_service();
    let get = |path: &str| {
        let mut client = Client::of(&faults, Ses);
        client.request("GET", path, "");
        client.receive(LONG_WAIT)
    };
    faults.rule(Ses, "GetAccount").respond(200, json!({"SendingEnabled": false}));
    faults
        .rule_for_path(Ses, Method::GET, "/v2/email/identities/")
        .mentioning("ada")
        .respond(404, json!({}));
    assert_eq!(get("/v2/email/account").json()["SendingEnabled"], false);
    assert_eq!(get("/v2/email/identities/ada@example.com").status(), 404);
    assert_eq!(get("/v2/email/identities/grace@example.com").status(), 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn closed_door_refuses_connections_until_it_is_opened() {
    let (_upstream, faults) = proxied_service();
    let connect = || TcpStream::connect(faults.url(Ses).trim_start_matches("http://"));
    let mut open = Client::of(&faults, Ses);
    faults.close(Ses).await;
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    open.0.set_read_timeout(Some(LONG_WAIT)).unwrap();
    match open.0.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(TcpStream::connect(faults.url(Sqs).trim_start_matches("http://")).is_ok());
    faults.open(Ses).await;
    let received = send(&faults, "{}", LONG_WAIT);
    assert_eq!(received.status(), 200);
}
