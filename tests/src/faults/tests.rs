//! Each fault, before and after the real call, against an upstream of a few lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Service::{DynamoDb, Ses, Sqs},
    *,
};

const LONG: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(300);

/// Answers every request with the `Host` that it came with, and counts.
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

/// What a client sees of an answer.
#[derive(Debug, Default)]
struct Seen {
    text: String,
    /// Whether the connection ended, rather than the client's patience.
    ended: bool,
}

impl Seen {
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

    fn ask(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: aws.example\r\nx-amz-target: X.UpdateItem\r\n\
             connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).unwrap();
    }

    fn see(mut self, patience: Duration) -> Seen {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = Vec::new();
        let ended = self.0.read_to_end(&mut bytes).is_ok();
        Seen { text: String::from_utf8_lossy(&bytes).into_owned(), ended }
    }
}

fn send(faults: &Faults, body: &str, patience: Duration) -> Seen {
    let mut client = Client::of(faults, Ses);
    client.ask("POST", "/v2/email/outbound-emails", body);
    client.see(patience)
}

fn world() -> (Upstream, Faults) {
    let upstream = Upstream::start();
    let faults = Faults::before(&upstream.url);
    (upstream, faults)
}

#[test]
fn without_rules_everything_passes_as_it_came_and_is_on_record() {
    let (upstream, faults) = world();
    let before = std::time::SystemTime::now();

    let seen = send(&faults, r#"{"EmailTags":[{"Name":"job_id","Value":"j-1"}]}"#, LONG);
    assert_eq!((seen.status(), seen.json()), (200, json!({"host": "aws.example"})));
    let mut ledger = Client::of(&faults, DynamoDb);
    ledger.ask("POST", "/", r#"{"Key":{"job_id":{"S":"j-2"}}}"#);
    assert_eq!(ledger.see(LONG).status(), 200);

    assert_eq!(upstream.count(), 2);
    let passed = faults.passed();
    assert_eq!(passed.len(), 2);
    let [send] = faults.sends().try_into().unwrap();
    assert!(send.at >= before && send.forwarded && send.was_done() && send.was_answered());
    assert_eq!(send.job_id.as_deref(), Some("j-1"));
    assert_eq!(send.process, Some(std::process::id()));
    assert_eq!((passed[1].service, passed[1].operation.as_str()), (DynamoDb, "UpdateItem"));
    assert_eq!(passed[1].job_id.as_deref(), Some("j-2"));
}

#[test]
fn before_the_real_call_it_does_not_happen() {
    let (upstream, faults) = world();
    let meets = |rule: Rule, patience| {
        let seen = send(&faults, "{}", patience);
        rule.lift();
        let [caught] = rule.caught().try_into().unwrap();
        assert!(!caught.forwarded && caught.real.is_none());
        (seen, caught.given)
    };
    let rule = || faults.rule(Ses, "SendEmail");

    let (seen, given) = meets(rule().silence(), MOMENT);
    assert_eq!((seen.text.as_str(), seen.ended, given), ("", false, Given::Nothing));
    let (seen, given) = meets(rule().cut(), LONG);
    assert_eq!((seen.text.as_str(), seen.ended, given), ("", true, Given::Nothing));
    let (seen, given) = meets(rule().answer(418, json!({"a": 1})), LONG);
    assert_eq!((seen.status(), seen.json(), given), (418, json!({"a": 1}), Given::Falsified(418)));
    let (seen, given) = meets(rule().error(429, "TooManyRequestsException", "slow down"), LONG);
    assert_eq!((seen.status(), given.status()), (429, Some(429)));
    assert!(seen.text.contains("x-amzn-errortype: TooManyRequestsException\r\n"));
    assert_eq!(seen.json()["message"], "slow down");
    let (seen, given) = meets(rule().garbage(), LONG);
    assert_eq!((seen.status(), seen.json(), given), (200, Value::Null, Given::Garbage));

    assert_eq!(upstream.count(), 0);
    assert_eq!(send(&faults, "{}", LONG).status(), 200, "a rule that is lifted is in force");
}

#[test]
fn after_the_real_call_it_has_happened() {
    let (upstream, faults) = world();
    let meets = |rule: Rule, patience| {
        let seen = send(&faults, "{}", patience);
        rule.lift();
        let [caught] = rule.caught().try_into().unwrap();
        assert!(caught.forwarded && caught.was_done() && !caught.was_answered());
        (seen, caught.given)
    };
    let rule = || faults.rule(Ses, "SendEmail").after();

    let (seen, given) = meets(rule().silence(), MOMENT);
    assert_eq!((seen.text.as_str(), seen.ended, given), ("", false, Given::Nothing));
    let (seen, given) = meets(rule().cut(), LONG);
    assert_eq!((seen.status(), seen.ended, given), (200, true, Given::Half));
    assert_eq!(seen.body(), r#"{"host":"aw"#, "half of it");
    let (seen, given) = meets(rule().answer(500, json!({})), LONG);
    assert_eq!((seen.status(), given), (500, Given::Falsified(500)));
    let (seen, given) = meets(rule().garbage(), LONG);
    assert_eq!((seen.status(), seen.json(), given), (200, Value::Null, Given::Garbage));

    assert_eq!(upstream.count(), 4);
}

#[test]
fn a_delay_is_a_delay_and_other_faults_still_happen() {
    let (upstream, faults) = world();
    for delayed in [faults.rule(Ses, "SendEmail"), faults.rule(Ses, "SendEmail").after()] {
        let delay = delayed.delay(MOMENT);
        let began = Instant::now();
        assert_eq!(send(&faults, "{}", LONG).status(), 200);
        assert!(began.elapsed() >= MOMENT, "{:?}", began.elapsed());
        let down = faults.rule(Ses, "SendEmail").error(500, "InternalFailure", "down");
        assert_eq!(send(&faults, "{}", LONG).status(), 500);
        delay.lift();
        down.lift();
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn what_had_arrived_is_carried_out_though_its_sender_is_gone() {
    let (upstream, faults) = world();
    let late = faults.rule(Ses, "SendEmail").delay(MOMENT);
    drop(send(&faults, "{}", Duration::from_millis(1)));
    let began = Instant::now();
    while late.caught().iter().all(|passed| !passed.was_done()) {
        assert!(began.elapsed() < LONG, "{:?}", late.caught());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_rule_says_which_requests() {
    let (_upstream, faults) = world();
    let statuses = |bodies: &[&str]| {
        let status = |body: &&str| send(&faults, body, LONG).status();
        bodies.iter().map(status).collect::<Vec<_>>()
    };
    let rule = || faults.rule(Ses, "SendEmail");

    rule().mentioning("ada").answer(500, json!({}));
    assert_eq!(statuses(&["to ada", "to grace"]), [500, 200]);
    faults.lift_all();
    rule().from(2).up_to(3).answer(500, json!({}));
    assert_eq!(statuses(&["", "", "", ""]), [200, 500, 500, 200]);
    faults.lift_all();
    // The first that takes it decides, and it alone counts it.
    rule().up_to(1).answer(501, json!({}));
    rule().up_to(2).answer(502, json!({}));
    assert_eq!(statuses(&["", "", "", ""]), [501, 502, 502, 200]);
    faults.lift_all();
    faults.rule(Ses, "GetAccount").answer(500, json!({}));
    faults.rule(Sqs, "SendEmail").answer(500, json!({}));
    assert_eq!(statuses(&[""]), [200]);
    faults.lift_all();

    let drawn = |seed| {
        let rule = rule().share(0.5, seed).answer(500, json!({}));
        let drawn = statuses(&[""; 16]);
        rule.lift();
        drawn
    };
    let (one, again, other) = (drawn(1), drawn(1), drawn(2));
    assert!(one == again && one != other, "{one:?} {again:?} {other:?}");
    assert!(one.contains(&200) && one.contains(&500), "{one:?}");
}

#[test]
fn an_answer_can_be_given_for_what_the_service_does_not_know() {
    let (upstream, faults) = world();
    let get = |path: &str| {
        let mut client = Client::of(&faults, Ses);
        client.ask("GET", path, "");
        client.see(LONG)
    };
    faults.rule(Ses, "GetAccount").answer(200, json!({"SendingEnabled": false}));
    faults
        .rule_for_path(Ses, Method::GET, "/v2/email/identities/")
        .mentioning("ada")
        .answer(404, json!({}));
    assert_eq!(get("/v2/email/account").json()["SendingEnabled"], false);
    assert_eq!(get("/v2/email/identities/ada@example.com").status(), 404);
    assert_eq!(get("/v2/email/identities/grace@example.com").status(), 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_closed_door_refuses_until_it_is_opened() {
    let (_upstream, faults) = world();
    let connect = || TcpStream::connect(faults.url(Ses).trim_start_matches("http://"));
    let mut open = Client::of(&faults, Ses);
    faults.close(Ses).await;
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    open.0.set_read_timeout(Some(LONG)).unwrap();
    match open.0.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(TcpStream::connect(faults.url(Sqs).trim_start_matches("http://")).is_ok());
    faults.open(Ses).await;
    let seen = send(&faults, "{}", LONG);
    assert_eq!(seen.status(), 200);
}
