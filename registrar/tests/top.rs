//! `registrar top` on a pseudo-terminal, against a stand-in for AWS: it starts, draws, and gives the terminal
//! back as it was, whatever ends it. `script` (util-linux) makes the terminal.
#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};

/// For a condition that is met within a second on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// On the alternate screen, and off it again (xterm, "Control Sequences", DECSET 1049).
const ENTERED: &str = "\u{1b}[?1049h";
const LEFT: &str = "\u{1b}[?1049l";

/// Responds to what `top` reads, except the metrics, for as long as the test runs.
fn aws() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().fallback(respond)).await.unwrap();
        });
    });
    format!("http://{address}")
}

async fn respond(uri: Uri, headers: HeaderMap) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match (target.unwrap_or_default(), uri.path()) {
        ("AmazonSQS.GetQueueAttributes", _) => {
            r#"{"Attributes": {"ApproximateNumberOfMessages": "1234"}}"#.into_response()
        }
        ("DynamoDB_20120810.GetItem", _) => "{}".into_response(),
        (_, "/v2/email/account") => {
            r#"{"SendingEnabled": true, "SendQuota": {"MaxSendRate": 14, "SentLast24Hours": 7}}"#
                .into_response()
        }
        (_, path) if path.contains("event-source-mappings") => {
            r#"{"EventSourceMappings": [{"UUID": "u", "State": "Enabled"}]}"#.into_response()
        }
        (_, "/") => stack().into_response(),
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

fn stack() -> String {
    let list = |of: &[(&str, &str)], name: &str, value: &str| {
        let members = of
            .iter()
            .map(|(n, v)| format!("<member><{name}>{n}</{name}><{value}>{v}</{value}></member>"));
        members.collect::<String>()
    };
    let outputs = [
        ("EmailQueueUrl", "http://sqs/1/emails"),
        ("EmailDeadLetterQueueUrl", "http://sqs/1/dead"),
        ("EmailFeedbackDeadLetterQueueUrl", "http://sqs/1/events"),
        ("EmailWorkerFunctionName", "worker"),
        ("HoldsTableName", "holds"),
        ("EnrollmentsTableName", "enrollments"),
    ];
    let parameters = [
        ("SendLimit", "300"),
        ("SendWindowSeconds", "60"),
        ("SendSlackMilliseconds", "250"),
        ("WorkerConcurrency", "2"),
    ];
    let (outputs, parameters) = (
        list(&outputs, "OutputKey", "OutputValue"),
        list(&parameters, "ParameterKey", "ParameterValue"),
    );
    format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>registrar</StackName>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
         <Outputs>{outputs}</Outputs><Parameters>{parameters}</Parameters></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    )
}

fn with_environment(command: &mut Command, endpoint: &str) {
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL", endpoint);
}

#[expect(clippy::disallowed_methods, reason = "for the deadline of a test")]
fn now() -> Instant {
    Instant::now()
}

/// A shell on a pseudo-terminal.
struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    /// Runs `top`, between two lines with the terminal's settings.
    fn start() -> Self {
        let binary = env!("CARGO_BIN_EXE_registrar");
        let shell = format!(
            "stty rows 30 cols 100; echo \"before $(stty -g)\"; \
             sh -c 'echo pid $$.; exec {binary} top --interval 2 > /dev/null'; \
             echo \"code $?.\"; echo \"after $(stty -g)\"; echo end."
        );
        let mut command = Command::new("script");
        with_environment(&mut command, &aws());
        let mut child = command
            .args(["--quiet", "--flush", "--command", &shell, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is installed: it is part of util-linux");
        let (sender, output) = mpsc::channel();
        let mut stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, output, shown: String::new() }
    }

    fn wait_for(&mut self, text: &str) {
        let deadline = now() + PATIENCE;
        while !self.shown.contains(text) {
            // It draws again and again, so there is always output.
            let left = deadline.saturating_duration_since(now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("no {text:?} in\n{:?}", self.shown)
            };
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn type_in(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits until it has drawn what it read.
    fn wait_until_it_draws(&mut self) {
        self.wait_for(ENTERED);
        for part in ["backlog", "1234", "299/min", "Payments"] {
            self.wait_for(part);
        }
    }

    /// The text between two others.
    fn between(&self, start: &str, end: &str) -> &str {
        let (_, rest) = self.shown.split_once(start).unwrap();
        rest.split_once(end).unwrap().0
    }

    fn assert_restored(&mut self) {
        self.wait_for("end.");
        assert_eq!(self.between("code ", "."), "0");
        let (entered, left) = (self.shown.find(ENTERED), self.shown.find(LEFT));
        assert!(entered.is_some() && entered < left, "{:?}", self.shown);
        assert_eq!(self.shown.matches(LEFT).count(), 1);
        assert!(self.shown.ends_with("end.\r\n"), "nothing is drawn afterwards: {:?}", self.shown);
        assert_eq!(self.between("before ", "\r\n"), self.between("after ", "\r\n"));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn key_ends_it_and_the_terminal_is_as_before() {
    let mut terminal = Terminal::start();
    terminal.wait_until_it_draws();
    // CloudWatch's failure does not stop the drawing.
    terminal.wait_for("! reading the metrics failed");
    terminal.type_in("?");
    terminal.wait_for("previous");
    terminal.type_in("q");
    terminal.assert_restored();
}

#[test]
fn signal_ends_it_and_the_terminal_is_as_before() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut terminal = Terminal::start();
        terminal.wait_until_it_draws();
        let pid = terminal.between("pid ", ".").to_owned();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        terminal.assert_restored();
    }
}

#[test]
fn without_a_terminal_it_names_the_command_that_needs_none() {
    // A new session has no terminal.
    let mut command = Command::new("setsid");
    with_environment(&mut command, "http://127.0.0.1:1");
    let binary = env!("CARGO_BIN_EXE_registrar");
    let output = command.args(["--wait", binary, "top"]).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("error: there is no terminal to draw on"), "{error}");
    assert!(error.contains("`registrar status`"), "{error}");
    assert_eq!(output.stdout, b"");
}
